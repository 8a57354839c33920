//! Whether the server can serve, and what it has counted, as [`http`](crate::http) tells orchestrators.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use migration::SchemaState;

use crate::db::Db;
use crate::http::Status;
use crate::metrics::{self, Pool};

/// What the answers depend on. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Health {
    db: Db,
    stopping: Arc<AtomicBool>,
}

impl Health {
    /// The health of a server that uses this database.
    pub fn new(db: Db) -> Self {
        Self { db, stopping: Arc::default() }
    }

    /// From now on the server is not ready.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }
}

impl Status for Health {
    fn ready(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(ready(self))
    }

    fn metrics(&self) -> Result<String, fmt::Error> {
        let pools = self.db.pools().into_iter();
        metrics::render(pools.map(|(name, used)| Pool { name, max: used.max, open: used.open, in_use: used.in_use }))
    }
}

/// The server is to go on, both pools answer, changes can be written, and the schema has all that this program needs,
/// with triggers that fire. A newer schema is no reason to refuse: while a new version is rolled out, the old one goes
/// on serving.
async fn ready(health: &Health) -> Result<(), String> {
    let refuse = |reason: &str| Err(reason.to_owned());
    if health.stopping.load(Ordering::Relaxed) {
        return refuse("the server is shutting down");
    }
    if let Err(error) = health.db.write.ping().await {
        tracing::warn!("not ready: the database does not answer: {error}");
        return refuse("the database does not answer");
    }
    if let Some(reason) = health.db.writes.trouble() {
        return refuse(&format!("the database cannot be written: {reason}"));
    }
    match migration::compare(&health.db.read).await {
        // Its triggers are others.
        Ok(SchemaState::Newer(_) | SchemaState::Ahead(_)) => return Ok(()),
        Ok(SchemaState::Current) => {}
        Ok(state) => return refuse(&state.to_string()),
        Err(error) => {
            tracing::warn!("not ready: the schema cannot be read: {error}");
            return refuse("the schema cannot be read");
        }
    }
    // Where the schema was read: a replica may have another one at this moment.
    match migration::silent_triggers(&health.db.read).await {
        Ok(silent) if silent.is_empty() => Ok(()),
        Ok(silent) => refuse(&format!("triggers do not fire: {}", silent.join(", "))),
        Err(error) => {
            tracing::warn!("not ready: the triggers cannot be read: {error}");
            refuse("the schema cannot be read")
        }
    }
}
