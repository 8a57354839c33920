//! What is held until a connection that is being released can be used again.
//!
//! Who goes away in the middle of a statement leaves its connection behind: the server still executes it, which takes until a
//! lock is free or a standby answers. The pool waits for that by itself, and does not say whose connection it is.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::sleep;

/// The connections of a pool that are being released. Cloning is cheap; clones are one.
#[derive(Clone, Debug, Default)]
pub struct Releases(watch::Sender<ReleaseCounts>);

#[derive(Clone, Copy, Debug, Default)]
struct ReleaseCounts {
    running: usize,
    kept: usize,
}

/// A release that is under way.
pub(crate) struct RunningRelease(watch::Sender<ReleaseCounts>);

/// Within this time a connection that was dropped is being released: the pool does it in a task of its own.
const BEGINS_WITHIN: Duration = Duration::from_millis(10);

impl Releases {
    pub(crate) fn begin(&self) -> RunningRelease {
        self.0.send_modify(|counts| counts.running += 1);
        RunningRelease(self.0.clone())
    }

    /// Keeps what stands for a connection that was dropped just now until it can be used again. So as many things are kept as
    /// connections are being released, at most.
    pub fn keep(&self, thing: impl Send + 'static) {
        let Ok(runtime) = Handle::try_current() else { return };
        let counts = self.0.clone();
        runtime.spawn(async move {
            sleep(BEGINS_WITHIN).await;
            // Not earlier: another one would go for this.
            counts.send_modify(|counts| counts.kept += 1);
            let mut seen = counts.subscribe();
            let may_end = |counts: &ReleaseCounts| counts.running < counts.kept;
            // Of several only as many as there are connections again.
            while seen.wait_for(may_end).await.is_ok() {
                let take = |counts: &mut ReleaseCounts| {
                    let is_over = may_end(counts);
                    counts.kept -= usize::from(is_over);
                    is_over
                };
                if counts.send_if_modified(take) {
                    break;
                }
            }
            drop(thing);
        });
    }
}

impl Drop for RunningRelease {
    fn drop(&mut self) {
        self.0.send_modify(|counts| counts.running -= 1);
    }
}
