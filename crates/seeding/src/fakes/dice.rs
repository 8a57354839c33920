//! Random numbers that depend only on the seed, the purpose, and the row.
//!
//! Each row (or group of rows) has its own generator, so rows can be made in any order, with any number of threads.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// A source of random numbers.
pub type Dice = ChaCha8Rng;

/// The purpose of the numbers. A row draws different numbers for each purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Purpose {
    Fame = 1,
    Shares,
    MovieTraits,
    Titles,
    Movies,
    UserTraits,
    Users,
    PersonTraits,
    Persons,
    Staff,
    Awards,
    Presences,
    Orders,
    PublicationTraits,
    Publications,
    Comments,
    Ratings,
    Script,
}

/// The generator of one row (or group of rows) for a purpose.
pub fn row_dice(rng_seed: u64, purpose: Purpose, row: u32) -> Dice {
    let place = (u64::from(purpose as u8) << 32) | u64::from(row);
    Dice::seed_from_u64(mixed(rng_seed ^ mixed(place)))
}

/// Spreads the bits of a number (the finaliser of SplitMix64).
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A random item of a list, which must not be empty.
pub fn pick<T: Copy>(items: &[T], dice: &mut Dice) -> T {
    items[dice.random_range(0..items.len())]
}

/// A number below `end`; zero when `end` is zero.
pub fn under(end: u32, dice: &mut Dice) -> u32 {
    if end == 0 { 0 } else { dice.random_range(0..end) }
}

/// A number from `low` to `high`, both included.
pub fn between(low: u32, high: u32, dice: &mut Dice) -> u32 {
    if low >= high { low } else { dice.random_range(low..=high) }
}

/// True in this percentage of cases.
pub fn chance(percent: u32, dice: &mut Dice) -> bool {
    under(100, dice) < percent
}

/// A number in 0..1.
pub fn unit(dice: &mut Dice) -> f64 {
    dice.random()
}

/// A number below `end`, more often a small one. A larger `skew` (over one) makes small ones more frequent.
pub fn low_under(end: u32, skew: f64, dice: &mut Dice) -> u32 {
    let drawn = unit(dice).powf(skew) * f64::from(end);
    whole(drawn).min(end.saturating_sub(1))
}

/// The whole part of a number, zero for negative ones.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range of u32 first")]
pub fn whole(number: f64) -> u32 {
    number.clamp(0.0, f64::from(u32::MAX)) as u32
}
