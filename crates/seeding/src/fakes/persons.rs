//! Persons who make movies.

use chrono::{Datelike, NaiveDate};
use entity::persons::Model;
use fake::Fake;
use fake::faker::address::raw::CountryName;

use super::World;
use super::calendar::{day_between, today, years_before};
use super::dice::{Purpose, chance, row_dice, under};
use super::shares::id;
use crate::locale::{NameOrigin, RU_RU, given_name, patronymic, surname};
use crate::text::bio::person_bio;
use crate::text::grammar::Gender;
use crate::text::template::Scene;

/// The trades of each ten persons in a row: half of them act.
const TRADES: [&str; 10] =
    ["Актёр", "Актёр", "Актёр", "Актёр", "Актёр", "Режиссёр", "Сценарист", "Оператор", "Композитор", ""];

/// In one of this many tens, persons are the old guard: their birthdays are unknown. Only they can have worked on
/// movies that were made before the others were adults.
const OLD_GUARD: u32 = 8;

/// The traits of a person that other tables need.
#[derive(Clone, Copy, Debug)]
pub struct PersonTraits {
    /// The trade, a title of the positions; empty for other trades.
    pub trade: &'static str,
    /// The country of origin.
    pub origin: NameOrigin,
    /// Whether the person is a woman.
    pub female: bool,
    /// The birthday, if it is known.
    pub birthday: Option<NaiveDate>,
}

impl PersonTraits {
    /// Whether the person was at least this old in a year; true if unknown.
    pub fn was_at_least(&self, age: i32, year: i16) -> bool {
        self.birthday.is_none_or(|birthday| birthday.year() + age <= i32::from(year))
    }
}

/// The traits of a person.
pub fn traits(world: &World, person: u32) -> PersonTraits {
    let mut dice = row_dice(world.rng_seed, Purpose::PersonTraits, person);
    let dice = &mut dice;
    let trade = TRADES[(person % 10) as usize];
    let origin = match under(100, dice) {
        0..45 => NameOrigin::Russian,
        45..74 => NameOrigin::English,
        74..86 => NameOrigin::Spanish,
        _ => NameOrigin::French,
    };
    let female = chance(if trade == "Актёр" { 50 } else { 30 }, dice);
    let is_old_guard = (person / 10).is_multiple_of(OLD_GUARD);
    // Children act, but do not direct.
    let youngest = if trade == "Актёр" { 10 } else { 24 };
    let birthday = day_between(years_before(today(), 70), years_before(today(), youngest), dice);
    PersonTraits { trade, origin, female, birthday: (!is_old_guard).then_some(birthday) }
}

/// The row nearest to a drawn one that has a person of the trade; for an old movie only the old guard.
pub fn nearest(world: &World, drawn: u32, trade: u32, old: bool) -> u32 {
    let tens = world.sizes.persons / 10;
    if tens == 0 {
        return drawn;
    }
    let ten = (drawn / 10).min(tens - 1);
    let ten = if old { ten - ten % OLD_GUARD } else { ten };
    ten * 10 + trade
}

/// A person's row.
pub fn person(world: &World, person: u32) -> Model {
    let traits = traits(world, person);
    let mut dice = row_dice(world.rng_seed, Purpose::Persons, person);
    let dice = &mut dice;
    let scene =
        Scene { film: "", speaker: if traits.female { Gender::Female } else { Gender::Male }, origin: traits.origin };
    let country = if chance(6, dice) {
        CountryName(RU_RU).fake_with_rng(dice)
    } else {
        super::movies::home(traits.origin, dice).to_owned()
    };
    let is_russian = traits.origin == NameOrigin::Russian;
    Model {
        id: id(person),
        country,
        last_name: surname(traits.origin, traits.female, dice),
        first_name: given_name(traits.origin, traits.female, dice).to_owned(),
        mid_name: is_russian.then(|| patronymic(traits.female, dice).to_owned()),
        birthday: traits.birthday,
        bio: (!chance(8, dice)).then(|| person_bio(traits.trade, &scene, dice)),
    }
}
