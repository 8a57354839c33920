//! Results of the last moments by group and event: whoever comes back is given these, so that many who come back at once
//! cost one execution.

use std::fmt;
use std::time::Instant;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use request::subscribe::SubscriptionResult;

use crate::event::Position;

/// Bytes of the results of all groups at most: those of the storm after an instance was lost, and little beside the
/// memory of its listeners. A result that was dropped is executed again.
const BYTES_MAX: u64 = 32 << 20;

/// Results that the cache is sized for.
const RESULTS_EXPECTED: usize = 10_000;

/// Bytes that a result takes beside its text.
const OVERHEAD: u64 = 256;

/// The results of the last moments.
pub(crate) struct RecentResults(Cache<ResultKey, RecentResult, ByBytes>);

/// The number of the group, and the event.
type ResultKey = (u64, Position);

/// A result, and when its execution began: it shows what was in the database then, or later.
#[derive(Clone)]
struct RecentResult {
    payload: SubscriptionResult,
    begun: Instant,
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

    /// Enters a result of an execution that began at `begun`. Its bytes have no share: they are bounded here.
    pub(super) fn add(&self, key: ResultKey, payload: SubscriptionResult, begun: Instant) {
        self.0.insert(key, RecentResult { payload, begun });
    }

    /// The result for an event, unless it was executed before `since`.
    pub(super) fn get(&self, key: ResultKey, since: Instant) -> Option<SubscriptionResult> {
        self.0.get(&key).filter(|result| result.begun >= since).map(|result| result.payload)
    }
}

impl fmt::Debug for RecentResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecentResults").field("bytes", &self.0.weight()).finish_non_exhaustive()
    }
}
