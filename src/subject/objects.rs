//! What comments and ratings are about, for the engine.

use graphql::{Abstract, Call, Column, Description, FieldError, NoArguments, Object};

use super::SubjectId;
use crate::error::ApiError;
use crate::kit::rows::{Field, Missing, Table, by_key, find_all, or_failed};
use crate::kit::{Id, NodeType};
use crate::movie::objects::Movie;
use crate::publication::objects::Publication;

/// The types of this domain.
pub fn describe(description: &mut Description) {
    description.union(
        "Subject",
        Abstract::union("What a comment or a rating is about.", vec![Movie::TYPE.into(), Publication::TYPE.into()]),
    );
}

/// Rows that comments and ratings can be about.
pub trait AsSubject: Table {
    /// The row as a subject.
    fn as_subject(&self) -> SubjectId;
}

impl AsSubject for Movie {
    fn as_subject(&self) -> SubjectId {
        SubjectId::Movie(Id::new(self.id.key()))
    }
}

impl AsSubject for Publication {
    fn as_subject(&self) -> SubjectId {
        SubjectId::Publication(Id::new(self.id.key()))
    }
}

/// Rows about a subject: of two columns that refer to movies and publications, one is set.
pub trait SubjectObject<T>: Sized {
    /// The field `subject`.
    #[must_use]
    fn subject(
        self,
        description: &'static str,
        movie: Field<T, Option<Id<Movie>>>,
        publication: Field<T, Option<Id<Publication>>>,
    ) -> Self;
}

impl<T: Table> SubjectObject<T> for Object<T> {
    fn subject(
        self,
        description: &'static str,
        movie: Field<T, Option<Id<Movie>>>,
        publication: Field<T, Option<Id<Publication>>>,
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
            move |call: Call<'_, T>| Box::pin(async move { or_failed(find(&call, key)).await }),
        );
        field.needs(columns)
    }
}

async fn find<T: Table>(
    call: &Call<'_, T>,
    key: impl Fn(&T) -> Option<(&'static str, i32)>,
) -> Result<Column, FieldError> {
    let keys: Vec<_> = call.iter().map(key).collect();
    find_all(&keys, |name, keys| async move {
        let (context, columns) = (call.context, call.selected.columns_of(name));
        match name {
            Movie::TYPE => by_key::<Movie>(context, keys, columns, Missing::IsError).await,
            Publication::TYPE => by_key::<Publication>(context, keys, columns, Missing::IsError).await,
            _ => Err(ApiError::Internal(format!("{name} is no subject")).into()),
        }
    })
    .await
}
