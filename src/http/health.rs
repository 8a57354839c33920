//! What orchestrators ask: is the process alive, can it serve.

use axum::extract::State;
use axum::http::StatusCode;
use migration::SchemaState;

use crate::db::Db;

/// The process answers.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// Both pools answer, and the schema has all that this program needs. A newer schema is no
/// reason to refuse: while a new version is rolled out, the old one goes on serving.
pub(super) async fn ready(State(db): State<Db>) -> (StatusCode, String) {
    let refuse = |reason: &str| (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n"));
    if let Err(error) = db.write.ping().await {
        tracing::warn!("not ready: the database does not answer: {error}");
        return refuse("the database does not answer");
    }
    match migration::compare(&db.read).await {
        Ok(SchemaState::Current | SchemaState::Ahead(_)) => (StatusCode::OK, "ok\n".to_owned()),
        Ok(state) => refuse(&state.to_string()),
        Err(error) => {
            tracing::warn!("not ready: the schema cannot be read: {error}");
            refuse("the schema cannot be read")
        }
    }
}
