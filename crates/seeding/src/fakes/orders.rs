//! Orders of movies at online cinemas.

use std::collections::HashSet;

use entity::user_movie_orders::Model;
use rand::RngExt;
use uuid::Builder;

use super::World;
use super::calendar::{midnight, moment, now, today};
use super::dice::{Purpose, row_dice, under, unit};
use super::movies;
use super::presences::{self, student_price};
use super::shares::id;
use super::users::{draw_user, traits};

/// Draws for a buyer who has not ordered the movie there yet, before all users are tried in turn.
const DRAWS_MAX: u32 = 60;

/// The orders of a movie: each at a cinema that shows it, one per user and cinema, while the user was active.
pub fn of_movie(world: &World, movie: u32, emit: &mut dyn FnMut(Model)) {
    let rows = world.orders.of(movie);
    let presences = presences::of_movie(world, movie);
    if rows.is_empty() || presences.is_empty() {
        return;
    }
    let mut dice = row_dice(world.rng_seed, Purpose::Orders, movie);
    let dice = &mut dice;
    let offers = world.presences.count(movie);
    let shown_from = movies::traits(world, movie).shown_from;
    let mut taken = HashSet::with_capacity(rows.len());
    for row in rows {
        let start = under(world.sizes.users, dice);
        for draw in 0..DRAWS_MAX + world.sizes.users {
            let user = match draw.checked_sub(DRAWS_MAX) {
                None => draw_user(world, today(), dice),
                Some(turn) => (start + turn) % world.sizes.users,
            };
            let presence = &presences[under(offers, dice) as usize];
            let buyer = traits(world, user);
            let from = buyer.joined.max(shown_from);
            if from >= buyer.last_day() || !taken.insert((user, presence.cinema_id)) {
                continue;
            }
            let until = midnight(buyer.last_day()).min(now());
            emit(Model {
                id: id(row),
                cinema_order_id: Builder::from_random_bytes(dice.random()).into_uuid(),
                movie_id: id(movie),
                user_id: id(user),
                online_cinema_id: presence.cinema_id,
                price: student_price(presence),
                date: moment(midnight(from), until, unit(dice)),
            });
            break;
        }
    }
}
