//! The only clock. Functions that need the time of a change get it as an argument, so that a change has one time.

use chrono::{DateTime, SubsecRound, Utc};

/// The time, as precise as both databases store it: microseconds.
#[expect(clippy::disallowed_methods, reason = "the only function that reads the clock")]
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}
