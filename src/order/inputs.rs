//! The input of the mutation of orders.

use async_graphql::{ID, InputObject};

/// A movie to order.
#[derive(Clone, Debug, InputObject)]
pub struct OrderMovieInput {
    /// The id of the movie.
    pub(super) movie_id: ID,
    /// The id of an online cinema that offers the movie.
    pub(super) cinema_id: ID,
}
