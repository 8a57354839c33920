//! Persons of the film trade.

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

/// What each person of ten in a row does: half of them act.
const TRADES: [&str; 10] =
    ["Актёр", "Актёр", "Актёр", "Актёр", "Актёр", "Режиссёр", "Сценарист", "Оператор", "Композитор", ""];

/// Of how many tens one is the old guard: people whose birthday is not known,
/// who alone can have worked on films made before the others were grown up.
const OLD_GUARD: u32 = 8;

/// What other tables need to know of a person.
#[derive(Clone, Copy, Debug)]
pub struct PersonTraits {
    /// What the person does, a title of the positions; empty for other trades.
    pub trade: &'static str,
    /// Where the person comes from.
    pub origin: NameOrigin,
    /// Whether the person is a woman.
    pub female: bool,
    /// The birthday, where it is known.
    pub birthday: Option<NaiveDate>,
}

impl PersonTraits {
    /// Whether the person was at least so old in a year; true when unknown.
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
    // Children act, they do not direct.
    let youngest = if trade == "Актёр" { 10 } else { 24 };
    let birthday = day_between(years_before(today(), 70), years_before(today(), youngest), dice);
    PersonTraits { trade, origin, female, birthday: (!is_old_guard).then_some(birthday) }
}

/// The row at which a person of a trade stands nearest to a drawn one; only
/// the old guard for an old film.
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
