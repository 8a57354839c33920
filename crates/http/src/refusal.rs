//! Why a request is not executed: the status, the code, the message, and the location.

use axum::http::header::{ALLOW, CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use request::budget::BudgetError;
use request::error::{ApiError, LIMIT_ANSWER_BYTES, OUTCOME, OUTCOME_UNKNOWN, RequestError, UNAVAILABLE};
use request::quota::Exhausted;
use serde_json::Value as Json;
use telemetry::metrics;

use super::engine_refusal::request_errors;

/// A request that gets errors and is not executed.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The status. `None` if it depends on the media type, as for all errors of the GraphQL document and its variables.
    pub(super) status: Option<StatusCode>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// At least one.
    pub(super) errors: Vec<RequestError>,
    /// Whether there was no memory for its response. The budget counts that.
    pub(super) is_spent: bool,
}

const BAD_USER_INPUT: &str = "BAD_USER_INPUT";

impl Refusal {
    fn new(status: Option<StatusCode>, code: &'static str, message: impl Into<String>) -> Self {
        Self::of(status, vec![RequestError::new(code, message)])
    }

    pub(super) fn of(status: Option<StatusCode>, errors: Vec<RequestError>) -> Self {
        Self { status, headers: Vec::new(), errors, is_spent: false }
    }

    /// Counts the refusal and its errors.
    pub(super) fn count(&self) {
        for error in &self.errors {
            metrics::count_error(error.code());
            if let Some(limit) = error.extensions.get("limit").and_then(Json::as_str).filter(|_| !self.is_spent) {
                metrics::count_limit(limit);
            }
        }
        // A missing database is not a lack of capacity.
        let lacks_room = self.errors.iter().any(|error| error.extensions.contains_key("limit"));
        if self.status == Some(StatusCode::SERVICE_UNAVAILABLE) && lacks_room {
            metrics::count_refused();
        }
    }

    /// The number of seconds until a retry, if something is unavailable.
    pub(super) fn retry_after_s(&self) -> Option<u64> {
        self.errors.iter().filter(|error| error.code() == UNAVAILABLE).find_map(RequestError::retry_after_s)
    }

    /// The message of the first error.
    pub(super) fn message(&self) -> &str {
        self.errors.first().map_or("", |error| &error.message)
    }

    /// A refusal by the engine.
    pub(super) fn engine(refusal: &graphql::EngineRefusal) -> Self {
        Self::of(None, request_errors(refusal))
    }

    /// An error that the executor would have returned, found earlier.
    pub(super) fn api(error: &ApiError) -> Self {
        let published = RequestError::from(error.clone());
        let status = match published.code() {
            "UNAUTHENTICATED" => StatusCode::UNAUTHORIZED,
            "FORBIDDEN" => StatusCode::FORBIDDEN,
            "RATE_LIMITED" => StatusCode::TOO_MANY_REQUESTS,
            UNAVAILABLE => StatusCode::SERVICE_UNAVAILABLE,
            "TIMEOUT" => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let refusal = Self::of(Some(status), vec![published]).set_retry_after();
        match error {
            ApiError::UnknownToken => refusal.header(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\""),
            ApiError::Unauthenticated => refusal.header(WWW_AUTHENTICATE, "Bearer"),
            _ => refusal,
        }
    }

    /// Sets the header to the error's number of seconds until a retry.
    fn set_retry_after(mut self) -> Self {
        if let Some(after_s) = self.errors.iter().find_map(RequestError::retry_after_s) {
            self.headers.push((RETRY_AFTER, after_s.into()));
        }
        self
    }

    fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    fn extension(self, name: &str, value: impl Into<Json> + Clone) -> Self {
        let errors = self.errors.into_iter().map(|error| error.with(name, value.clone())).collect();
        Self { errors, ..self }
    }

    /// The request is not a valid GraphQL request.
    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(Some(StatusCode::BAD_REQUEST), BAD_USER_INPUT, message)
    }

    /// A parameter is invalid.
    pub(super) fn parameter(name: &str, message: &str) -> Self {
        Self::malformed(format!("{name}: {message}")).extension("field", name)
    }

    /// A value of an operation is valid JSON, but cannot be used.
    pub(super) fn value(place: &str, message: &str) -> Self {
        Self::new(None, BAD_USER_INPUT, format!("{place}: {message}")).extension("field", place)
    }

    /// A parameter is JSON, but contains an invalid string or number, or a duplicate member.
    pub(super) fn unreadable(name: &str, error: &serde_json::Error) -> Self {
        let what = if error.is_data() { "a member twice" } else { "a number out of range or a lone surrogate" };
        Self::value(name, &format!("has {what} at line {} column {}", error.line(), error.column()))
    }

