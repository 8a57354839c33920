//! When clients are told to come back after `UNAVAILABLE`: the longer it lasts, the later, and not all at once. And how
//! often the log says so.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::RngExt as _;

/// The extension of an error that says it.
pub const EXTENSION: &str = "retryAfterSeconds";

/// Without a refusal for this long, an outage is over.
const QUIET: Duration = Duration::from_secs(5);

/// From so many seconds on, the wait grows no more; random is as much again.
const BASE_S_MAX: u64 = 4;

/// The refusals of an outage.
#[derive(Clone, Copy)]
struct Outage {
    began: Instant,
    last: Instant,
}

static OUTAGE: Mutex<Option<Outage>> = Mutex::new(None);

/// After how many seconds a client is to come back that is told so now; `min_s` at least.
pub fn after_s(min_s: u64) -> u64 {
    let mut outage = OUTAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let base_s = base_s(note(&mut outage, Instant::now())).max(min_s);
    drop(outage);
    base_s + rand::rng().random_range(0..=base_s)
}

/// Notes a refusal; says how long there have been some.
fn note(outage: &mut Option<Outage>, now: Instant) -> Duration {
    let began = outage.filter(|outage| now.duration_since(outage.last) < QUIET).map_or(now, |outage| outage.began);
    *outage = Some(Outage { began, last: now });
    now.duration_since(began)
}

fn base_s(lasts: Duration) -> u64 {
    (1 + lasts.as_secs() / 4).min(BASE_S_MAX)
}

/// How often the same is logged.
const LOG_GAP: Duration = Duration::from_secs(10);

/// What happens again and again is logged once in a while, with how often it was left out.
#[derive(Debug, Default)]
pub struct Repeats {
    logged: Option<Instant>,
    left_out: u64,
}

impl Repeats {
    /// What none has met yet.
    pub const fn none() -> Self {
        Self { logged: None, left_out: 0 }
    }

    /// Notes that it has happened. If it is to be logged: how often it has happened since it last was.
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
    fn clients_come_back_later_the_longer_it_lasts() {
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
    fn what_happens_again_is_logged_with_how_often() {
        let (mut repeats, start) = (Repeats::none(), Instant::now());
        let mut at = |seconds| repeats.note(start + Duration::from_secs(seconds));
        assert_eq!([at(0), at(1), at(9), at(10), at(11)], [Some(0), None, None, Some(2), None]);
    }

    #[test]
    fn clients_do_not_come_back_all_at_once() {
        let times: std::collections::HashSet<_> = (0..200).map(|_| after_s(8)).collect();
        assert!(times.len() > 5 && times.iter().all(|seconds| (8..=16).contains(seconds)), "{times:?}");
    }
}
