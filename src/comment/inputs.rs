//! What clients send: the inputs of mutations of comments, and the order of their lists.

use async_graphql::{Enum, ID, InputObject};
use entity::comments;

use crate::kit::{PageOrder, SortKey, choice_name};

/// A comment to add.
#[derive(Clone, Debug, InputObject)]
pub struct AddCommentInput {
    /// The id of the subject: a movie or a publication. Optional for a reply, which has the subject of its parent.
    pub(super) subject_id: Option<ID>,
    /// The id of the comment to reply to. If omitted, the comment starts a thread.
    pub(super) parent_id: Option<ID>,
    /// The text: 1 to 10,000 characters. Leading and trailing whitespace is removed.
    pub(super) text: String,
}

/// A comment to edit.
#[derive(Clone, Debug, InputObject)]
pub struct EditCommentInput {
    /// The comment's id.
    pub(super) id: ID,
    /// The new text: 1 to 10,000 characters. Leading and trailing whitespace is removed.
    pub(super) text: String,
}

/// A comment to delete.
#[derive(Clone, Debug, InputObject)]
pub struct DeleteCommentInput {
    /// The comment's id.
    pub(super) id: ID,
}

/// A comment to hide.
#[derive(Clone, Debug, InputObject)]
pub struct HideCommentInput {
    /// The comment's id.
    pub(super) id: ID,
}

/// The order of a list of comments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum CommentOrder {
    /// By time, newest first.
    #[default]
    Newest,
    /// By time, oldest first.
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
