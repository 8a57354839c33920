//! What orchestrators ask: is the process alive, can it serve.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use migration::SchemaState;

use crate::db::Db;

/// What the answers depend on. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Health {
    pub(super) db: Db,
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

/// The process answers.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// The server is to go on, both pools answer, changes can be written, and the schema has all that this program needs,
/// with triggers that fire. A newer schema is no reason to refuse: while a new version is rolled out, the old one goes
/// on serving.
pub(super) async fn ready(State(health): State<Health>) -> (StatusCode, String) {
    let refuse = |reason: &str| (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n"));
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
        Ok(SchemaState::Ahead(_)) => return (StatusCode::OK, "ok\n".to_owned()),
        Ok(SchemaState::Current) => {}
        Ok(state) => return refuse(&state.to_string()),
        Err(error) => {
            tracing::warn!("not ready: the schema cannot be read: {error}");
            return refuse("the schema cannot be read");
        }
    }
    match migration::silent_triggers(&health.db.write).await {
        Ok(silent) if silent.is_empty() => (StatusCode::OK, "ok\n".to_owned()),
        Ok(silent) => refuse(&format!("triggers do not fire: {}", silent.join(", "))),
        Err(error) => {
            tracing::warn!("not ready: the triggers cannot be read: {error}");
            refuse("the schema cannot be read")
        }
    }
}
