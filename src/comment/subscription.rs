//! Root fields of subscriptions, and what they give.

use async_graphql::futures_util::stream::{Stream, StreamExt};
use async_graphql::{Context, Enum, ID, Object, Subscription};

use super::Comment;
use crate::error::{ApiError, ApiResult};
use crate::feed::{self, About, Kind, Kinds, Sent, Topic};
use crate::kit::id::split;
use crate::kit::{ContextExt, Id, InPlace, NodeType};
use crate::movie::Movie;
use crate::publication::Publication;

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct CommentSubscription;

/// What can be listened to. Each event comes once, in an order that is the same for everyone; with the
/// last `cursor` that was seen, a listener goes on where it left off.
#[Subscription]
impl CommentSubscription {
    /// Every new comment.
    async fn comment_added(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only comments about this: the id of a Movie or a Publication.")] subject_id: Option<ID>,
        #[graphql(
            desc = "Begin behind this cursor. Without it, with what is committed from now on. Give the last one that you have \
                    seen whenever you connect again. `CURSOR_EXPIRED`: what came next is not kept any more."
        )]
        after: Option<String>,
    ) -> Result<impl Stream<Item = ApiResult<NewComment>>, ApiError> {
        let topic = Topic { kinds: Kinds::Added, about: read_subject(subject_id)? };
        Ok(feed::events(ctx, topic, after)?.map(|sent| sent.map(NewComment)))
    }

    /// What happens to comments once they are there: they are edited, deleted or hidden.
    async fn comment_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only comments about this: the id of a Movie or a Publication.")] subject_id: Option<ID>,
        #[graphql(
            desc = "Begin behind this cursor. Without it, with what is committed from now on. Give the last one that you have \
                    seen whenever you connect again. `CURSOR_EXPIRED`: what came next is not kept any more."
        )]
        after: Option<String>,
    ) -> Result<impl Stream<Item = ApiResult<CommentChange>>, ApiError> {
        let topic = Topic { kinds: Kinds::Changes, about: read_subject(subject_id)? };
        Ok(feed::events(ctx, topic, after)?.map(|sent| sent.map(CommentChange)))
    }
}

fn read_subject(id: Option<ID>) -> ApiResult<Option<About>> {
    let Some(id) = id else { return Ok(None) };
    match split(&id) {
        Some((name, key)) if name == Movie::TYPE => Ok(Some(About::Movie(key))),
        Some((name, key)) if name == Publication::TYPE => Ok(Some(About::Publication(key))),
        Some((name, _)) => Err(ApiError::bad_input(
            "subjectId",
            format!("this is the id of a {name}; the id of a {} or a {} is wanted", Movie::TYPE, Publication::TYPE),
        )),
        None => Err(ApiError::bad_input("subjectId", "not an id of this API; pass an id that a query has returned")),
    }
}

fn subject_id(sent: &Sent) -> ID {
    ID(match sent.event.about {
        About::Movie(key) => Id::<Movie>::new(key).encode(),
        About::Publication(key) => Id::<Publication>::new(key).encode(),
    })
}

/// An event of [`Kinds::Added`].
pub struct NewComment(Sent);

/// A comment that was added.
#[Object]
impl NewComment {
    /// Where the feed stands behind this, as opaque text: for `after`.
    async fn cursor(&self) -> &str {
        &self.0.cursor
    }

    /// The id of what the comment is about.
    async fn subject_id(&self) -> ID {
        subject_id(&self.0)
    }

    /// The comment's id.
    async fn comment_id(&self) -> Id<Comment> {
        Id::new(self.0.event.comment)
    }

    /// The comment as it is when this is sent; null when it is gone by then.
    async fn comment(&self, ctx: &Context<'_>) -> ApiResult<Option<InPlace<Comment>>> {
        Ok(ctx.find(Id::new(self.0.event.comment)).await?.map(InPlace))
    }
}

/// An event of [`Kinds::Changes`].
pub struct CommentChange(Sent);

/// Something that happened to a comment.
#[Object]
impl CommentChange {
    /// Where the feed stands behind this, as opaque text: for `after`.
    async fn cursor(&self) -> &str {
        &self.0.cursor
    }

    /// What happened.
    async fn kind(&self) -> CommentChangeKind {
        match self.0.event.kind {
            Kind::Added | Kind::Edited => CommentChangeKind::Edited,
            Kind::Deleted => CommentChangeKind::Deleted,
            Kind::Hidden => CommentChangeKind::Hidden,
        }
    }

    /// The id of what the comment is about.
    async fn subject_id(&self) -> ID {
        subject_id(&self.0)
    }

    /// The comment's id.
    async fn comment_id(&self) -> Id<Comment> {
        Id::new(self.0.event.comment)
    }

    /// The comment as it is when this is sent; null when it is gone. One that was deleted or hidden
    /// is still there while it has replies, without text and author.
    async fn comment(&self, ctx: &Context<'_>) -> ApiResult<Option<InPlace<Comment>>> {
        Ok(ctx.find(Id::new(self.0.event.comment)).await?.map(InPlace))
    }
}

/// What can happen to a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum CommentChangeKind {
    /// Its text was changed.
    Edited,
    /// It was deleted, by its author, or with what it was about.
    Deleted,
    /// An editor took it away.
    Hidden,
}
