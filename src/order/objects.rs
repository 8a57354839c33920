//! Orders of movies. Only the user who placed an order can see it.

use entity::user_movie_orders;
use graphql::{Context, Description, NoArguments, Object};

use crate::account::User;
use crate::cinema::Cinema;
use crate::error::ApiResult;
use crate::kit::rows::{List, RowObject, row};
use crate::kit::scalar::{DateTime, Money, UniqueNumber};
use crate::kit::{ByKey, Id};
use crate::movie::Movie;

row! {
    /// An order of a movie from an online cinema. Only the user who placed the order can see it.
    Order of user_movie_orders [owner: user_id] {
        id: Id<Order>,
        number: UniqueNumber = cinema_order_id,
        price: Money,
        ordered_at: DateTime = date,
        user_id: Id<User>,
        movie_id: Id<Movie>,
        cinema_id: Id<Cinema> = online_cinema_id,
    }
}

/// The types of this domain. `User.orders` is described with the user.
pub fn describe(description: &mut Description) {
    description.object(
        Object::<Order>::new(
            "An order of a movie from an online cinema. Only the user who placed the order can see \
         it.",
        )
        .node()
        .column("number", "The order number at the cinema.", Order::number)
        .column("price", "The price paid, in roubles, after the student discount.", Order::price)
        .column("orderedAt", "When the order was placed.", Order::ordered_at)
        .link("movie", "The movie.", Order::movie_id)
        .link("cinema", "The cinema.", Order::cinema_id),
    );
}

/// `User.orders`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrdersOfUser;

impl List for OrdersOfUser {
    type Parent = User;
    type Row = Order;
    type Order = ByKey<Order>;
    type Arguments = NoArguments;

    const LIST: &'static str = "User.orders";

    fn parent_column() -> user_movie_orders::Column {
        user_movie_orders::Column::UserId
    }

    fn new(_: &Context, NoArguments: &NoArguments) -> ApiResult<(Self, Self::Order)> {
        Ok((Self, ByKey::default()))
    }
}
