//! Inputs of comments: those of mutations, and the order of their lists.

use async_graphql::{Enum, ID, InputObject};
use entity::comments;

use super::DEPTH_MAX;
use crate::error::{ApiError, ApiResult};
use crate::feed::EventKind;
use crate::kit::{PageOrder, SortKey, choice_name};

/// A comment to add.
#[derive(Clone, Debug, InputObject)]
pub struct AddCommentInput {
    /// The id of the movie or publication. Optional for a reply: a reply has the subject of its parent.
    pub(super) subject_id: Option<ID>,
    /// The id of the comment to reply to. If omitted, the comment starts a thread.
    pub(super) parent_id: Option<ID>,
    /// The text, 1 to 10,000 characters. Leading and trailing whitespace is removed.
    pub(super) text: String,
}

/// A comment to edit.
#[derive(Clone, Debug, InputObject)]
pub struct EditCommentInput {
    /// The id of the comment.
    pub(super) id: ID,
    /// The new text, 1 to 10,000 characters. Leading and trailing whitespace is removed.
    pub(super) text: String,
}

/// A comment to delete.
#[derive(Clone, Debug, InputObject)]
pub struct DeleteCommentInput {
    /// The id of the comment.
    pub(super) id: ID,
}

/// A comment to hide.
#[derive(Clone, Debug, InputObject)]
pub struct HideCommentInput {
    /// The id of the comment.
    pub(super) id: ID,
}

/// The sort order of a list of comments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum CommentOrder {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
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

/// The maximum number of comments of a thread.
pub const THREAD_SIZE_MAX: i32 = 500;

/// How much of a thread to read.
#[derive(Debug, InputObject)]
pub struct ThreadArguments {
    /// The maximum number of levels of replies, 0 to 32.
    #[graphql(default = 32)]
    pub(super) max_depth: i32,
    /// The maximum number of comments, 1 to 500.
    #[graphql(default = 100)]
    pub(super) first: i32,
}

impl ThreadArguments {
    /// Checks the bounds.
    ///
    /// # Errors
    /// The argument and its bounds.
    pub(super) fn check(&self) -> ApiResult<()> {
        let Self { max_depth, first } = *self;
        if !(0..=DEPTH_MAX).contains(&max_depth) {
            let text = format!("{max_depth} is out of range; use 0 to {DEPTH_MAX}");
            return Err(ApiError::bad_input("maxDepth", text));
        }
        if !(1..=THREAD_SIZE_MAX).contains(&first) {
            let text = format!("{first} is out of range; use 1 to {THREAD_SIZE_MAX}");
            return Err(ApiError::bad_input("first", text));
        }
        Ok(())
    }
}

/// In which order to list comments.
#[derive(Debug, InputObject)]
pub struct CommentsArguments {
    /// The sort order of the list. A cursor is valid only in the order that returned it.
    #[graphql(default)]
    pub(super) order_by: CommentOrder,
}

/// Which comments to list, and in which order.
#[derive(Debug, InputObject)]
pub struct AllCommentsArguments {
    /// Only comments on the movie or publication with this id.
    pub(super) subject_id: Option<ID>,
    /// The sort order of the list. A cursor is valid only in the order that returned it.
    #[graphql(default)]
    pub(super) order_by: CommentOrder,
}

/// In which order to list replies.
#[derive(Debug, InputObject)]
pub struct RepliesArguments {
    /// The sort order of the list. A cursor is valid only in the order that returned it.
    #[graphql(default_with = "CommentOrder::Oldest")]
    pub(super) order_by: CommentOrder,
}

/// The kind of an event in the comment feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "EventKind")]
pub enum CommentEventKind {
    /// The comment was added.
    Added,
    /// The text was edited.
    Edited,
    /// The comment was deleted, on its own or with its subject.
    Deleted,
    /// An editor hid the comment.
    Hidden,
}

graphql::enum_leaves!(CommentEventKind);

/// Which kinds of events to send, on which comments.
#[derive(Debug, InputObject)]
pub struct EventsArguments {
    /// Only comments on the movie or publication with this id.
    pub(super) subject_id: Option<ID>,
    /// Start after this cursor. If omitted, start with the first event after the request. To reconnect, pass the last
    /// cursor that you received. The error `CURSOR_EXPIRED` means that events after the cursor are no longer available.
    pub(super) after: Option<String>,
    /// Only events of these kinds. If omitted, events of all kinds.
    pub(super) kinds: Option<Vec<CommentEventKind>>,
}

/// Which events to send.
#[derive(Debug, InputObject)]
pub struct EventArguments {
    /// Only comments on the movie or publication with this id.
    pub(super) subject_id: Option<ID>,
    /// Start after this cursor. If omitted, start with the first event after the request. To reconnect, pass the last
    /// cursor that you received. The error `CURSOR_EXPIRED` means that events after the cursor are no longer available.
    pub(super) after: Option<String>,
}
