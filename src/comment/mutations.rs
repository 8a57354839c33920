//! Mutations of comments.

use graphql::{Object, Root};

use super::{Comment, service};
use crate::kit::changes::{MutationObject, deleted, object};
use crate::policy::Rule;
use crate::viewer::Role;

/// Only the author edits a comment.
pub(super) const EDIT: Rule = Rule::Owner;

/// Adds the mutations to their root.
pub fn add_to_mutation(mutation: Object<Root>) -> Object<Root> {
    mutation
        .single_change(
            "addComment",
            "Adds a comment to a movie or a publication, or a reply to a comment. Replies can be nested up to 32 \
             levels deep. For signed-in users.",
            Rule::SignedIn,
            object::<Comment>("comment", "The new comment."),
            (service::add_single, |work, input| Box::pin(service::add(work, input))),
        )
        .single_change(
            "editComment",
            "Changes the text of a comment. For its author.",
            EDIT,
            object::<Comment>("comment", "The updated comment."),
            (service::edit_single, |work, input| Box::pin(service::edit(work, input))),
        )
        .change(
            "deleteComment",
            "Deletes a comment. A comment with replies loses its text and author, but remains until its last reply \
             is deleted. For its author and for editors.",
            Rule::OwnerOr(Role::Editor),
            deleted("deletedId", "The id of the deleted comment."),
            |work, input| Box::pin(service::delete(work, input)),
        )
        .change(
            "hideComment",
            "Permanently removes the text and the author of a comment. The comment remains, marked as hidden, even \
             if it has no replies. For editors.",
            Rule::Has(Role::Editor),
            object::<Comment>("comment", "The hidden comment."),
            |work, input| Box::pin(service::hide(work, input)),
        )
}
