//! Users.

use chrono::{Days, NaiveDate};
use entity::users::Model;
use fake::Fake;
use fake::faker::internet::raw::FreeEmailProvider;

use super::World;
use super::calendar::{day_between, opening, today, years_before};
use super::dice::{Dice, Purpose, chance, low_under, pick, row_dice, whole};
use super::shares::id;
use crate::locale::{NameOrigin, RU_RU, given_name, patronymic, surname, transliterate};
use crate::text::bio::user_bio;
use crate::text::grammar::Gender;
use crate::text::template::Scene;

/// The `password` of seeded users. It is not a valid hash, so verification always fails and they cannot log in.
pub const UNUSABLE_PASSWORD: &str = "!";

/// Skews the draw of users: early users are the active ones.
const BUSY_SKEW: f64 = 1.5;

/// The traits of a user that other tables need.
#[derive(Clone, Copy, Debug)]
pub struct UserTraits {
    /// The day when the user signed up.
    pub joined: NaiveDate,
    /// The day when the user left, if they did.
    pub left: Option<NaiveDate>,
    /// Whether the user is a woman.
    pub female: bool,
}

impl UserTraits {
    /// The user's grammatical gender.
    pub fn gender(&self) -> Gender {
        if self.female { Gender::Female } else { Gender::Male }
    }

    /// The last day when the user was active.
    pub fn last_day(&self) -> NaiveDate {
        self.left.unwrap_or_else(today)
    }
}

/// The day when a user signed up, never earlier than that of previous rows. Sign-ups become more frequent over time.
fn joined(world: &World, user: u32) -> NaiveDate {
    let days = today().signed_duration_since(opening()).num_days() - 30;
    let at = f64::from(user) / f64::from(world.sizes.users.max(1));
    let span = u32::try_from(days).unwrap_or_default();
    opening() + Days::new(u64::from(whole(f64::from(span) * at.powf(0.6))))
}

/// The number of users that had signed up by the end of a day. They are the first rows.
pub fn count_joined_by(world: &World, date: NaiveDate) -> u32 {
    let (mut low, mut high) = (0, world.sizes.users);
    while low < high {
        let middle = low + (high - low) / 2;
        if joined(world, middle) <= date {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// A user who had signed up by the end of a day.
pub fn draw_user(world: &World, date: NaiveDate, dice: &mut Dice) -> u32 {
    low_under(count_joined_by(world, date), BUSY_SKEW, dice)
}

/// The traits of a user.
pub fn traits(world: &World, user: u32) -> UserTraits {
    let mut dice = row_dice(world.rng_seed, Purpose::UserTraits, user);
    let joined = joined(world, user);
    // The first user never leaves: any row may need a user.
    let leaves = chance(6, &mut dice) && user > 0;
    let left = leaves.then(|| day_between(joined, today(), &mut dice));
    UserTraits { joined, left, female: chance(52, &mut dice) }
}

/// A user's row.
pub fn user(world: &World, user: u32) -> Model {
    let traits = traits(world, user);
    let mut dice = row_dice(world.rng_seed, Purpose::Users, user);
    let dice = &mut dice;
    let last = surname(NameOrigin::Russian, traits.female, dice);
    let first = given_name(NameOrigin::Russian, traits.female, dice);
    let number = own_number(world, user);
    let (ascii_first, ascii_last) = (transliterate(first), transliterate(&last));
    let domain: &str = FreeEmailProvider(RU_RU).fake_with_rng(dice);
    let scene = Scene { film: "", speaker: traits.gender(), origin: NameOrigin::Russian };
    // Old enough to sign up on that day, and to be a student now.
    let youngest = years_before(today(), 17).min(years_before(traits.joined, 13));
    Model {
        id: id(user),
        username: format!("{}{number}", login(&ascii_first, &ascii_last, dice)),
        email: format!("{}{number}@{domain}", login(&ascii_first, &ascii_last, dice)),
        password: UNUSABLE_PASSWORD.to_owned(),
        fio: format!("{last} {first} {}", patronymic(traits.female, dice)),
        bio: (!chance(30, dice)).then(|| user_bio(&scene, dice)),
        created_at: traits.joined,
        deleted_at: traits.left,
        birthday: day_between(years_before(today(), 60), youngest, dice),
        last_logon: (!chance(8, dice)).then(|| day_between(traits.joined, traits.last_day(), dice)),
    }
}

/// A unique number. Logins are letters followed by this number, so they are unique.
fn own_number(world: &World, user: u32) -> u64 {
    let mut bound: u64 = 1_000;
    while bound < u64::from(world.sizes.users) {
        bound *= 10;
    }
    // A prime other than 2 and 5 visits every number below the bound.
    (u64::from(user) * 7_919 + 13) % bound
}

fn login(first: &str, last: &str, dice: &mut Dice) -> String {
    let initial = &first[..1];
    match pick(&[0u8, 1, 2, 3, 4], dice) {
        0 => format!("{first}.{last}"),
        1 => last.to_owned(),
        2 => format!("{initial}_{last}"),
        3 => format!("{last}.{initial}"),
        _ => format!("{first}_{last}"),
    }
}
