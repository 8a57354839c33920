//! What orchestrators ask: is the process alive, can it serve.

use axum::extract::State;
use axum::http::StatusCode;

use super::Shutdown;
use crate::db::Db;

#[derive(Clone)]
pub(super) struct Ready {
    pub db: Db,
    pub shutdown: Shutdown,
}

/// The process answers.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// The database answers, its schema is current, and the server is not stopping.
pub(super) async fn ready(State(ready): State<Ready>) -> (StatusCode, String) {
    let refuse = |reason: &str| (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n"));
    if ready.shutdown.has_begun() {
        return refuse("the server is stopping");
    }
    if let Err(error) = ready.db.ping().await {
        tracing::warn!(%error, "not ready: the database does not answer");
        return refuse("the database does not answer");
    }
    for connection in [&ready.db.write, &ready.db.read] {
        match migration::compare(connection).await {
            Ok(migration::SchemaState::Current) => {}
            Ok(state) => return refuse(&state.to_string()),
            Err(error) => {
                tracing::warn!(%error, "not ready: the schema cannot be read");
                return refuse("the schema cannot be read");
            }
        }
    }
    (StatusCode::OK, "ok\n".to_owned())
}
