//! The subjects of comments and ratings.

pub mod objects;

use std::iter;

use async_graphql::ID;
use entity::{movies, publications};
use sea_orm::sea_query::{Expr, InsertStatement, LockType, Query};
use sea_orm::{ColumnTrait, Condition, DbBackend, EntityTrait};
use serde::{Deserialize, Serialize};

use crate::db::dialect;
use crate::error::{ApiError, ApiResult};
use crate::kit::rows::{Returning, Table};
use crate::kit::single::SingleSql;
use crate::kit::{Id, NodeType, id};
use crate::movie::Movie;
use crate::publication::Publication;

/// The movie or publication of a comment or a rating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SubjectId {
    /// A movie.
    Movie(Id<Movie>),
    /// A publication.
    Publication(Id<Publication>),
}

/// Whether a row that may refer to a publication is visible: the publication is not being deleted.
pub const SHOWS: &str =
    "coalesce(publication_id, 0) NOT IN (SELECT id FROM publications WHERE publications.deleted_at IS NOT NULL)";

/// A single statement for each type of subject.
#[derive(Debug)]
pub struct SubjectSql {
    movie: SingleSql,
    publication: SingleSql,
}

impl SubjectSql {
    /// The statements with these common table expressions. `{table}` is the subjects' table, and `{column}` refers to
    /// it. `{is_shown}` is the condition that a row of `{table}` is not being deleted, and `{shows}` the same for a row
    /// that refers to it.
    pub fn new<N: Table>(with: &str, returning: impl Fn() -> Returning<N>) -> Self {
        let about = |table, column, [is_shown, shows]: [&str; 2]| {
            let with = with.replace("{table}", table).replace("{column}", column);
            SingleSql::new(with.replace("{is_shown}", is_shown).replace("{shows}", shows), returning())
        };
        Self {
            movie: about("movies", "movie_id", ["true", "true"]),
            publication: about("publications", "publication_id", ["publications.deleted_at IS NULL", SHOWS]),
        }
    }

    /// The statement for a subject, and the subject's key.
    pub fn of(&'static self, subject: SubjectId) -> (&'static SingleSql, i32) {
        subject.column(&self.movie, &self.publication)
    }
}

impl SubjectId {
    /// Parses the id that a client passed as `field`.
    ///
    /// # Errors
    /// `BadInput` if it is malformed or of another type.
    pub fn parse(field: &str, given: &ID) -> ApiResult<Self> {
        match id::split(given) {
            Some((name, key)) if name == Movie::TYPE => Ok(Self::Movie(Id::new(key))),
            Some((name, key)) if name == Publication::TYPE => Ok(Self::Publication(Id::new(key))),
            Some((name, _)) => {
                let text = format!("is the id of a {name}; pass the id of a Movie or a Publication");
                Err(ApiError::bad_input(field, text))
            }
            None => Err(ApiError::bad_input(field, "is not a valid id; pass an id that a query returned")),
        }
    }

    /// The one of the two columns that is set.
    pub fn of(movie: Option<i32>, publication: Option<i32>) -> Option<Self> {
        let movie = movie.map(|key| Self::Movie(Id::new(key)));
        movie.or(publication.map(|key| Self::Publication(Id::new(key))))
    }

    /// The subject as a number, for look-ups by number: a movie's key, or a publication's negated one. Keys are
    /// positive.
    pub fn number(self) -> i32 {
        match self {
            Self::Movie(id) => id.key(),
            Self::Publication(id) => -id.key(),
        }
    }

    /// The subject with this number.
    pub fn of_number(number: i32) -> Self {
        if number < 0 { Self::Publication(Id::new(-number)) } else { Self::Movie(Id::new(number)) }
    }

    /// The column for this subject, of the two that refer to movies and publications, and its key.
    pub fn column<C>(self, movie: C, publication: C) -> (C, i32) {
        match self {
            Self::Movie(id) => (movie, id.key()),
            Self::Publication(id) => (publication, id.key()),
        }
    }

    /// Matches one of `subjects`, in a table with two columns that refer to movies and publications.
    pub fn one_of<C: ColumnTrait>(backend: DbBackend, subjects: &[Self], movie: C, publication: C) -> Condition {
        let (mut movies, mut publications) = (Vec::new(), Vec::new());
        for subject in subjects {
            match subject {
                Self::Movie(id) => movies.push(id.key()),
                Self::Publication(id) => publications.push(id.key()),
            }
        }
        let one_of = |column: C, keys: &[i32]| {
            (!keys.is_empty()).then(|| dialect::one_of(backend, column.as_column_ref(), keys))
        };
        Condition::any().add_option(one_of(movie, &movies)).add_option(one_of(publication, &publications))
    }

    /// Inserts a row of `E` about the subject, and locks the subject until the transaction ends. Inserts nothing if the
    /// subject does not exist. `own` is the column that refers to it.
    #[expect(clippy::expect_used, reason = "there is a value for each column")]
    pub fn insert<E: EntityTrait>(self, own: E::Column, values: Vec<(E::Column, Expr)>) -> InsertStatement {
        let (columns, values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        let mut row = Query::select();
        match self {
            Self::Movie(id) => {
                row.column(movies::Column::Id).from(movies::Entity).and_where(movies::Column::Id.eq(id.key()))
            }
            Self::Publication(id) => row
                .column(publications::Column::Id)
                .from(publications::Entity)
                .and_where(publications::Column::Id.eq(id.key()))
                // Checked again after a wait for the row's lock.
                .and_where(publications::Column::DeletedAt.is_null()),
        };
        row.exprs(values).lock(LockType::KeyShare);
        let mut insert = Query::insert();
        insert.into_table(E::default()).columns(iter::once(own).chain(columns));
        insert.select_from(row).expect("as many values as columns").take()
    }
}
