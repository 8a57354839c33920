//! Movies.

use chrono::{Days, NaiveDate};
use entity::movies::Model;
use rust_decimal::Decimal;
use serde_json::json;

use super::World;
use super::calendar::{day, opening};
use super::dice::{Dice, Purpose, between, chance, low_under, pick, row_dice, under, unit, whole};
use super::shares::id;
use crate::lists::TAGS;
use crate::locale::NameOrigin;
use crate::text::grammar::Gender;
use crate::text::plot::plot;
use crate::text::template::Scene;
use crate::text::titles;

/// The year of the oldest movies.
const FIRST_YEAR: i16 = 1920;
/// The year of the newest ones.
const LAST_YEAR: i16 = 2025;

/// The frequency of each of [`TAGS`], in the order of the list.
const TAG_WEIGHTS: [u32; 14] = [12, 18, 12, 22, 10, 7, 6, 5, 1, 2, 14, 9, 2, 6];

#[rustfmt::skip]
const COUNTRIES: [&[&str]; 4] = [
    &["Россия"],
    &["США", "США", "США", "Великобритания", "Великобритания", "Канада", "Австралия", "Ирландия", "Новая Зеландия"],
    &["Испания", "Испания", "Испания", "Мексика", "Мексика", "Аргентина", "Чили", "Колумбия"],
    &["Франция", "Франция", "Франция", "Франция", "Бельгия", "Швейцария", "Канада"],
];

/// The traits of a movie that other tables need.
#[derive(Clone, Copy, Debug)]
pub struct MovieTraits {
    /// The country of origin.
    pub origin: NameOrigin,
    /// The year of production, even if the catalogue omits it.
    pub year: i16,
    /// The quality: the mean of its ratings, 2.4 to 4.8.
    pub quality: f64,
    /// The day when the library first showed it.
    pub shown_from: NaiveDate,
}

/// The row that determines a movie's title: its own, or that of the original of a remake, so that identical titles
/// exist.
fn title_row(movie: u32) -> u32 {
    if movie % 40 == 39 { movie - 20 } else { movie }
}

fn origin(world: &World, movie: u32) -> NameOrigin {
    let mut dice = row_dice(world.rng_seed, Purpose::Titles, title_row(movie));
    draw_origin(&mut dice)
}

fn draw_origin(dice: &mut Dice) -> NameOrigin {
    match under(100, dice) {
        0..42 => NameOrigin::Russian,
        42..72 => NameOrigin::English,
        72..84 => NameOrigin::Spanish,
        _ => NameOrigin::French,
    }
}

/// The traits of a movie.
pub fn traits(world: &World, movie: u32) -> MovieTraits {
    let mut dice = row_dice(world.rng_seed, Purpose::MovieTraits, movie);
    let age = i16::try_from(low_under(106, 2.1, &mut dice)).unwrap_or_default();
    let year = (LAST_YEAR - age).max(FIRST_YEAR);
    let quality = 2.4 + 2.4 * (unit(&mut dice) + unit(&mut dice)).min(1.8) / 1.8;
    let premiere = day(i32::from(year), 1, 1) + Days::new(u64::from(under(270, &mut dice)));
    MovieTraits { origin: origin(world, movie), year, quality, shown_from: premiere.max(opening()) }
}

/// A movie's title and original title. Russian movies have no original title.
pub fn title(world: &World, movie: u32) -> (String, Option<String>) {
    let mut dice = row_dice(world.rng_seed, Purpose::Titles, title_row(movie));
    let origin = draw_origin(&mut dice);
    titles::title(origin, &mut dice)
}

/// A movie's row.
pub fn movie(world: &World, movie: u32) -> Model {
    let traits = traits(world, movie);
    let (title, original) = title(world, movie);
    let mut dice = row_dice(world.rng_seed, Purpose::Movies, movie);
    let dice = &mut dice;
    let scene = Scene { film: &title, speaker: Gender::Male, origin: traits.origin };

    // Some Russian movies have their own title as the original one.
    let title_original = original.or_else(|| chance(40, dice).then(|| title.clone()));
    let tags = draw_tags(dice);
    let known = 100 - world.rank_percent(movie);
    let budget = whole(3_000.0 * (unit(dice) * 6.0 + f64::from(known) / 100.0 * 1.6).exp());
    let income = f64::from(budget) * (0.05 + unit(dice).powi(2) * (0.5 + f64::from(known) / 18.0));
    Model {
        id: id(movie),
        isbn: (!chance(15, dice)).then(|| format!("978{:09}", under(1_000_000_000, dice))),
        title_original,
        country: (!chance(3, dice)).then(|| country(&traits, dice)),
        year: (!chance(4, dice)).then_some(traits.year),
        budget: (!chance(12, dice)).then(|| roubles(budget, 0)),
        boxoffice: (!chance(16, dice)).then(|| roubles(whole(income), under(100, dice))),
        rating: (!chance(8, dice)).then(|| star(traits.quality)),
        duration: draw_duration(&tags, dice),
        rars: (!chance(4, dice)).then(|| age_mark(&tags, dice).to_owned()),
        tags: (!chance(4, dice)).then(|| json!(tags)),
        subject: (!chance(3, dice)).then(|| plot(&scene, dice)),
        title,
    }
}

/// One to four different tags, more often common ones.
pub fn draw_tags(dice: &mut Dice) -> Vec<&'static str> {
    let count = 1 + low_under(4, 1.4, dice);
    let mut tags = Vec::new();
    while tags.len() < count as usize {
        let mut at = under(TAG_WEIGHTS.iter().sum(), dice);
        for (tag, weight) in TAGS.into_iter().zip(TAG_WEIGHTS) {
            if at < weight {
                if !tags.contains(&tag) {
                    tags.push(tag);
                }
                break;
            }
            at -= weight;
        }
    }
    tags
}

fn country(traits: &MovieTraits, dice: &mut Dice) -> String {
    if traits.origin == NameOrigin::Russian && traits.year < 1992 {
        return "СССР".to_owned();
    }
    pick(COUNTRIES[traits.origin as usize], dice).to_owned()
}

/// A country where people of an origin live.
pub fn home(origin: NameOrigin, dice: &mut Dice) -> &'static str {
    pick(COUNTRIES[origin as usize], dice)
}

fn draw_duration(tags: &[&str], dice: &mut Dice) -> i32 {
    let minutes = if tags.contains(&"Сериал") {
        between(22, 60, dice)
    } else if chance(6, dice) {
        between(7, 45, dice)
    } else {
        // Two dice: values in the middle are the most frequent.
        78 + under(50, dice) + under(50, dice) + if chance(8, dice) { under(60, dice) } else { 0 }
    };
    i32::try_from(minutes).unwrap_or_default()
}

fn age_mark(tags: &[&str], dice: &mut Dice) -> &'static str {
    if tags.contains(&"Эротика") {
        return "18+";
    }
    if tags.iter().any(|tag| ["Ужасы", "Трэш", "Триллер"].contains(tag)) {
        return pick(&["16+", "16+", "18+"], dice);
    }
    pick(&["0+", "6+", "6+", "12+", "12+", "12+", "16+", "16+", "18+"], dice)
}

/// An amount in thousands of roubles, plus kopecks.
fn roubles(thousands: u32, kopecks: u32) -> Decimal {
    Decimal::new(i64::from(thousands) * 100_000 + i64::from(kopecks), 2)
}

/// A mean as a whole rating from 1 to 5.
pub fn star(mean: f64) -> i16 {
    i16::try_from(whole(mean + 0.5)).unwrap_or(5).clamp(1, 5)
}
