//! The union of the subjects of comments and ratings, and the fields that show it.

use graphql::{Abstract, Call, Column, Description, FieldError, NoArguments, Object, Registry};

use super::SubjectId;
use crate::error::ApiError;
use crate::kit::changes::{self, Payload};
use crate::kit::rows::{Missing, RowColumn, Table, by_key, find_all, or_failed};
use crate::kit::{Id, NodeType};
use crate::movie::Movie;
use crate::publication::Publication;

/// The types of this domain.
pub fn describe(description: &mut Description) {
    description.union(
        "Subject",
        Abstract::union(
            "The movie or publication that a comment or a rating is about.",
            vec![Movie::TYPE.into(), Publication::TYPE.into()],
        ),
    );
}

/// Rows that can be the subject of comments and ratings.
pub trait AsSubject: Table {
    /// The row as a subject.
    fn as_subject(&self) -> SubjectId;
}

impl AsSubject for Movie {
    fn as_subject(&self) -> SubjectId {
        SubjectId::Movie(self.id)
    }
}

impl AsSubject for Publication {
    fn as_subject(&self) -> SubjectId {
        SubjectId::Publication(self.id)
    }
}

/// Rows with a subject: of two columns that refer to movies and publications, one is set.
pub trait SubjectObject<T>: Sized {
    /// The field `subject`.
    #[must_use]
    fn subject(
        self,
        description: &'static str,
        movie: RowColumn<T, Option<Id<Movie>>>,
        publication: RowColumn<T, Option<Id<Publication>>>,
    ) -> Self;
}

impl<T: Table> SubjectObject<T> for Object<T> {
    fn subject(
        self,
        description: &'static str,
        movie: RowColumn<T, Option<Id<Movie>>>,
        publication: RowColumn<T, Option<Id<Publication>>>,
    ) -> Self {
        let columns = movie.columns() | publication.columns();
        let (movie, publication) = (movie.get, publication.get);
        let key = move |row: &T| {
            let movie = movie(row).map(|id| (Movie::TYPE, id.key()));
            movie.or_else(|| publication(row).map(|id| (Publication::TYPE, id.key())))
        };
        let field = self.resolve_by::<NoArguments>(
            "subject",
            description,
            |_| "Subject!".to_owned(),
            move |call: Call<'_, T>| {
                Box::pin(async move {
                    let keys: Vec<_> = call.iter().map(key).collect();
                    or_failed(find(&call, &keys, Missing::IsError)).await
                })
            },
        );
        field.needs(columns)
    }
}

/// A payload of a mutation with its subject.
pub fn payload(description: &'static str) -> Object<Payload<SubjectId>> {
    let of = |_: &mut Registry| "Subject".to_owned();
    changes::payload().resolve_by::<NoArguments>("subject", description, of, |call: Call<'_, Payload<SubjectId>>| {
        Box::pin(async move {
            let subjects: Vec<_> = call.iter().map(|payload| payload.outcome).collect();
            show(&call, &subjects).await
        })
    })
}

/// The subjects, for a field of this type.
pub async fn show<T: Send + Sync + 'static>(call: &Call<'_, T>, subjects: &[Option<SubjectId>]) -> Column {
    let keys: Vec<_> = subjects.iter().map(|subject| subject.map(key_of)).collect();
    or_failed(find(call, &keys, Missing::IsNull)).await
}

/// The type's name and the key.
fn key_of(subject: SubjectId) -> (&'static str, i32) {
    match subject {
        SubjectId::Movie(id) => (Movie::TYPE, id.key()),
        SubjectId::Publication(id) => (Publication::TYPE, id.key()),
    }
}

async fn find<T: Send + Sync + 'static>(
    call: &Call<'_, T>,
    keys: &[Option<(&'static str, i32)>],
    missing: Missing,
) -> Result<Column, FieldError> {
    find_all(keys, |name, keys| async move {
        let (context, columns) = (call.context, call.selected.columns_of(name));
        match name {
            Movie::TYPE => by_key::<Movie>(context, keys, columns, missing).await,
            Publication::TYPE => by_key::<Publication>(context, keys, columns, missing).await,
            _ => Err(ApiError::Internal(format!("{name} is not a subject")).into()),
        }
    })
    .await
}
