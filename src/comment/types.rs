//! The comment as API clients see it, and the lists of comments.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_graphql::{ComplexObject, Context, Enum, ID, Object, SimpleObject};
use entity::comments;
use sea_orm::{ColumnTrait, DerivePartialModel, EntityTrait, QueryFilter, Select};

use super::DEPTH_MAX;
use super::loaders::{DepthOf, ThreadOf, TombstoneOf};
use crate::account::User;
use crate::error::{ApiError, ApiResult};
use crate::feed::Hub;
use crate::kit::in_place::AllInPlace;
use crate::kit::scalar::DateTime;
use crate::kit::{ContextExt, Edge, Id, InPlace, Page, PageArgs, PageOrder, SortKey, choice_name, node};
use crate::movie::Movie;
use crate::policy;
use crate::publication::Publication;
use crate::subject::Subject;

/// A comment on a movie or a publication, or a reply to one. One that was deleted stays while it
/// has replies, without text and author.
#[derive(Clone, Debug, SimpleObject, DerivePartialModel)]
#[graphql(complex)]
#[sea_orm(entity = "comments::Entity")]
pub struct Comment {
    /// The opaque id, the same in every answer.
    pub id: Id<Comment>,
    /// What was said; empty when the comment is deleted.
    #[sea_orm(from_col = "comment")]
    text: String,
    /// When it was said.
    created_at: DateTime,
    /// When it was last edited; null if never.
    changed_at: Option<DateTime>,
    #[graphql(skip)]
    user_id: Option<Id<User>>,
    #[graphql(skip)]
    parent_id: Option<Id<Comment>>,
    #[graphql(skip)]
    movie_id: Option<Id<Movie>>,
    #[graphql(skip)]
    publication_id: Option<Id<Publication>>,
}

node!(Comment, comments);

/// A comment and what was replied to it, in reading order: each reply follows what it
/// answers, earlier ones first.
#[derive(Clone, Debug, SimpleObject)]
pub struct CommentThread {
    /// The comments, the thread's root first.
    pub nodes: AllInPlace<Comment>,
    /// Whether the thread goes on behind the last of `nodes`.
    pub has_more: bool,
}

/// Comments of a thread at most.
const THREAD_SIZE_MAX: i32 = 500;

#[ComplexObject]
impl Comment {
    /// Who said it; null when the account is gone or the comment is deleted.
    async fn author(&self, ctx: &Context<'_>) -> ApiResult<Option<InPlace<User>>> {
        match self.user_id {
            Some(id) => Ok(ctx.find(id).await?.map(InPlace)),
            None => Ok(None),
        }
    }

    /// Whether it was deleted and stays only because of its replies.
    async fn is_deleted(&self, ctx: &Context<'_>) -> ApiResult<bool> {
        Ok(ctx.read(TombstoneOf(self.id)).await?.is_some())
    }

    /// Whether it was removed by an editor. It then has neither text nor author, and stays.
    async fn is_hidden(&self, ctx: &Context<'_>) -> ApiResult<bool> {
        Ok(ctx.read(TombstoneOf(self.id)).await?.is_some_and(|tombstone| tombstone.hidden))
    }

    /// Whether the viewer may change what it says.
    async fn can_edit(&self, ctx: &Context<'_>) -> ApiResult<bool> {
        Ok(self.user_id.is_some() && policy::may("editComment", ctx.viewer(), self.user_id.map(Id::key))?)
    }

    /// What the comment is about.
    async fn subject(&self, ctx: &Context<'_>) -> ApiResult<Subject> {
        Subject::load(ctx, self.movie_id, self.publication_id).await
    }

    /// What it replies to; null for a comment that begins a thread.
    async fn parent(&self, ctx: &Context<'_>) -> ApiResult<Option<InPlace<Comment>>> {
        match self.parent_id {
            Some(id) => Ok(ctx.find(id).await?.map(InPlace)),
            None => Ok(None),
        }
    }

    /// How many levels below the comment that began the thread this one stands; 0 for the former.
    async fn depth(&self, ctx: &Context<'_>) -> ApiResult<i32> {
        if self.parent_id.is_none() {
            return Ok(0);
        }
        ctx.read(DepthOf(self.id)).await?.ok_or(ApiError::Gone)
    }

