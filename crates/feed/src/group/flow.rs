//! Sends results to a group's listeners, at the speed of most of them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use telemetry::metrics;
use tokio::sync::broadcast::Sender;
use tokio::time::{Instant, sleep};

use super::backlog::BYTES_MAX;
use super::{BUFFER, Delivery, Group};
use crate::execution::EventResult;

/// How long a group waits for most of its listeners when they are half a backlog behind.
const PATIENCE: Duration = Duration::from_secs(1);

/// How much longer it waits for nearly all: in a burst the last ones are not slow.
const PATIENCE_FOR_LAST: Duration = Duration::from_millis(100);

/// One in this many is never waited for.
const STRAGGLERS: usize = 16;

/// The interval between checks of what they have taken.
const LOOK: Duration = Duration::from_millis(1);

/// Keeps a group from running ahead of all its listeners, as in a burst. It waits for most of them, a moment for
/// nearly all, and not for slow ones.
#[derive(Default)]
pub(super) struct Flow {
    /// The last results, at most half a backlog, and their bytes.
    sent: VecDeque<(Arc<Delivery>, u64)>,
    bytes: u64,
    patience: Patience,
}

/// Whether to wait for listeners. After a time-out, the group does not wait again until they have caught up.
#[derive(Default)]
struct Patience {
    is_over_for_most: bool,
    is_over_for_last: bool,
}

impl Patience {
    /// Whether to keep waiting, given how many have taken a result, and the time since `started` and since most had it.
    fn lasts(&mut self, taken: usize, expected: usize, started: Duration, most_since: Duration) -> bool {
        if taken >= expected - expected / STRAGGLERS {
            *self = Self::default();
            return false;
        }
        if taken < expected.div_ceil(2) {
            self.is_over_for_most |= started > PATIENCE;
            return !self.is_over_for_most;
        }
        self.is_over_for_most = false;
        self.is_over_for_last |= most_since > PATIENCE_FOR_LAST;
        !self.is_over_for_last
    }
}

impl Flow {
    /// Sends a result as soon as most listeners have taken the one from half a backlog before.
    pub(super) async fn send(&mut self, to: (&Group, &Sender<Arc<Delivery>>), outcome: EventResult) -> Arc<Delivery> {
        let bytes = outcome.payload.json.len() as u64;
        self.bytes += bytes;
        while self.sent.len() > BUFFER / 2 || self.bytes > BYTES_MAX / 2 {
            let Some((oldest, bytes)) = self.sent.pop_front() else { break };
            self.bytes -= bytes;
            self.wait(&oldest).await;
        }
        let delivery = send(to, outcome);
        self.sent.push_back((Arc::clone(&delivery), bytes));
        delivery
    }

    /// Waits until nearly all have taken a result.
    async fn wait(&mut self, oldest: &Delivery) {
        let started = Instant::now();
        let mut most_at = None;
        loop {
            let (taken, now) = (oldest.taken.load(Ordering::Relaxed), Instant::now());
            if taken >= oldest.expected.div_ceil(2) {
                most_at.get_or_insert(now);
            }
            let most_since = most_at.map_or(Duration::ZERO, |most_at| now - most_at);
            if !self.patience.lasts(taken, oldest.expected, now - started, most_since) {
                return;
            }
            sleep(LOOK).await;
        }
    }
}

fn send((group, results): (&Group, &Sender<Arc<Delivery>>), outcome: EventResult) -> Arc<Delivery> {
    let (event, payload) = (outcome.event, outcome.held());
    let mut state = group.lock();
    let expected = results.receiver_count();
    let position = event.mark.position;
    let delivery =
        Arc::new(Delivery { position, payload: Mutex::new(Some(payload)), expected, taken: AtomicUsize::new(0) });
    // All listeners may still be catching up.
    let _ = results.send(Arc::clone(&delivery));
    state.position = position;
    drop(state);
    metrics::feed().delivered(event.written.elapsed(), expected);
    delivery
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(50);

    #[test]
    fn the_last_of_many_are_waited_for_a_moment() {
        let mut patience = Patience::default();
        assert!(patience.lasts(400, 1_000, MOMENT, Duration::ZERO), "most have not taken it");
        assert!(patience.lasts(600, 1_000, MOMENT * 2, MOMENT), "four in ten are a moment late");
        assert!(!patience.lasts(940, 1_000, MOMENT * 2, MOMENT), "nearly all have it");
        assert!(!patience.lasts(600, 1_000, MOMENT * 4, MOMENT * 3), "four in ten are slow");
        assert!(!patience.lasts(600, 1_000, MOMENT, Duration::ZERO), "they are not waited for again");
        assert!(patience.lasts(400, 1_000, MOMENT, Duration::ZERO), "most still are");
        assert!(!patience.lasts(1_000, 1_000, MOMENT, Duration::ZERO), "all have caught up");
        assert!(patience.lasts(600, 1_000, MOMENT, Duration::ZERO));
    }

    #[test]
    fn listeners_that_all_stall_are_waited_for_once() {
        let mut patience = Patience::default();
        assert!(!patience.lasts(0, 10, PATIENCE * 2, Duration::ZERO));
        assert!(!patience.lasts(0, 10, Duration::ZERO, Duration::ZERO), "they are not waited for again");
        assert!(!patience.lasts(0, 0, Duration::ZERO, Duration::ZERO), "nobody is waited for");
    }
}
