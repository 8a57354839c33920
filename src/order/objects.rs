//! Orders, for the engine.

use graphql::{Description, Object};

use crate::account::objects::User;
use crate::kit::Id;
use crate::kit::rows::{RowObject, row};
use crate::kit::scalar::Money;

row! {
    /// An order of a movie by the viewer.
    Order of user_movie_orders [owner: user_id] {
        id: Id<Order>,
        price: Money,
        user_id: Id<User>,
    }
}

/// The types of this domain.
pub fn describe(description: &mut Description) {
    description.object(Object::<Order>::new("An order of a movie by the viewer.").node().column(
        "price",
        "What was paid, in roubles.",
        Order::price,
    ));
}