    /// The direct replies.
    async fn replies(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
        #[graphql(
            desc = "The order of the list. Its cursors are good for this order only.",
            default_with = "CommentOrder::Oldest"
        )]
        order_by: CommentOrder,
    ) -> ApiResult<Page<Comment>> {
        ctx.children(self.id.key(), RepliesOfComment, order_by, PageArgs { first, after, last, before }).await
    }

    /// How many direct replies there are.
    async fn reply_count(&self, ctx: &Context<'_>) -> ApiResult<i32> {
        ctx.count(self.id.key(), RepliesOfComment).await
    }

    /// The comment with all that was replied to it, in reading order.
    async fn thread(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many levels of replies, 0 to 32.", default = 32)] max_depth: i32,
        #[graphql(desc = "How many comments, 1 to 500.", default = 100)] first: i32,
    ) -> ApiResult<InPlace<Arc<CommentThread>>> {
        check_thread(max_depth, first)?;
        ctx.read(ThreadOf { root: self.id, depth: max_depth, size: first }).await?.map(InPlace).ok_or(ApiError::Gone)
    }
}

/// Passes sizes that a thread may have.
pub(super) fn check_thread(max_depth: i32, first: i32) -> ApiResult<()> {
    if !(0..=DEPTH_MAX).contains(&max_depth) {
        let text = format!("{max_depth} is out of range; ask for 0 to {DEPTH_MAX}");
        return Err(ApiError::bad_input("maxDepth", text));
    }
    if !(1..=THREAD_SIZE_MAX).contains(&first) {
        let text = format!("{first} is out of range; ask for 1 to {THREAD_SIZE_MAX}");
        return Err(ApiError::bad_input("first", text));
    }
    Ok(())
}

/// The order of a list of comments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum CommentOrder {
    /// The latest first.
    #[default]
    Newest,
    /// The earliest first.
    Oldest,
}

impl PageOrder for CommentOrder {
    type Entity = comments::Entity;

    fn tag(self) -> &'static str {
        choice_name(self)
    }

    fn keys(self) -> Vec<SortKey> {
        vec![SortKey::column(comments::Column::Id)]
    }
}

/// A list of comments: its name, its parent's column, and whether it has only those that
/// begin a thread.
macro_rules! comment_list {
    ($edge:ident, $list:literal, $column:ident, top_level: $top_level:literal) => {
        #[doc = concat!("`", $list, "`.")]
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $edge;

        impl Edge for $edge {
            type Node = Comment;
            type Order = CommentOrder;

            const LIST: &'static str = $list;

            fn parent_column() -> comments::Column {
                comments::Column::$column
            }

            fn rows(&self) -> Select<comments::Entity> {
                let rows = comments::Entity::find();
                if $top_level { rows.filter(comments::Column::ParentId.is_null()) } else { rows }
            }
        }
    };
}

comment_list!(CommentsOfMovie, "Movie.comments", MovieId, top_level: true);
comment_list!(CommentsOfPublication, "Publication.comments", PublicationId, top_level: true);
comment_list!(CommentsOfUser, "User.comments", UserId, top_level: false);
comment_list!(RepliesOfComment, "Comment.replies", ParentId, top_level: false);

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct CommentQuery;

#[Object]
impl CommentQuery {
    /// The comment with this id, or null if there is none.
    async fn comment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of a comment.")] id: ID,
    ) -> ApiResult<Option<InPlace<Comment>>> {
        Ok(ctx.find(Id::parse("id", &id)?).await?.map(InPlace))
    }

    /// Where the feed of comments stood a moment before this request, for `after` of a subscription. A
    /// page that first asks for this, then for the list, and then subscribes behind it misses nothing;
    /// what it gets twice it knows by the comment's id.
    async fn comment_cursor(&self, ctx: &Context<'_>) -> String {
        cursor_before(ctx.data_unchecked::<Arc<Hub>>())
    }
}

/// Where the feed stood [`CURSOR_MARGIN`] ago.
pub(super) fn cursor_before(hub: &Hub) -> String {
    let before = Instant::now().checked_sub(CURSOR_MARGIN).unwrap_or_else(Instant::now);
    hub.cursor_at(before)
}

/// Lists that are read with the cursor, or from a replica that follows this closely, are newer than it.
const CURSOR_MARGIN: Duration = Duration::from_secs(1);
