//! What every request gets: an id, one log line, an answer even after a panic.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use uuid::Uuid;

use crate::telemetry::{self, RequestContext};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request an id, or keeps a sane one that a proxy gave it, and logs one line when
/// it is answered.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .filter(|id| is_sane(id))
        .map_or_else(|| Uuid::new_v4().simple().to_string(), str::to_owned);
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let context = RequestContext::new(id);
    let mut line = LogLine { started, method, path, context: Arc::clone(&context), status: CLIENT_GONE };
    let mut response = Arc::clone(&context).scope(next.run(request)).await;
    line.status = response.status().as_u16();
    if let Ok(value) = HeaderValue::from_str(&context.id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// The status logged for a client that left before it was answered, as nginx does.
pub(super) const CLIENT_GONE: u16 = 499;

/// Logs the request when it is dropped: answered or abandoned.
struct LogLine {
    started: Instant,
    method: Method,
    path: String,
    context: Arc<RequestContext>,
    status: u16,
}

impl Drop for LogLine {
    fn drop(&mut self) {
        let duration_us = self.started.elapsed().as_micros();
        tracing::info!(
            request_id = self.context.id,
            operation = self.context.operation.get().map_or("-", String::as_str),
            status = self.status,
            duration_ms = duration_us as f64 / 1e3,
            statements = self.context.statements(),
            "{} {}",
            self.method,
            self.path
        );
    }
}

/// Short and plain, so that it can be copied into logs and headers.
fn is_sane(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// The answer after a panic in a handler: the text of the panic is logged, never sent.
pub(super) fn answer_panic(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no text");
    tracing::error!(request_id = telemetry::request_id(), "a handler panicked: {text}");
    let error = json!({
        "message": "internal error; the server's log has the details",
        "extensions": { "code": "INTERNAL", "requestId": telemetry::request_id() },
    });
    (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "errors": [error] }))).into_response()
}
