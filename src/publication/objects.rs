//! Publications, for the engine.

use graphql::{Description, Object};

use crate::kit::Id;
use crate::kit::rows::{RowObject, row};

row! {
    /// A publication about film.
    Publication of publications {
        id: Id<Publication>,
        title: String,
    }
}

/// The types of this domain.
pub fn describe(description: &mut Description) {
    description.object(Object::<Publication>::new("A publication about film.").node().column(
        "title",
        "The title.",
        Publication::title,
    ));
}
