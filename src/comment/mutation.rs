//! Mutations of comments.

use async_graphql::{Context, ID, InputObject, Object};

use super::{Comment, service};
use crate::kit::InPlace;
use crate::kit::mutate::{Answer, Deleted, mutate, payload};

/// What to say, and about what.
#[derive(Clone, Debug, InputObject)]
pub struct AddCommentInput {
    /// What it is about: a movie or a publication. May be left out of a reply, whose subject is that
    /// of the comment it answers.
    pub(super) subject_id: Option<ID>,
    /// The comment that it answers; left out, it begins a thread.
    pub(super) parent_id: Option<ID>,
    /// What to say: 1 to 10,000 characters, blanks around them not counted.
    pub(super) text: String,
}

/// How to change a comment.
#[derive(Clone, Debug, InputObject)]
pub struct EditCommentInput {
    /// Which one to change.
    pub(super) id: ID,
    /// What it says from now on: 1 to 10,000 characters, blanks around them not counted.
    pub(super) text: String,
}

/// Which comment to delete.
#[derive(Clone, Debug, InputObject)]
pub struct DeleteCommentInput {
    /// The id of the one to delete.
    pub(super) id: ID,
}

/// Which comment to hide.
#[derive(Clone, Debug, InputObject)]
pub struct HideCommentInput {
    /// The id of the one to hide.
    pub(super) id: ID,
}

payload!(AddCommentPayload, "What was said.", comment: InPlace<Comment>, "The new comment.");
payload!(EditCommentPayload, "What was changed.", comment: InPlace<Comment>, "The comment as it is now.");
payload!(
    DeleteCommentPayload,
    "What was deleted.",
    deleted_id: Deleted<Comment>,
    "The id of the comment. While it has replies, a comment without text and author stands in its place."
);
payload!(HideCommentPayload, "What was hidden.", comment: InPlace<Comment>, "The comment as it is now, without text and author.");

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct CommentMutation;

#[Object]
impl CommentMutation {
    /// Comments on a movie or a publication, or answers a comment, 32 levels deep at most. For whoever
    /// is signed in.
    async fn add_comment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to say, and about what.")] input: AddCommentInput,
    ) -> Answer<AddCommentPayload> {
        mutate(ctx, async move |work| service::add(work, &input).await).await
    }

    /// Changes what a comment says. For its author.
    async fn edit_comment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: EditCommentInput,
    ) -> Answer<EditCommentPayload> {
        mutate(ctx, async move |work| service::edit(work, &input).await).await
    }

    /// Deletes a comment. While it has replies, it stays without text and author, and goes with the
    /// last of them. For its author and editors.
    async fn delete_comment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to delete.")] input: DeleteCommentInput,
    ) -> Answer<DeleteCommentPayload> {
        mutate(ctx, async move |work| service::delete(work, &input).await).await
    }

    /// Takes text and author from a comment for good. It stays, marked as hidden, also without
    /// replies, so that readers see that something was removed. For editors.
    async fn hide_comment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to hide.")] input: HideCommentInput,
    ) -> Answer<HideCommentPayload> {
        mutate(ctx, async move |work| service::hide(work, &input).await).await
    }
}
