//! The one clock. Whoever needs the time of a change is given it, so that all of one change has the
//! same.

use chrono::{DateTime, SubsecRound, Utc};

/// The time, as exact as both databases keep it: microseconds.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}
