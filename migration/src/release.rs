//! Keeps things until a connection that is being released can be used again.
//!
//! If a caller is cancelled during a statement, the server still executes it, which may take until a lock is free
//! or a standby answers. The pool waits for that, but does not report whose connection it is.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::sleep;

/// The connections of a pool that are being released. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct Releases(watch::Sender<ReleaseCounts>);

#[derive(Clone, Copy, Debug, Default)]
struct ReleaseCounts {
    running: usize,
    kept: usize,
}

/// A running release.
pub(crate) struct RunningRelease(watch::Sender<ReleaseCounts>);

/// The release of a dropped connection begins within this time, on a busy machine too: the pool does it in a separate
/// task.
const BEGINS_WITHIN: Duration = Duration::from_millis(100);

impl Releases {
    pub(crate) fn begin(&self) -> RunningRelease {
        self.0.send_modify(|counts| counts.running += 1);
        RunningRelease(self.0.clone())
    }

    /// Keeps something for a dropped connection until the connection can be used again. At most as many things are
    /// kept as connections are being released.
    pub fn keep(&self, thing: impl Send + 'static) {
        let Ok(runtime) = Handle::try_current() else { return };
        let counts = self.0.clone();
        runtime.spawn(async move {
            sleep(BEGINS_WITHIN).await;
            // Not earlier: another release would free this one.
            counts.send_modify(|counts| counts.kept += 1);
            let mut seen = counts.subscribe();
            let may_end = |counts: &ReleaseCounts| counts.running < counts.kept;
            // Each finished release frees one thing.
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
