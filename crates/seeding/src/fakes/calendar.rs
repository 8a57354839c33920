//! Dates and times of the fake data.
//!
//! No code reads the clock: everything depends on [`today`], so that a seed gives the same rows in every year.

use chrono::{DateTime, Datelike, Days, FixedOffset, Months, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::dice::{Dice, unit, whole};

/// The day of the data: 2026-01-01. Ages refer to it, and nothing in the data is later.
pub fn today() -> NaiveDate {
    day(2026, 1, 1)
}

/// The day when the library opened. No user, comment or order is earlier.
pub fn opening() -> NaiveDate {
    day(2016, 1, 1)
}

/// A day of a year; the year's first day for an invalid date.
pub fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap_or(NaiveDate::MIN)
}

/// The last moment of the data, the start of [`today`].
pub fn now() -> DateTime<FixedOffset> {
    midnight(today())
}

/// The start of a day, in UTC: the offset of all times is +00:00.
pub fn midnight(date: NaiveDate) -> DateTime<FixedOffset> {
    date.and_time(NaiveTime::MIN).and_utc().fixed_offset()
}

/// A moment between two, to the microsecond. `at` is the fraction of the way, in 0..1.
pub fn moment(from: DateTime<FixedOffset>, to: DateTime<FixedOffset>, at: f64) -> DateTime<FixedOffset> {
    let span = (to.timestamp_micros() - from.timestamp_micros()).max(0);
    let micros = from.timestamp_micros() + share_of(span, at);
    DateTime::<Utc>::from_timestamp_micros(micros).unwrap_or_default().fixed_offset()
}

/// A day between two, both included.
pub fn day_between(from: NaiveDate, to: NaiveDate, dice: &mut Dice) -> NaiveDate {
    let days = to.signed_duration_since(from).num_days();
    let at = share_of(days + 1, unit(dice)).clamp(0, days.max(0));
    from.checked_add_days(Days::new(at.unsigned_abs())).unwrap_or(from)
}

/// The day a number of years earlier.
pub fn years_before(date: NaiveDate, years: u32) -> NaiveDate {
    date.checked_sub_months(Months::new(years * 12)).unwrap_or(date)
}

/// A duration in minutes.
pub fn minutes(count: f64) -> TimeDelta {
    TimeDelta::seconds(i64::from(whole(count * 60.0)))
}

/// The year of a date, as the schema stores it.
pub fn year(date: NaiveDate) -> i16 {
    i16::try_from(date.year()).unwrap_or_default()
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "spans of years in microseconds stay below 2^53"
)]
fn share_of(span: i64, at: f64) -> i64 {
    (span as f64 * at) as i64
}
