//! When connections to PostgreSQL are replaced: by age, and when an event has shown that they are useless.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::release::Releases;

/// A shared moment; a later one replaces it.
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

    /// Whether something of this age existed at that moment.
    fn is_after(&self, age: Duration) -> bool {
        self.last().is_some_and(|moment| moment.elapsed() <= age)
    }
}

/// When prepared statements were last found to be useless.
static FORGOTTEN: Moment = Moment::never();

/// Makes the process prepare all its statements again: open connections to PostgreSQL are closed before their next
/// use. Call this if the schema has changed under one.
pub fn forget_statements() {
    FORGOTTEN.set();
}

/// The connections of some pools that were opened before a failover or a similar event. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct Generation(Arc<GenerationState>);

#[derive(Debug, Default)]
struct GenerationState {
    ended: Moment,
    doubted: Moment,
    lost: Moment,
    releases: Releases,
}

/// A connection on which a statement was given up is released within this time.
const LOSS: Duration = Duration::from_secs(1);

impl Generation {
    /// Closes open connections at their release, or before their next use. A server that has become a standby still
    /// answers pings, and a frozen one never does.
    pub fn end(&self) {
        self.0.ended.set();
    }

    /// Tests idle connections before their next use: another one has broken.
    pub fn doubt(&self) {
        self.0.doubted.set();
    }

    /// Whether a connection that has been idle for this long was idle when another one broke.
    pub(crate) fn is_doubtful(&self, idle_for: Duration) -> bool {
        self.0.doubted.is_after(idle_for)
    }

    /// Closes a connection that is released within this second, unless it answers: its statement was given up.
    pub fn lose(&self) {
        self.0.lost.set();
    }

    /// The connections that are being released.
    pub fn releases(&self) -> &Releases {
        &self.0.releases
    }

    /// Whether a connection was lost just now.
    pub(crate) fn has_lost(&self) -> bool {
        self.0.lost.is_after(LOSS)
    }

    /// Whether the generation has ended since then.
    pub fn has_ended_since(&self, since: Instant) -> bool {
        self.0.ended.last().is_some_and(|ended| ended >= since)
    }

    /// Whether a connection of this age belongs to an ended generation.
    pub(crate) fn is_over(&self, age: Duration) -> bool {
        self.0.ended.is_after(age)
    }
}

/// The lifetime of connections. Each has another one, so that not all are replaced simultaneously.
#[derive(Clone, Copy, Debug)]
pub struct Lifetime {
    /// The minimum.
    pub min: Duration,
    /// The maximum.
    pub max: Duration,
}

impl Lifetime {
    /// For connections to the only server of its kind.
    pub const LONG: Self = Self { min: Duration::from_secs(15 * 60), max: Duration::from_secs(30 * 60) };

    /// For connections to one of several servers, so that a returning server is soon used again.
    pub const SHORT: Self = Self { min: Duration::from_secs(20), max: Duration::from_secs(60) };

    /// The lifetime of a connection of this age. The pool does not name its connections, so the time when one was
    /// opened identifies it.
    fn of(self, age: Duration) -> Duration {
        static START: LazyLock<(Instant, RandomState)> = LazyLock::new(|| (Instant::now(), RandomState::new()));
        let (start, random) = &*START;
        let made_ms = (start.elapsed() + self.max).saturating_sub(age).as_millis();
        let range_ms = self.max.saturating_sub(self.min).as_millis().max(1);
        let more_ms = u128::from(random.hash_one(made_ms)) % range_ms;
        self.min + Duration::from_millis(u64::try_from(more_ms).unwrap_or(0))
    }
}

/// Whether a connection of this age must be replaced: it is too old, or may have statements to be
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
    fn a_generation_ends_for_connections_that_were_open() {
        let generation = Generation::default();
        assert!(!generation.is_over(Duration::from_secs(9)));
        generation.end();
        assert!(generation.is_over(Duration::from_secs(9)) && generation.clone().is_over(Duration::from_secs(9)));
        std::thread::sleep(Duration::from_millis(2));
        assert!(!generation.is_over(Duration::ZERO));
    }
}
