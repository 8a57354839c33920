//! Endpoints for orchestrators and operators: liveness, readiness and metrics.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use telemetry::metrics::MEDIA_TYPE;

/// The requests that should be sent to a server. Its text is one line: the state and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// All.
    Full,
    /// Only queries, signed in or not. Another instance may run mutations, or this one later.
    ReadOnly(String),
    /// None, although queries would succeed.
    Stuck(String),
    /// None.
    Down(String),
}

impl Readiness {
    fn state(&self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::ReadOnly(_) | Self::Stuck(_) => "read-only",
            Self::Down(_) => "down",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Full | Self::ReadOnly(_) => StatusCode::OK,
            Self::Stuck(_) | Self::Down(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        match self {
            Self::Full => f.write_str(state),
            Self::ReadOnly(reason) | Self::Stuck(reason) | Self::Down(reason) => write!(f, "{state}: {reason}"),
        }
    }
}

/// Reports the server's state.
pub trait Status: Send + Sync {
    /// Which requests should be sent to the server. Returns immediately.
    fn ready(&self) -> Readiness;

    /// All metrics as OpenMetrics text.
    ///
    /// # Errors
    /// The text cannot be written.
    fn metrics(&self) -> Result<String, fmt::Error>;
}

/// The process answers.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// The state without its reason, for load balancers that do not read the body.
const STATE: HeaderName = HeaderName::from_static("x-kinoteka-state");

pub(super) async fn ready(State(status): State<Arc<dyn Status>>) -> Response {
    let readiness = status.ready();
    let headers =
        [(STATE, HeaderValue::from_static(readiness.state())), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (readiness.status(), headers, format!("{readiness}\n")).into_response()
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
