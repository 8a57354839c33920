//! What users gave movies and publications.

use async_graphql::{ComplexObject, Context, SimpleObject};
use chrono::{DateTime, Utc};
use entity::users_rating;
use sea_orm::DerivePartialModel;

use crate::account::User;
use crate::error::ApiResult;
use crate::kit::{ByKey, ContextExt, Edge, Id, node};
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
