//! What users gave movies and publications.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use async_graphql::{ComplexObject, Context, SimpleObject};
use chrono::{DateTime, Utc};
use entity::{rating_totals, users_rating};
use sea_orm::{
    ColumnTrait, Condition, DbErr, DerivePartialModel, EntityTrait, JoinType, QueryFilter, QuerySelect, RelationDef,
    Select,
};

use crate::account::User;
use crate::db::dialect;
use crate::error::{ApiResult, log_database};
use crate::kit::load::Reader;
use crate::kit::{ByKey, ContextExt, Edge, Id, SortKey, node};
use crate::movie::Movie;
use crate::publication::Publication;
use crate::subject::Subject;

/// What one user gave one movie or publication.
#[derive(Clone, Debug, SimpleObject, DerivePartialModel)]
#[graphql(complex)]
#[sea_orm(entity = "users_rating::Entity")]
pub struct Rating {
    /// The opaque id, the same in every answer.
    pub id: Id<Rating>,
    /// From 1 to 5.
    rating: i16,
    /// When it was given.
    created_at: DateTime<Utc>,
    #[graphql(skip)]
    user_id: Id<User>,
    #[graphql(skip)]
    movie_id: Option<Id<Movie>>,
    #[graphql(skip)]
    publication_id: Option<Id<Publication>>,
}

node!(Rating, users_rating);

#[ComplexObject]
impl Rating {
    /// Who gave it; null when the account is gone.
    async fn user(&self, ctx: &Context<'_>) -> ApiResult<Option<User>> {
        ctx.find(self.user_id).await
    }

    /// What was rated.
    async fn subject(&self, ctx: &Context<'_>) -> ApiResult<Subject> {
        Subject::load(ctx, self.movie_id, self.publication_id).await
    }
}

/// `User.ratings`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RatingsOfUser;

impl Edge for RatingsOfUser {
    type Node = Rating;
    type Order = ByKey<Rating>;

    const LIST: &'static str = "User.ratings";

    fn parent_column() -> users_rating::Column {
        users_rating::Column::UserId
    }
}

/// What users together gave a movie or a publication.
#[derive(Clone, Debug, SimpleObject)]
pub struct UserRating {
    /// The average from 1 to 5, rounded to thousandths; null without ratings.
    average: Option<f64>,
    /// How many users gave a rating.
    count: i32,
    /// How many gave 1, 2, 3, 4 and 5, in this order.
    histogram: Vec<i32>,
}

/// What users can rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rated {
    /// A movie.
    Movie(Id<Movie>),
    /// A publication.
    Publication(Id<Publication>),
}

impl UserRating {
    /// What was given to `rated`.
    ///
    /// # Errors
    /// What the database answers.
    pub async fn load(ctx: &Context<'_>, rated: Rated) -> ApiResult<Self> {
        Ok(ctx.read(rated).await?.unwrap_or_else(|| Self::of([0; 5], None)))
    }

    fn of(given: [i32; 5], average: Option<i32>) -> Self {
        Self {
            average: average.map(|thousandths| f64::from(thousandths) / 1e3),
            count: given.iter().sum(),
            histogram: given.to_vec(),
        }
    }
}

impl Loader<Rated> for Reader {
    type Value = UserRating;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[Rated]) -> Result<HashMap<Rated, UserRating>, Arc<DbErr>> {
        let (mut movies, mut publications) = (Vec::new(), Vec::new());
        for key in keys {
            match key {
                Rated::Movie(id) => movies.push(id.key()),
                Rated::Publication(id) => publications.push(id.key()),
            }
        }
        let one_of = |column: rating_totals::Column, ids: &[i32]| {
            (!ids.is_empty()).then(|| dialect::one_of(self.db().get_database_backend(), column.as_column_ref(), ids))
        };
        let subjects = Condition::any()
            .add_option(one_of(rating_totals::Column::MovieId, &movies))
            .add_option(one_of(rating_totals::Column::PublicationId, &publications));
        let rows = rating_totals::Entity::find().filter(subjects).all(self.db()).await.map_err(log_database)?;
        let rated = |row: &rating_totals::Model| match (row.movie_id, row.publication_id) {
            (Some(id), _) => Some(Rated::Movie(Id::new(id))),
            (None, id) => id.map(|id| Rated::Publication(Id::new(id))),
        };
        Ok(rows
            .iter()
            .filter_map(|row| {
                let given = [row.given_1, row.given_2, row.given_3, row.given_4, row.given_5];
                Some((rated(row)?, UserRating::of(given, row.average)))
            })
            .collect())
    }
}

/// The keys of an order by users' average rating; `subject` is the listed table's key in the totals.
pub fn order_keys(subject: rating_totals::Column) -> Vec<SortKey> {
    vec![SortKey::column(rating_totals::Column::Average), SortKey::present(subject)]
}

/// Joins the totals of the listed rows, to which `relation` leads from the totals.
pub fn join_totals<E: EntityTrait>(
    rows: Select<E>,
    relation: RelationDef,
    subject: rating_totals::Column,
) -> Select<E> {
    // Only where it is certain that the subject is there do the databases use the partial index.
    rows.join_rev(JoinType::InnerJoin, relation).filter(subject.is_not_null())
}
