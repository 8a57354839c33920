//! Counts requests.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use telemetry::CLIENT_GONE;
use telemetry::metrics::InFlight;

/// Counts a request while it is in flight, and its response.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    // Clients choose paths: only known ones are counted by name.
    let path = ["/graphql", "/livez", "/readyz", "/metrics"].into_iter().find(|path| *path == request.uri().path());
    let mut counted = InFlight::begin(path.unwrap_or("other"), CLIENT_GONE);
    let response = next.run(request).await;
    counted.status = response.status().as_u16();
    response
}
