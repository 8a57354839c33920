//! Mutations of orders.

use async_graphql::{Context, ID, InputObject, Object};

use super::{Order, service};
use crate::kit::{Answer, InPlace, mutate, payload};

/// What to order, and where.
#[derive(Clone, Debug, InputObject)]
pub struct OrderMovieInput {
    /// The movie.
    pub(super) movie_id: ID,
    /// The online cinema, one that shows the movie.
    pub(super) cinema_id: ID,
}

payload!(OrderMoviePayload, "What was ordered.", order: InPlace<Order>, "The new order.");

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct OrderMutation;

#[Object]
impl OrderMutation {
    /// Orders a movie at an online cinema, at the price of the moment less the discount for students. A
    /// user orders a movie at a cinema once. For whoever is signed in.
    async fn order_movie(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to order, and where.")] input: OrderMovieInput,
    ) -> Answer<OrderMoviePayload> {
        mutate(ctx, async move |work| service::order(work, &input).await).await
    }
}
