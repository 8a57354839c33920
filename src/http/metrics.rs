//! Counts requests, and answers `/metrics`.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::db::Db;
use crate::metrics::{self, InFlight};
use crate::telemetry::CLIENT_GONE;

/// Counts a request while it is in flight, and its answer.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    // Clients choose paths: only ours are named.
    let path = ["/graphql", "/livez", "/readyz", "/metrics"].into_iter().find(|path| *path == request.uri().path());
    let mut counted = InFlight::begin(path.unwrap_or("other"), CLIENT_GONE);
    let response = next.run(request).await;
    counted.status = response.status().as_u16();
    response
}

/// The counts as text.
pub(super) async fn show(State(db): State<Db>) -> Response {
    match metrics::render(&db) {
        Ok(text) => ([(CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!("the metrics cannot be written: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
