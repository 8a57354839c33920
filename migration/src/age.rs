//! When connections to PostgreSQL are replaced: by their age, and when something has shown that they are of no use.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::release::Releases;

/// A moment that many wait for; a later one replaces it.
#[derive(Debug, Default)]
struct Moment(Mutex<Option<Instant>>);

impl Moment {
    const fn never() -> Self {
        Self(Mutex::new(None))
    }

    fn set(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn last(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what has this age was there at that moment.
    fn is_after(&self, age: Duration) -> bool {
        self.last().is_some_and(|moment| moment.elapsed() <= age)
    }
}

/// When statements that were prepared before were last found to be useless.
static FORGOTTEN: Moment = Moment::never();

/// Has all statements of the process prepared anew that were prepared so far: connections to PostgreSQL that are
/// open now are closed before they would be used again. To be called when the schema has changed under one.
pub fn forget_statements() {
    FORGOTTEN.set();
}

/// The connections of some pools that were opened before a failover or the like. Cloning is cheap; clones are one.
#[derive(Clone, Debug, Default)]
pub struct Generation(Arc<GenerationState>);

#[derive(Debug, Default)]
struct GenerationState {
    ended: Moment,
    doubted: Moment,
    lost: Moment,
    releases: Releases,
}

/// Within what time a connection is released on which a statement was given up.
const LOSS: Duration = Duration::from_secs(1);

impl Generation {
    /// Has connections that are open now closed when they are released, or before they would be used again. A server
    /// that has become a standby answers pings, and one that is frozen never does.
    pub fn end(&self) {
        self.0.ended.set();
    }

    /// Has connections that are idle now tested before they are used again: another one has broken.
    pub fn doubt(&self) {
        self.0.doubted.set();
    }

    /// Whether a connection that has been idle for so long was when another one broke.
    pub(crate) fn is_doubtful(&self, idle_for: Duration) -> bool {
        self.0.doubted.is_after(idle_for)
    }

    /// Has a connection that is released in this second closed, unless it answers: nothing came of its statement.
    pub fn lose(&self) {
        self.0.lost.set();
    }

    /// Those that are being released.
    pub fn releases(&self) -> &Releases {
        &self.0.releases
    }

    /// Whether one was lost just now.
    pub(crate) fn has_lost(&self) -> bool {
        self.0.lost.is_after(LOSS)
    }

    /// Whether it has ended since then.
    pub fn has_ended_since(&self, since: Instant) -> bool {
        self.0.ended.last().is_some_and(|ended| ended >= since)
    }

    /// Whether a connection of this age is of one that has ended.
    pub(crate) fn is_over(&self, age: Duration) -> bool {
        self.0.ended.is_after(age)
    }
}

/// How old connections become: each another age, so that not all are replaced at once.
#[derive(Clone, Copy, Debug)]
pub struct Lifetime {
    /// The shortest.
    pub min: Duration,
    /// The longest.
    pub max: Duration,
}

impl Lifetime {
    /// Of connections to a server that is the only one of its kind.
    pub const LONG: Self = Self { min: Duration::from_secs(15 * 60), max: Duration::from_secs(30 * 60) };

    /// Of connections to one of several servers: one that returns is soon used again.
    pub const SHORT: Self = Self { min: Duration::from_secs(20), max: Duration::from_secs(60) };

    /// That of a connection of this age. The pool gives its connections no name: the moment at which one was made
    /// stands for it.
    fn of(self, age: Duration) -> Duration {
        static START: LazyLock<(Instant, RandomState)> = LazyLock::new(|| (Instant::now(), RandomState::new()));
        let (start, random) = &*START;
        let made_ms = (start.elapsed() + self.max).saturating_sub(age).as_millis();
        let range_ms = self.max.saturating_sub(self.min).as_millis().max(1);
        let more_ms = u128::from(random.hash_one(made_ms)) % range_ms;
        self.min + Duration::from_millis(u64::try_from(more_ms).unwrap_or(0))
    }
}

/// Whether a connection of this age is to be replaced: it is too old, or may have statements that are to be
/// [forgotten](forget_statements).
pub fn is_outdated(age: Duration, lifetime: Lifetime) -> bool {
    age > lifetime.min && age > lifetime.of(age) || FORGOTTEN.is_after(age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_become_old_at_different_times() {
        let at = |seconds| is_outdated(Duration::from_secs(seconds), Lifetime::SHORT);
        assert!(!at(20) && at(61));
        let old = (0..400).filter(|i| is_outdated(Duration::from_millis(40_000 + i * 2), Lifetime::SHORT)).count();
        assert!((100..300).contains(&old), "{old} of 400 connections of 40 s are too old");
    }

    #[test]
    fn a_generation_is_what_was_open_when_it_ended() {
        let generation = Generation::default();
        assert!(!generation.is_over(Duration::from_secs(9)));
        generation.end();
        assert!(generation.is_over(Duration::from_secs(9)) && generation.clone().is_over(Duration::from_secs(9)));
        std::thread::sleep(Duration::from_millis(2));
        assert!(!generation.is_over(Duration::ZERO));
    }
}