    pub(super) fn media_type(reason: &str) -> Self {
        let message = format!("{reason}; send Content-Type: application/json");
        Self::new(Some(StatusCode::UNSUPPORTED_MEDIA_TYPE), BAD_USER_INPUT, message)
    }

    pub(super) fn not_acceptable() -> Self {
        let message = "Accept lists no supported media type; \
            use application/json, application/graphql-response+json or text/event-stream";
        Self::new(Some(StatusCode::NOT_ACCEPTABLE), BAD_USER_INPUT, message)
    }

    /// A subscription from a client that does not declare that it reads streams.
    pub(super) fn is_stream() -> Self {
        Self::malformed("a subscription returns a stream; send Accept: text/event-stream, or use a WebSocket")
    }

    /// A page of another site requests a WebSocket. Browsers do not restrict that.
    pub(super) fn origin() -> Self {
        let message = "this origin is not allowed; add it to the server's --cors-origins";
        Self::new(Some(StatusCode::FORBIDDEN), "FORBIDDEN", message)
    }

    /// The server was assembled without [`serve`](super::serve()).
    pub(super) fn no_link() -> Self {
        tracing::error!("a connection without its link: serve the router with http::serve");
        Self::new(Some(StatusCode::INTERNAL_SERVER_ERROR), "INTERNAL", "internal error")
    }

    /// A shared limit is reached: 429 if it is one client's part, 503 if it is the whole.
    pub(super) fn exhausted(exhausted: Exhausted) -> Self {
        let status = if exhausted.by_client { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::SERVICE_UNAVAILABLE };
        Self::of(Some(status), vec![ApiError::Exhausted(exhausted).into()]).set_retry_after()
    }

    pub(super) fn socket_operations(operations: u64) -> Self {
        let message =
            format!("the limit is reached: {operations} operations are running on this WebSocket; complete one first");
        Self::new(None, "RATE_LIMITED", message).limit("limit-socket-operations", operations)
    }

    pub(super) fn method() -> Self {
        let message = "only GET and POST are allowed";
        Self::new(Some(StatusCode::METHOD_NOT_ALLOWED), BAD_USER_INPUT, message).header(ALLOW, "GET, HEAD, POST")
    }

    /// Another site can make a browser send a GET with its user's rights.
    pub(super) fn unsafe_by_get(kind: &str) -> Self {
        let message = format!("a {kind} cannot be sent by GET; use POST");
        Self::new(Some(StatusCode::METHOD_NOT_ALLOWED), BAD_USER_INPUT, message).header(ALLOW, "POST")
    }

    pub(super) fn slow_body(milliseconds: u64) -> Self {
        let message = format!("the body did not arrive within {milliseconds} ms");
        Self::new(Some(StatusCode::REQUEST_TIMEOUT), "TIMEOUT", message)
            .header(CONNECTION, "close")
            .limit("body-timeout-ms", milliseconds)
    }

    /// The request took too long. `outcome` is that of its mutations, if it has any.
    pub(super) fn timeout(milliseconds: u64, outcome: Option<&'static str>) -> Self {
        let message = format!("the request was stopped after {milliseconds} ms; request less data");
        let refusal = Self::new(Some(StatusCode::GATEWAY_TIMEOUT), "TIMEOUT", message);
        let refusal = refusal.limit("request-timeout-ms", milliseconds);
        if outcome == Some(OUTCOME_UNKNOWN) {
            metrics::cluster().mutations_unknown.inc();
        }
        match outcome {
            Some(outcome) => refusal.extension(OUTCOME, outcome),
            None => refusal,
        }
    }

    pub(super) fn body_too_large(bytes: u64) -> Self {
        let message = format!("the request exceeds the limit of {bytes} bytes");
        Self::new(Some(StatusCode::PAYLOAD_TOO_LARGE), BAD_USER_INPUT, message).limit("limit-body-bytes", bytes)
    }

    pub(super) fn batch(message: impl Into<String>, operations: u64) -> Self {
        Self::malformed(message).limit("limit-batch", operations)
    }

    /// The response is too large, or clients occupy too much memory.
    pub(super) fn spent(spent: BudgetError) -> Self {
        let refusal = match spent {
            BudgetError::Large(max) => {
                let (code, message) = ApiError::TooLarge { max }.publish();
                Self::new(None, code, message).limit(LIMIT_ANSWER_BYTES, max)
            }
            BudgetError::Exhausted(exhausted) => Self::exhausted(exhausted),
        };
        Self { is_spent: true, ..refusal }
    }

    /// An input exceeds a limit.
    pub(super) fn large_input(limit: &'static str, field: &str, what: &str, max: u64) -> Self {
        Self::value(field, &format!("has more than {max} {what}")).limit(limit, max)
    }

    /// Adds the limit's flag and value.
    pub(super) fn limit(self, name: &'static str, max: u64) -> Self {
        self.extension("limit", name).extension("max", max)
    }
}
