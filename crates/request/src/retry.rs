//! When clients should retry after `UNAVAILABLE`: the longer the outage, the later, and not all simultaneously. Also
//! limits how often the log reports it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::RngExt as _;

/// The error extension with the number of seconds.
pub const EXTENSION: &str = "retryAfterSeconds";

/// After this long without a refusal, an outage is over.
const QUIET: Duration = Duration::from_secs(5);

/// The fixed part of the delay grows up to this many seconds. The random part is at most as long.
const BASE_S_MAX: u64 = 4;

/// The refusals during an outage.
#[derive(Clone, Copy)]
struct Outage {
    began: Instant,
    last: Instant,
}

static OUTAGE: Mutex<Option<Outage>> = Mutex::new(None);

/// The number of seconds after which a client that is refused now should retry; at least `min_s`.
pub fn after_s(min_s: u64) -> u64 {
    let mut outage = OUTAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let base_s = base_s(note(&mut outage, Instant::now())).max(min_s);
    drop(outage);
    base_s + rand::rng().random_range(0..=base_s)
}

/// Records a refusal. Returns how long the outage has lasted.
fn note(outage: &mut Option<Outage>, now: Instant) -> Duration {
    let began = outage.filter(|outage| now.duration_since(outage.last) < QUIET).map_or(now, |outage| outage.began);
    *outage = Some(Outage { began, last: now });
    now.duration_since(began)
}

fn base_s(lasts: Duration) -> u64 {
    (1 + lasts.as_secs() / 4).min(BASE_S_MAX)
}

/// The interval of the same message in the log.
const LOG_GAP: Duration = Duration::from_secs(10);

/// Logs a repeated event once in a while, with the number of omitted messages.
#[derive(Debug, Default)]
pub struct LogLimiter {
    logged: Option<Instant>,
    left_out: u64,
}

impl LogLimiter {
    /// No event so far.
    pub const fn none() -> Self {
        Self { logged: None, left_out: 0 }
    }

    /// Records the event. If it should be logged, returns how often it was omitted since the last message.
    pub fn note(&mut self, now: Instant) -> Option<u64> {
        if self.logged.is_some_and(|logged| now.duration_since(logged) < LOG_GAP) {
            self.left_out += 1;
            return None;
        }
        self.logged = Some(now);
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_later_the_longer_an_outage_lasts() {
        let bases = [0, 3, 4, 8, 12, 3_600].map(|seconds| base_s(Duration::from_secs(seconds)));
        assert_eq!(bases, [1, 1, 2, 3, 4, 4]);
    }

    #[test]
    fn an_outage_ends_after_a_while_without_refusals() {
        let (mut outage, start) = (None, Instant::now());
        let mut at = |seconds| note(&mut outage, start + Duration::from_secs(seconds)).as_secs();
        assert_eq!([at(0), at(4), at(8), at(13), at(17)], [0, 4, 8, 0, 4]);
    }

    #[test]
    fn repeated_events_are_logged_with_their_number() {
        let (mut repeats, start) = (LogLimiter::none(), Instant::now());
        let mut at = |seconds| repeats.note(start + Duration::from_secs(seconds));
        assert_eq!([at(0), at(1), at(9), at(10), at(11)], [Some(0), None, None, Some(2), None]);
    }

    #[test]
    fn clients_do_not_retry_simultaneously() {
        let times: std::collections::HashSet<_> = (0..200).map(|_| after_s(8)).collect();
        assert!(times.len() > 5 && times.iter().all(|seconds| (8..=16).contains(seconds)), "{times:?}");
    }
}
