//! Recent results by group and event, so that many listeners that return simultaneously need one execution.

use std::fmt;
use std::time::Instant;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use request::subscribe::SubscriptionResult;

use crate::event::Position;

/// Maximum size of the results of all groups. It suffices when all listeners of a lost instance reconnect, and is
/// small compared with the memory of its listeners. A result that was dropped is executed again.
const BYTES_MAX: u64 = 32 << 20;

/// Number of results for which the cache is sized.
const RESULTS_EXPECTED: usize = 10_000;

/// Bytes of a result besides its text.
const OVERHEAD: u64 = 256;

/// The recent results.
pub(crate) struct RecentResults(Cache<ResultKey, RecentResult, ByBytes>);

/// The number of the group, and the event.
type ResultKey = (u64, Position);

/// A result, and when its execution started: it shows the database at that moment or later.
#[derive(Clone)]
struct RecentResult {
    payload: SubscriptionResult,
    started: Instant,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<ResultKey, RecentResult> for ByBytes {
    fn weight(&self, _: &ResultKey, result: &RecentResult) -> u64 {
        result.payload.json.len() as u64 + OVERHEAD
    }
}

impl RecentResults {
    pub(super) fn new() -> Self {
        Self(Cache::with_weighter(RESULTS_EXPECTED, BYTES_MAX, ByBytes))
    }

    /// Stores a result of an execution that started at `started`. Its bytes need no share, since the cache is bounded.
    pub(super) fn add(&self, key: ResultKey, payload: SubscriptionResult, started: Instant) {
        self.0.insert(key, RecentResult { payload, started });
    }

    /// The result of an event, unless it was executed before `since`.
    pub(super) fn get(&self, key: ResultKey, since: Instant) -> Option<SubscriptionResult> {
        self.0.get(&key).filter(|result| result.started >= since).map(|result| result.payload)
    }
}

impl fmt::Debug for RecentResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecentResults").field("bytes", &self.0.weight()).finish_non_exhaustive()
    }
}
