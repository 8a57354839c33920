//! A hint that something was committed.

use std::sync::Arc;

use tokio::sync::Notify;

/// Tells one waiter that there is something new. Calls before it looks again are one.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Hints that something was committed. Costs next to nothing.
    pub fn call(&self) {
        self.0.notify_one();
    }

    /// Waits for a call; one that came before counts.
    pub async fn called(&self) {
        self.0.notified().await;
    }
}
