//! Comments, for the engine.

use graphql::{Description, Object};

use crate::kit::Id;
use crate::kit::rows::{RowObject, row};

row! {
    /// A comment on a movie or a publication, or a reply to one.
    Comment of comments {
        id: Id<Comment>,
        text: String = comment,
    }
}

/// The types of this domain.
pub fn describe(description: &mut Description) {
    description.object(
        Object::<Comment>::new("A comment on a movie or a publication, or a reply to one.").node().column(
            "text",
            "What was said.",
            Comment::text,
        ),
    );
}
