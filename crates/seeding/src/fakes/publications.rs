//! Publications about movies.

use chrono::{DateTime, Days, FixedOffset};
use entity::publications::Model;
use serde_json::json;

use super::World;
use super::calendar::{midnight, moment, now, opening, today};
use super::dice::{Purpose, between, chance, row_dice, under, unit};
use super::shares::id;
use super::{movies, users};
use crate::lists::PUBLICATION_CATEGORIES;
use crate::text::article;
use crate::text::template::Scene;

/// Days between the last publication and the last day of the data, so that there is time for comments.
const QUIET_DAYS: u64 = 21;

/// The traits of a publication that other tables need.
#[derive(Clone, Copy, Debug)]
pub struct PublicationTraits {
    /// The movie that it discusses.
    pub movie: u32,
    /// The user who wrote it.
    pub author: u32,
    /// The time of publication, never earlier than that of previous rows.
    pub created_at: DateTime<FixedOffset>,
    /// The quality: the mean of its ratings.
    pub quality: f64,
}

/// The traits of a publication.
pub fn traits(world: &World, publication: u32) -> PublicationTraits {
    let mut dice = row_dice(world.rng_seed, Purpose::PublicationTraits, publication);
    let dice = &mut dice;
    let at = (f64::from(publication) + unit(dice)) / f64::from(world.sizes.publications.max(1));
    let from = midnight(opening() + Days::new(60));
    let created_at = moment(from, now() - Days::new(QUIET_DAYS), at.powf(0.7));
    let day = created_at.date_naive();
    // A movie that was out by then, and an author who was active.
    let movie = (0..20)
        .map(|_| world.draw_movie(dice))
        .find(|&movie| movies::traits(world, movie).shown_from <= day)
        .unwrap_or_else(|| oldest(world));
    let author = (0..20)
        .map(|_| users::draw_user(world, day.min(today()) - Days::new(1), dice))
        .find(|&author| users::traits(world, author).last_day() > day)
        .unwrap_or_default();
    PublicationTraits { movie, author, created_at, quality: 2.8 + 1.9 * unit(dice) }
}

fn oldest(world: &World) -> u32 {
    (0..world.sizes.movies.min(100)).min_by_key(|&movie| movies::traits(world, movie).year).unwrap_or_default()
}

/// A publication's row.
pub fn publication(world: &World, publication: u32) -> Model {
    let traits = traits(world, publication);
    let mut dice = row_dice(world.rng_seed, Purpose::Publications, publication);
    let dice = &mut dice;
    let (film, _) = movies::title(world, traits.movie);
    let author = users::traits(world, traits.author);
    let scene = Scene { film: &film, speaker: author.gender(), origin: movies::traits(world, traits.movie).origin };
    let sentences = between(world.sizes.sentences_min, world.sizes.sentences_max, dice);
    let is_changed = chance(20, dice);
    let until = midnight(author.last_day()).min(now());
    Model {
        id: id(publication),
        title: article::title(&scene, dice),
        text: article::article(sentences, &scene, dice),
        author: id(traits.author),
        category: id(under(u32::try_from(PUBLICATION_CATEGORIES.len()).unwrap_or_default(), dice)),
        created_at: traits.created_at,
        changed_at: if is_changed { moment(traits.created_at, until, unit(dice).powi(3)) } else { traits.created_at },
        tags: (!chance(8, dice)).then(|| json!(movies::draw_tags(dice))),
        deleted_at: None,
    }
}
