//! Which online cinemas show a movie, and the prices.

use entity::cinema_online_movie_presence::Model;
use rand::seq::SliceRandom;
use rust_decimal::Decimal;

use super::World;
use super::calendar::{midnight, moment, now};
use super::dice::{Purpose, between, chance, row_dice, unit, whole};
use super::movies;
use super::shares::id;
use crate::lists::ONLINE_CINEMAS;

/// The presences of a movie, each at a different cinema.
pub fn of_movie(world: &World, movie: u32) -> Vec<Model> {
    let rows = world.presences.of(movie);
    if rows.is_empty() {
        return Vec::new();
    }
    let mut dice = row_dice(world.rng_seed, Purpose::Presences, movie);
    let dice = &mut dice;
    let traits = movies::traits(world, movie);
    let known = 100 - world.rank_percent(movie);
    let mut cinemas: Vec<i32> = (1..).take(ONLINE_CINEMAS.len()).collect();
    cinemas.shuffle(dice);
    rows.zip(cinemas)
        .map(|(row, cinema_id)| {
            let price = 50 * between(2, 9, dice);
            let views = (f64::from(known) / 100.0 * 9.0 + 4.0 * unit(dice)).exp();
            Model {
                id: id(row),
                movie_id: id(movie),
                cinema_id,
                price: Decimal::new(i64::from(price) * 100, 2),
                rating: i32::from(movies::star(traits.quality + unit(dice) - 0.5)),
                discount: if chance(25, dice) {
                    0
                } else {
                    i16::try_from(5 * between(2, 10, dice)).unwrap_or_default()
                },
                view_count: (!chance(5, dice)).then(|| i64::from(whole(views))),
                last_update: (!chance(5, dice)).then(|| moment(midnight(traits.shown_from), now(), unit(dice).sqrt())),
            }
        })
        .collect()
}

/// The price for students: the price minus the discount.
pub fn student_price(presence: &Model) -> Decimal {
    let share = Decimal::new(i64::from(100 - presence.discount), 2);
    (presence.price * share).round_dp(2)
}
