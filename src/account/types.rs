//! The people who use the library, as others see them.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, Object, SimpleObject};
use chrono::{FixedOffset, NaiveDate};
use entity::{sessions, users};
use sea_orm::sea_query::{Alias, Expr, ExprTrait};
use sea_orm::{ColumnTrait, DerivePartialModel, EntityTrait, QueryFilter, QuerySelect, Select};

use super::loaders::RoleOf;
use crate::clock;
use crate::comment::{Comment, CommentOrder, CommentsOfUser};
use crate::db::ReadPool;
use crate::error::{ApiError, ApiResult};
use crate::kit::scalar::{Date, DateTime};
use crate::kit::{ByKey, ContextExt, Edge, Id, InPlace, Page, PageArgs, WideColumn, node};
use crate::order::{Order, OrdersOfUser};
use crate::publication::{Publication, PublicationsOfUser};
use crate::rating::{Rating, RatingsOfUser};
use crate::viewer::Role;

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
pub(super) struct Bio;

impl WideColumn for Bio {
    type Node = User;

    fn column() -> users::Column {
        users::Column::Bio
    }
}

/// Only the user themselves sees it.
struct Email;

impl WideColumn for Email {
    type Node = User;

    fn column() -> users::Column {
        users::Column::Email
    }
}

/// Only the user themselves sees it.
struct Birthday;

impl WideColumn for Birthday {
    type Node = User;

    fn column() -> users::Column {
        users::Column::Birthday
    }

    fn expr() -> Expr {
        Self::column().into_expr().cast_as(Alias::new("text"))
    }
}

impl User {
    fn is_viewer(&self, ctx: &Context<'_>) -> bool {
        ctx.viewer().is_some_and(|viewer| viewer.user == self.id.key())
    }
}

#[ComplexObject]
impl User {
    /// The e-mail address; null for everybody else.
    async fn email(&self, ctx: &Context<'_>) -> ApiResult<Option<Arc<str>>> {
        if self.is_viewer(ctx) { ctx.text::<Email>(self.id).await } else { Ok(None) }
    }

    /// The day of birth; null for everybody else.
    async fn birthday(&self, ctx: &Context<'_>) -> ApiResult<Option<Date>> {
        if !self.is_viewer(ctx) {
            return Ok(None);
        }
        let day = ctx.text::<Birthday>(self.id).await?.map(|day| day.parse::<NaiveDate>());
        let day = day.transpose().map_err(|error| ApiError::Internal(format!("a birthday is no date: {error}")))?;
        Ok(day.map(Date))
    }

    /// What the user may do; null for everybody else but admins.
    async fn role(&self, ctx: &Context<'_>) -> ApiResult<Option<Role>> {
        if !self.is_viewer(ctx) && ctx.viewer().is_none_or(|viewer| viewer.role < Role::Admin) {
            return Ok(None);
        }
        Ok(Some(ctx.read(RoleOf(self.id.key())).await?.unwrap_or_default()))
    }

    /// Where the user is signed in, the earliest first; null for everybody else.
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> ApiResult<Option<Page<Session>>> {
        if !self.is_viewer(ctx) {
            return Ok(None);
        }
        let edge = SessionsOfUser { alive_at: clock::now().fixed_offset() };
        let args = PageArgs { first, after, last, before };
        ctx.children(self.id.key(), edge, ByKey::default(), args).await.map(Some)
    }

    /// What the user says of themselves.
    async fn bio(&self, ctx: &Context<'_>) -> ApiResult<Option<Arc<str>>> {
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
        if !self.is_viewer(ctx) {
            return Ok(None);
        }
        let args = PageArgs { first, after, last, before };
        ctx.children(self.id.key(), OrdersOfUser, ByKey::default(), args).await.map(Some)
    }
}

/// That the viewer is signed in somewhere. Others do not see it.
#[derive(Clone, Debug, SimpleObject, DerivePartialModel)]
#[graphql(complex)]
#[sea_orm(entity = "sessions::Entity")]
pub struct Session {
    /// The opaque id, the same in every answer. It is no token.
    pub id: Id<Session>,
    /// When the user signed in.
    created_at: DateTime,
    /// When it was last used, roughly.
    seen_at: DateTime,
    /// When it ends unless it is used before.
    expires_at: DateTime,
    /// The address that the user signed in from.
    address: Option<String>,
    /// What the program called itself that the user signed in with.
    agent: Option<String>,
    #[graphql(skip)]
    user_id: Id<User>,
}

node!(Session, sessions, owner: |session: &Session| session.user_id.key());

#[ComplexObject]
impl Session {
    /// Whether it is the one that this request belongs to.
    async fn is_current(&self, ctx: &Context<'_>) -> bool {
        ctx.viewer().is_some_and(|viewer| viewer.session == self.id.key())
    }
}

/// `User.sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionsOfUser {
    pub(super) alive_at: chrono::DateTime<FixedOffset>,
}

impl Edge for SessionsOfUser {
    type Node = Session;
    type Order = ByKey<Session>;

    const LIST: &'static str = "User.sessions";

    fn parent_column() -> sessions::Column {
        sessions::Column::UserId
    }

    fn rows(&self) -> Select<sessions::Entity> {
        sessions::Entity::find().filter(sessions::Column::ExpiresAt.gt(self.alive_at))
    }
}

/// The key of the user with this name. The account may be deleted.
pub(super) async fn find_by_name(db: &ReadPool, username: &str) -> ApiResult<Option<i32>> {
    // PostgreSQL takes no NUL, and no name has one.
    if username.contains('\0') {
        return Ok(None);
    }
    let id = users::Entity::find()
        .select_only()
        .column(users::Column::Id)
        .filter(users::Column::Username.eq(username.to_ascii_lowercase()));
    Ok(id.into_tuple().one(db).await?)
}

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct AccountQuery;

#[Object]
impl AccountQuery {
    /// The user who asks; null if nobody is signed in.
    async fn viewer(&self, ctx: &Context<'_>) -> ApiResult<Option<InPlace<User>>> {
        match ctx.viewer() {
            Some(viewer) => Ok(ctx.find(Id::new(viewer.user)).await?.map(InPlace)),
            None => Ok(None),
        }
    }

    /// The user with this name, or null if there is none.
    async fn user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's name; its case does not matter.")] username: String,
    ) -> ApiResult<Option<InPlace<User>>> {
        match find_by_name(ctx.db(), &username).await? {
            Some(id) => Ok(ctx.find(Id::new(id)).await?.map(InPlace)),
            None => Ok(None),
        }
    }
}
