//! A signal that something was committed.

use std::sync::Arc;

use tokio::sync::Notify;

/// Wakes one waiter. Calls before it looks again are merged.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Signals that something was committed. It is very cheap.
    pub fn call(&self) {
        self.0.notify_one();
    }

    /// Waits for a call. An earlier call that was not seen counts.
    pub async fn called(&self) {
        self.0.notified().await;
    }
}
