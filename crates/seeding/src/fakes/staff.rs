//! The staff of movies: director, screenwriter, operator, composer, actors with their characters, and other trades.

use entity::movie_staff_m2m::Model;

use super::World;
use super::dice::{Dice, Purpose, chance, low_under, pick, row_dice, under};
use super::movies::{self, MovieTraits};
use super::persons;
use super::shares::id;
use crate::lists::position_id;
use crate::locale::{NameOrigin, given_name, surname};
use crate::text::grammar::{Case, Gender};
use crate::text::lexicon::HEROES;
use crate::text::template::capitalised;

const ACTOR: &str = "Актёр";

/// The crew that every movie has, with their positions among ten persons.
const CREW: [(&str, u32); 4] = [("Режиссёр", 5), ("Сценарист", 6), ("Оператор", 7), ("Композитор", 8)];

/// Trades that only some movies list.
#[rustfmt::skip]
const OTHER_TRADES: [&str; 10] = [
    "Продюсер", "Монтажёр", "Художник-постановщик", "Художник по костюмам", "Гримёр", "Звукорежиссёр", "Каскадёр", "Второй режиссёр",
    "Хореограф", "Рассказчик",
];

/// The position of persons of other trades among ten.
const OTHER_PLACE: u32 = 9;

/// Maximum number of draws for a suitable person. After that any person is used.
const DRAWS_MAX: u32 = 40;

/// The staff of a movie.
pub fn of_movie(world: &World, movie: u32) -> Vec<Model> {
    let rows = world.staff.of(movie);
    let mut dice = row_dice(world.rng_seed, Purpose::Staff, movie);
    let dice = &mut dice;
    let traits = movies::traits(world, movie);
    // Well-known movies are made by well-known people, who have small numbers.
    let skew = if world.rank_percent(movie) < 15 { 3.0 } else { 1.5 };
    let mut casting = Casting { world, traits, skew, taken: Vec::new() };

    let count = rows.len();
    let (crew, actors) = split(count);
    let leads = if chance(55, dice) { 2 } else { 1 };
    let trades_from = under(10, dice) as usize;
    rows.enumerate()
        .map(|(at, row)| {
            let (position, place) = if at < crew {
                CREW[at]
            } else if at < crew + actors {
                (ACTOR, under(5, dice))
            } else {
                (OTHER_TRADES[(trades_from + at) % OTHER_TRADES.len()], OTHER_PLACE)
            };
            let person = casting.find(place, position == ACTOR, dice);
            let is_actor = position == ACTOR;
            let character = is_actor.then(|| draw_character(world, person, traits.origin, dice));
            Model {
                id: id(row),
                character,
                is_lead_role: is_actor && at < crew + leads,
                position_id: position_id(position).unwrap_or_default(),
                person_id: id(person),
                movie_id: id(movie),
            }
        })
        .collect()
}

/// The numbers of crew members and actors among `count`. The rest are other trades.
fn split(count: usize) -> (usize, usize) {
    let crew = count.min(CREW.len());
    let rest = count - crew;
    let trades = if rest > 6 { (rest - 4) / 3 } else { 0 };
    (crew, rest - trades)
}

struct Casting<'a> {
    world: &'a World,
    traits: MovieTraits,
    skew: f64,
    taken: Vec<u32>,
}

impl Casting<'_> {
    /// A person of the trade who is not in the movie yet, was old enough, and most likely comes from the same
    /// country.
    fn find(&mut self, place: u32, is_actor: bool, dice: &mut Dice) -> u32 {
        let is_old = self.traits.year < 1976;
        let age = if is_actor { 6 } else { 21 };
        let mut found = None;
        for draw in 0..DRAWS_MAX {
            let drawn = low_under(self.world.sizes.persons, self.skew, dice);
            let person = persons::nearest(self.world, drawn, place, is_old);
            if self.taken.contains(&person) {
                continue;
            }
            let candidate = persons::traits(self.world, person);
            if !candidate.was_at_least(age, self.traits.year) {
                continue;
            }
            found = Some(person);
            if candidate.origin == self.traits.origin || draw > DRAWS_MAX / 2 || chance(8, dice) {
                break;
            }
        }
        let person = found.unwrap_or_else(|| {
            let drawn = under(self.world.sizes.persons, dice);
            persons::nearest(self.world, drawn, place, true)
        });
        self.taken.push(person);
        person
    }
}

/// A character of the actor's gender: a name, a full name, or a profession.
fn draw_character(world: &World, person: u32, origin: NameOrigin, dice: &mut Dice) -> String {
    let female = persons::traits(world, person).female;
    match under(10, dice) {
        0..4 => given_name(origin, female, dice).to_owned(),
        4..8 => format!("{} {}", given_name(origin, female, dice), surname(origin, female, dice)),
        _ => {
            let gender = if female { Gender::Female } else { Gender::Male };
            let mut hero = pick(HEROES, dice);
            while hero.gender() != gender {
                hero = pick(HEROES, dice);
            }
            capitalised(&hero.decline(Case::Nominative))
        }
    }
}
