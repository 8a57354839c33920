//! The people who use the library, as others see them.

use async_graphql::{ComplexObject, Context, Object, SimpleObject};
use entity::users;
use sea_orm::{ColumnTrait, DerivePartialModel, EntityTrait, QueryFilter, QuerySelect};

use crate::comment::{Comment, CommentOrder, CommentsOfUser};
use crate::error::ApiResult;
use crate::kit::scalar::Date;
use crate::kit::{ByKey, ContextExt, Id, Page, PageArgs, WideColumn, node};
use crate::order::{Order, OrdersOfUser};
use crate::publication::{Publication, PublicationsOfUser};
use crate::rating::{Rating, RatingsOfUser};

/// A user of the library. Users whose account is gone are nowhere shown.
#[derive(Clone, Debug, SimpleObject, DerivePartialModel)]
#[graphql(complex)]
#[sea_orm(entity = "users::Entity")]
pub struct User {
    /// The opaque id, the same in every answer.
    pub id: Id<User>,
    /// The unique name, in ASCII.
    username: String,
    /// The full name.
    #[sea_orm(from_col = "fio")]
    full_name: String,
    /// The day on which the account was made.
    #[sea_orm(from_col = "created_at")]
    joined_at: Date,
}

node!(User, users, hidden: users::Column::DeletedAt.is_not_null());

/// What the user says of themselves is read only for those who select it.
struct Bio;

impl WideColumn for Bio {
    type Node = User;

    fn column() -> users::Column {
        users::Column::Bio
    }
}

#[ComplexObject]
impl User {
    /// What the user says of themselves.
    async fn bio(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        ctx.text::<Bio>(self.id).await
    }

    /// What the user published, the earliest first.
    async fn publications(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> ApiResult<Page<Publication>> {
        ctx.children(self.id.key(), PublicationsOfUser, ByKey::default(), PageArgs { first, after, last, before }).await
    }

    /// The user's comments and replies.
    async fn comments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
        #[graphql(desc = "The order of the list. Its cursors are good for this order only.", default)]
        order_by: CommentOrder,
    ) -> ApiResult<Page<Comment>> {
        ctx.children(self.id.key(), CommentsOfUser, order_by, PageArgs { first, after, last, before }).await
    }

    /// What the user rated, the earliest first.
    async fn ratings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> ApiResult<Page<Rating>> {
        ctx.children(self.id.key(), RatingsOfUser, ByKey::default(), PageArgs { first, after, last, before }).await
    }

    /// What the user ordered, the earliest first; null for everybody else.
    async fn orders(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> ApiResult<Option<Page<Order>>> {
        if ctx.viewer().is_none_or(|viewer| viewer.user != self.id.key()) {
            return Ok(None);
        }
        let args = PageArgs { first, after, last, before };
        ctx.children(self.id.key(), OrdersOfUser, ByKey::default(), args).await.map(Some)
    }
}

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct AccountQuery;

#[Object]
impl AccountQuery {
    /// The user with this name, or null if there is none.
    async fn user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's name; its case does not matter.")] username: String,
    ) -> ApiResult<Option<User>> {
        // PostgreSQL takes no NUL, and no name has one.
        if username.contains('\0') {
            return Ok(None);
        }
        let id: Option<i32> = users::Entity::find()
            .select_only()
            .column(users::Column::Id)
            .filter(users::Column::Username.eq(username.to_ascii_lowercase()))
            .into_tuple()
            .one(ctx.db())
            .await?;
        match id {
            Some(id) => ctx.find(Id::new(id)).await,
            None => Ok(None),
        }
    }
}
