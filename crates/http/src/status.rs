//! What orchestrators and operators ask: is the process alive, can it serve, what has it counted.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use telemetry::metrics::MEDIA_TYPE;

/// Knows the state of the server.
pub trait Status: Send + Sync {
    /// Whether the server is to be sent requests.
    ///
    /// # Errors
    /// Why not, on one line.
    fn ready(&self) -> BoxFuture<'_, Result<(), String>>;

    /// All counts as OpenMetrics text.
    ///
    /// # Errors
    /// The text cannot be written.
    fn metrics(&self) -> Result<String, fmt::Error>;
}

/// The process answers.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

pub(super) async fn ready(State(status): State<Arc<dyn Status>>) -> (StatusCode, String) {
    match status.ready().await {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

pub(super) async fn metrics(State(status): State<Arc<dyn Status>>) -> Response {
    match status.metrics() {
        Ok(text) => ([(CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!("the metrics cannot be written: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
