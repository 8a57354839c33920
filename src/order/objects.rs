//! Orders of movies, for the engine. Only the user who made an order sees it.

use entity::user_movie_orders;
use graphql::{Description, Object};

use crate::account::User;
use crate::cinema::objects::Cinema;
use crate::kit::Id;
use crate::kit::rows::{RowObject, row};
use crate::kit::scalar::{DateTime, Money, UniqueNumber};
use crate::movie::objects::Movie;

row! {
    /// An order of a movie at an online cinema. Only the user who made it sees it.
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
        Object::<Order>::new("An order of a movie at an online cinema. Only the user who made it sees it.")
            .node()
            .column("number", "The order's number at the cinema.", Order::number)
            .column("price", "The price paid, in roubles, after the student discount.", Order::price)
            .column("orderedAt", "When the order was made.", Order::ordered_at)
            .link("movie", "The movie.", Order::movie_id)
            .link("cinema", "The cinema.", Order::cinema_id),
    );
}
