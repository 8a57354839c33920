//! What users gave, as API clients see it: one rating, and all together.

use async_graphql::{ComplexObject, Context, SimpleObject};
use entity::{rating_totals, users_rating};
use sea_orm::{ColumnTrait, DerivePartialModel, EntityTrait, JoinType, QueryFilter, QuerySelect, RelationDef, Select};

use super::loaders::{GivenBy, TotalsOf};
use crate::account::User;
use crate::error::ApiResult;
use crate::kit::scalar::DateTime;
use crate::kit::{ByKey, ContextExt, Edge, Id, InPlace, SortKey, node};
use crate::movie::Movie;
use crate::publication::Publication;
use crate::subject::{Subject, SubjectId};

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
    created_at: DateTime,
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
    async fn user(&self, ctx: &Context<'_>) -> ApiResult<Option<InPlace<User>>> {
        Ok(ctx.find(self.user_id).await?.map(InPlace))
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
    pub(super) average: Option<f64>,
    /// How many users gave a rating.
    pub(super) count: i32,
    /// How many gave 1, 2, 3, 4 and 5, in this order.
    pub(super) histogram: Vec<i32>,
}

impl UserRating {
    /// What was given to `subject`.
    ///
    /// # Errors
    /// What the database answers.
    pub async fn load(ctx: &Context<'_>, subject: SubjectId) -> ApiResult<Self> {
        Ok(ctx.read(TotalsOf(subject)).await?.unwrap_or_else(|| Self::of([0; 5], None)))
    }

    pub(super) fn of(given: [i32; 5], average: Option<i32>) -> Self {
        Self {
            average: average.map(|thousandths| f64::from(thousandths) / 1e3),
            count: given.iter().sum(),
            histogram: given.to_vec(),
        }
    }
}

/// What the viewer gave `subject`; `None` for whoever is not signed in.
///
/// # Errors
/// What the database answers.
pub async fn of_viewer(ctx: &Context<'_>, subject: SubjectId) -> ApiResult<Option<i16>> {
    match ctx.viewer() {
        Some(viewer) => ctx.read(GivenBy { user: viewer.user, subject }).await,
        None => Ok(None),
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
