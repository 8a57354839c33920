//! Ratings of movies and publications by users.

use std::collections::HashSet;

use entity::users_rating::Model;

use super::World;
use super::calendar::{midnight, moment, now, today};
use super::dice::{Purpose, row_dice, under, unit};
use super::movies::star;
use super::shares::id;
use super::subject::subject;
use super::users::{draw_user, traits};

/// Draws for a user who has not rated the subject yet, before all users are tried in turn.
const DRAWS_MAX: u32 = 40;

/// The ratings of a subject, one per user, around the subject's mean.
pub fn of_subject(world: &World, group: u32, emit: &mut dyn FnMut(Model)) {
    let rows = world.ratings.of(group);
    if rows.is_empty() {
        return;
    }
    let mut dice = row_dice(world.rng_seed, Purpose::Ratings, group);
    let dice = &mut dice;
    let subject = subject(world, group);
    let appeared = subject.since.date_naive();
    let mut taken = HashSet::with_capacity(rows.len());
    for row in rows {
        let start = under(world.sizes.users, dice);
        for draw in 0..DRAWS_MAX + world.sizes.users {
            let user = match draw.checked_sub(DRAWS_MAX) {
                None => draw_user(world, today(), dice),
                Some(turn) => (start + turn) % world.sizes.users,
            };
            let rater = traits(world, user);
            let from = rater.joined.max(appeared);
            if from >= rater.last_day() || !taken.insert(user) {
                continue;
            }
            let from = midnight(from).max(subject.since);
            let until = midnight(rater.last_day()).min(now());
            // The sum of two dice: values near the mean are the most frequent.
            let mood = (unit(dice) + unit(dice) - 1.0) * 1.7;
            emit(Model {
                id: id(row),
                rating: star(subject.quality + mood),
                user_id: id(user),
                movie_id: subject.movie_id,
                publication_id: subject.publication_id,
                created_at: moment(from, until, unit(dice)),
            });
            break;
        }
    }
}
