//! Ratings, for the engine.

use graphql::{Description, Object};

use crate::kit::Id;
use crate::kit::rows::{RowObject, row};

row! {
    /// A rating of a movie or a publication.
    Rating of users_rating {
        id: Id<Rating>,
        rating: i16,
    }
}

/// The types of this domain.
pub fn describe(description: &mut Description) {
    description.object(Object::<Rating>::new("A rating of a movie or a publication.").node().column(
        "rating",
        "From 1 to 5.",
        Rating::rating,
    ));
}
