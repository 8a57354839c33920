//! Cinemas, for the engine.

use graphql::{Description, Object};

use crate::kit::Id;
use crate::kit::rows::{RowObject, row};

row! {
    /// An online cinema.
    Cinema of cinema_online [registry: true] {
        id: Id<Cinema>,
        title: String,
    }
}

/// The types of this domain.
pub fn describe(description: &mut Description) {
    description.object(Object::<Cinema>::new("An online cinema.").node().column(
        "title",
        "The cinema's name.",
        Cinema::title,
    ));
}
