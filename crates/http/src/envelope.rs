//! What every request gets: an id, one log line, and a response even after a panic.

use std::any::Any;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT_ENCODING, CONNECTION, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::uri::Authority;
use axum::http::{HeaderName, HeaderValue, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use request::error::RequestError;
use serde_json::json;
use telemetry::metrics;
use telemetry::{self, RequestContext};
use uuid::Uuid;

use super::accept::ResponseFormat;
use super::caller::Callers;
use super::refusal::Refusal;
use super::serve::{self, ConnectionHandle};
use super::{respond, unread};

/// The request's id, in requests and responses.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The trace of the request, by the W3C recommendation "Trace Context".
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Gives the request an id, or keeps a valid one from a proxy, and logs one line when all its work is done.
pub(super) async fn observe(State(callers): State<Callers>, request: Request, next: Next) -> Response {
    let context = identify(&request);
    // This is the only place that sets it.
    let _ = context.client.set(callers.address(request.headers(), request.extensions()));
    let link = request.extensions().get::<ConnectionHandle>().cloned();
    let keep_alive = link.as_ref().and_then(|link| link.keep_alive(&request));
    let (request, reading) = unread::watch(request);
    let mut response = Arc::clone(&context).scope(next.run(request)).await;
    let status = response.status();
    context.set_status(status.as_u16());
    let headers = response.headers_mut();
    for (name, value) in SAFE_HEADERS {
        headers.entry(name).or_insert(value);
    }
    if let Ok(value) = HeaderValue::from_str(&context.id) {
        headers.insert(REQUEST_ID, value);
    }
    if reading.is_complete() {
        serve::set_keep_alive(keep_alive, status, headers);
    } else {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if let Some(link) = link {
            link.leave_unread();
        }
    }
    response
}

/// Refuses a request whose `Host` is missing, duplicate or invalid, as every server must (RFC 9112, section 3.2).
pub(super) async fn require_host(request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(HOST).iter();
    let is_valid = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.is_empty() || Authority::try_from(host.as_bytes()).is_ok_and(|host| is_host(&host)),
        (None, _) => request.version() < Version::HTTP_11,
        (Some(_), Some(_)) => false,
    };
    if is_valid {
        return next.run(request).await;
    }
    let refusal = Refusal::malformed("the request must have one Host header, with a host and an optional port");
    refusal.count();
    respond::refuse(refusal, ResponseFormat::Json)
}

/// Whether it is a host with an optional port.
fn is_host(host: &Authority) -> bool {
    let name_and_port = host.as_str().rsplit(']').next().unwrap_or_default();
    let has_odd_port =
        name_and_port.split_once(':').is_some_and(|(_, port)| !port.is_empty()) && host.port_u16().is_none();
    !host.as_str().contains('@') && !has_odd_port
}

/// Allows an uncompressed response even if the client accepts no encoding that we offer.
///
/// RFC 9110 (section 12.5.3) permits that. The compressor would return a 406, after a mutation is already done.
pub(super) fn allow_identity<B>(mut request: axum::http::Request<B>) -> axum::http::Request<B> {
    let given: Vec<_> = request.headers().get_all(ACCEPT_ENCODING).iter().cloned().collect();
    let excludes = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.to_ascii_lowercase().contains("q=0"));
    if given.iter().any(excludes) {
        // The first weight of an encoding takes precedence.
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity;q=0.001"));
        for value in given {
            request.headers_mut().append(ACCEPT_ENCODING, value);
        }
    }
    request
}

/// For browsers that display a response: it must be treated as data, whatever it looks like, and never in a frame. The
/// IDE's pages have their own policy.
const SAFE_HEADERS: [(HeaderName, HeaderValue); 4] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("x-frame-options"), HeaderValue::from_static("DENY")),
    (
        HeaderName::from_static("content-security-policy"),
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
];

fn identify(request: &Request) -> Arc<RequestContext> {
    let header = |name: &HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let id =
        header(&REQUEST_ID).filter(|id| is_sane(id)).map_or_else(|| Uuid::new_v4().simple().to_string(), str::to_owned);
    let trace = header(&TRACEPARENT).and_then(read_trace_id).map(str::to_owned);
    RequestContext::new(id, trace, format!("{} {}", request.method(), request.uri().path()))
}

/// The trace id of `00-<trace id>-<parent id>-<flags>`. Later versions may append fields.
fn read_trace_id(traceparent: &str) -> Option<&str> {
    let mut fields = traceparent.split('-');
    let mut field = |length: usize| {
        fields.next().filter(|field| {
            field.len() == length && field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    let (version, trace, parent, _flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
    let is_zero = |field: &str| field.bytes().all(|byte| byte == b'0');
    let complete = match version {
        "00" => fields.next().is_none(),
        "ff" => false,
        _ => true,
    };
    (complete && !is_zero(trace) && !is_zero(parent)).then_some(trace)
}

/// Short, and without special characters, so that it is safe in logs and headers.
fn is_sane(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// The response after a panic in a handler.
pub(super) fn respond_to_panic(panic: Box<dyn Any + Send>) -> Response {
    let error = report_panic(&*panic);
    (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "errors": [error] }))).into_response()
}

/// The error for the client after a panic. The panic's text is logged, never sent.
pub(super) fn report_panic(panic: &(dyn Any + Send)) -> RequestError {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no text");
    tracing::error!(request_id = telemetry::request_id(), "a handler panicked: {text}");
    metrics::count_error("INTERNAL");
    let error = RequestError::new("INTERNAL", "internal error; the server's log has the details");
    match telemetry::request_id() {
        Some(id) => error.with("requestId", id),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::read_trace_id;

    #[test]
    fn traces_are_read() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        for read in [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert_eq!(read_trace_id(read), Some(trace));
        }
        for wrong in [
            "",
            "00",
            trace,
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473\u{e9}-00f067aa0ba902b7-01",
        ] {
            assert_eq!(read_trace_id(wrong), None, "{wrong}");
        }
    }
}
