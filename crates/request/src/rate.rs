//! Rate limits: what clients and users may do a limited number of times in a period.
//!
//! Every limit of this kind is a [`Rate`], which counts with [`Counters`]. The counters are in memory: each instance
//! counts separately, so that several instances together allow a multiple, and a restart resets the counters. Names no
//! domain.

use std::fmt;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use telemetry::metrics;

use crate::error::{ApiError, ApiResult};
use crate::quota::network;
use crate::viewer::Caller;

/// The maximum number of counters of a kind. The oldest are removed.
pub const COUNTERS_MAX: usize = 100_000;

/// Counters by key. Each key has its own windows, which begin with the first event.
pub struct Counters<K> {
    counters: Cache<K, Arc<Counter>>,
    window: Duration,
}

/// The number of events since the window began.
#[derive(Debug)]
pub struct Counter {
    state: Mutex<(Instant, u32)>,
    window: Duration,
}

impl<K> fmt::Debug for Counters<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters").field("window", &self.window).finish_non_exhaustive()
    }
}

impl<K: Eq + Hash + Clone> Counters<K> {
    /// Counters with windows of this length.
    pub fn new(window: Duration) -> Self {
        Self { counters: Cache::new(COUNTERS_MAX), window }
    }

    /// The counter of a key.
    pub fn of(&self, key: &K, now: Instant) -> Arc<Counter> {
        let new = || Arc::new(Counter { state: Mutex::new((now, 0)), window: self.window });
        // The fallback is never used: creating a counter cannot fail.
        self.counters.get_or_insert_with(key, || Ok::<_, ()>(new())).unwrap_or_else(|()| new())
    }

    /// The number of counted keys.
    pub fn len(&self) -> usize {
        self.counters.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.counters.is_empty()
    }
}

impl Counter {
    /// How long to wait if `limit` is reached.
    pub fn wait(&self, limit: u32, now: Instant) -> Option<Duration> {
        self.with(now, |count, left| (*count >= limit).then_some(left))
    }

    /// Counts one, unless `limit` is reached: then returns how long to wait.
    ///
    /// # Errors
    /// The limit is reached.
    pub fn take(&self, limit: u32, now: Instant) -> Result<(), Duration> {
        self.with(now, |count, left| {
            if *count >= limit {
                return Err(left);
            }
            *count += 1;
            Ok(())
        })
    }

    /// Counts one.
    pub fn add(&self, now: Instant) {
        self.with(now, |count, _| *count = count.saturating_add(1));
    }

    /// Undoes one count.
    pub fn take_back(&self, now: Instant) {
        self.with(now, |count, _| *count = count.saturating_sub(1));
    }

    /// Resets the counter to zero.
    pub fn clear(&self, now: Instant) {
        self.with(now, |count, _| *count = 0);
    }

    fn with<T>(&self, now: Instant, work: impl FnOnce(&mut u32, Duration) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(state.0) >= self.window {
            *state = (now, 0);
        }
        let left = self.window.saturating_sub(now.saturating_duration_since(state.0));
        work(&mut state.1, left)
    }
}

/// The user or client that a rate applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// A user, from any address.
    User(i32),
    /// A client's network address, for anonymous requests.
    Address(IpAddr),
}

impl Who {
    /// The sender of a request.
    pub fn of(caller: &Caller) -> Self {
        match caller.viewer {
            Some(viewer) => Self::User(viewer.user),
            None => Self::Address(network(caller.address)),
        }
    }
}

/// The names of a rate in errors.
#[derive(Clone, Copy, Debug)]
pub struct RateNames {
    /// The flag, without leading dashes: `signups-per-address`.
    pub limit: &'static str,
    /// What is limited, as the beginning of a sentence: `too many mutations`.
    pub too_many: &'static str,
}

/// A limit for each user or client in a period. Cloning is cheap; clones share the counters.
#[derive(Clone, Debug)]
pub struct Rate {
    names: RateNames,
    max: u32,
    counters: Arc<Counters<Who>>,
}

impl Rate {
    /// At most `max` in each `window`.
    pub fn new(names: RateNames, max: u32, window: Duration) -> Self {
        Self { names, max, counters: Arc::new(Counters::new(window)) }
    }

    /// Counts one for a user or client.
    ///
    /// # Errors
    /// `RateLimited` if the limit is reached.
    pub fn take(&self, who: Who, now: Instant) -> ApiResult<()> {
        self.counters.of(&who, now).take(self.max, now).map_err(|wait| {
            metrics::count_limit(self.names.limit);
            ApiError::RateLimited {
                what: self.names.too_many,
                limit: self.names.limit,
                max: u64::from(self.max),
                retry_after_s: wait.as_secs() + 1,
            }
        })
    }

    /// Undoes one count: the event did not happen after all.
    pub fn give_back(&self, who: Who, now: Instant) {
        self.counters.of(&who, now).take_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_limits_each_client_until_its_window_ends() {
        let window = Duration::from_secs(60);
        let rate = Rate::new(RateNames { limit: "limit-a", too_many: "too many" }, 2, window);
        let (anna, boris, start) = (Who::User(1), Who::User(2), Instant::now());
        assert!(rate.take(anna, start).is_ok() && rate.take(anna, start).is_ok());
        let refused = rate.take(anna, start + Duration::from_secs(20));
        assert!(matches!(refused, Err(ApiError::RateLimited { limit: "limit-a", max: 2, retry_after_s: 41, .. })));
        assert!(rate.take(boris, start).is_ok());
        rate.give_back(anna, start);
        assert!(rate.take(anna, start).is_ok() && rate.take(anna, start).is_err());
        assert!(rate.take(anna, start + window).is_ok());
    }

    #[test]
    fn users_count_separately_and_others_by_network() {
        let caller = Caller::anonymous(IpAddr::V6("2001:db8::1".parse().unwrap_or(std::net::Ipv6Addr::UNSPECIFIED)));
        let neighbour = Caller { address: network(caller.address), ..caller.clone() };
        assert_eq!(Who::of(&caller), Who::of(&neighbour));
        let viewer = crate::viewer::Viewer { user: 1, session: 1, role: crate::viewer::Role::Member };
        assert_eq!(Who::of(&Caller { viewer: Some(viewer), ..caller }), Who::User(1));
    }
}
