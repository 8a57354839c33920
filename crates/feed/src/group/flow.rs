//! Hands results to a group's listeners, no faster than most of them take them.

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

/// Between two looks whether they have taken what they could.
const LOOK: Duration = Duration::from_millis(1);

/// Keeps a group from running ahead of all its listeners, as in a burst. It waits for most of them, and
/// not for those that are slow.
#[derive(Default)]
pub(super) struct Flow {
    /// What was sent last, half a backlog at most, and its bytes.
    sent: VecDeque<(Arc<Delivery>, u64)>,
    bytes: u64,
    /// Most have not taken what they could; they are not waited for again before they do.
    impatient: bool,
}

impl Flow {
    /// Hands a result to those who listen, as soon as most have taken what was sent half a backlog before.
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

    /// Waits until most have taken a result.
    async fn wait(&mut self, oldest: &Delivery) {
        let deadline = Instant::now() + PATIENCE;
        while oldest.taken.load(Ordering::Relaxed) < oldest.expected.div_ceil(2) {
            if self.impatient || Instant::now() > deadline {
                self.impatient = true;
                return;
            }
            sleep(LOOK).await;
        }
        self.impatient = false;
    }
}

fn send((group, results): (&Group, &Sender<Arc<Delivery>>), outcome: EventResult) -> Arc<Delivery> {
    let (event, payload) = (outcome.event, outcome.held());
    let mut state = group.lock();
    let expected = results.receiver_count();
    let position = event.mark.position;
    let delivery =
        Arc::new(Delivery { position, payload: Mutex::new(Some(payload)), expected, taken: AtomicUsize::new(0) });
    // Nobody listening is no fault: all are still catching up.
    let _ = results.send(Arc::clone(&delivery));
    state.position = position;
    drop(state);
    metrics::feed().delivered(event.written.elapsed(), expected);
    delivery
}
