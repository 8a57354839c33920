//! The results that a group stores for its listeners.

use std::collections::VecDeque;
use std::sync::Arc;

use request::budget::UNSHARED;
use request::quota::{Exhausted, Share};

use super::{BUFFER, Delivery};

/// Bytes of results that a group may store however much others store.
const BYTES_MIN: u64 = 32 << 10;

/// Maximum size of stored results of a group. The newest result is always stored.
pub(super) const BYTES_MAX: u64 = 1 << 20;

/// The results that a group stores, and the share of those without their own.
#[derive(Default)]
pub(super) struct Backlog {
    results: VecDeque<(Arc<Delivery>, u64)>,
    bytes: u64,
    /// The bytes of small results.
    unshared: u64,
    share: Option<Share>,
}

impl Backlog {
    /// Stores a result, and drops the oldest ones that do not fit.
    pub(super) fn push(&mut self, delivery: Arc<Delivery>, take: impl Fn(u64) -> Result<Option<Share>, Exhausted>) {
        let bytes = delivery.lock().as_ref().map_or(0, |payload| payload.json.len() as u64);
        self.results.push_back((delivery, bytes));
        self.bytes += bytes;
        self.unshared += unshared(bytes);
        while self.results.len() > BUFFER || (self.results.len() > 1 && !self.has_room(&take)) {
            self.drop_oldest();
        }
    }

    fn has_room(&mut self, take: impl Fn(u64) -> Result<Option<Share>, Exhausted>) -> bool {
        // The client of the share may have gone.
        self.share = None;
        let wanted = self.unshared.saturating_sub(BYTES_MIN);
        self.bytes <= BYTES_MAX && (wanted == 0 || take(wanted).map(|share| self.share = share).is_ok())
    }

    /// Drops everything but the newest result, or that one too if it is alone. Listeners that miss a result
    /// reconnect.
    pub(super) fn make_room(&mut self) {
        let left = usize::from(self.results.len() > 1);
        while self.results.len() > left {
            self.drop_oldest();
        }
        self.share = None;
    }

    fn drop_oldest(&mut self) {
        if let Some((oldest, bytes)) = self.results.pop_front() {
            oldest.lock().take();
            self.bytes -= bytes;
            self.unshared -= unshared(bytes);
        }
    }
}

/// Small results have no share, except some of a batch, which have their own.
fn unshared(bytes: u64) -> u64 {
    if bytes > UNSHARED { 0 } else { bytes }
}
