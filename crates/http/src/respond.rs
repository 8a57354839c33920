//! Responses in the format of the GraphQL-over-HTTP specification.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, VARY};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use request::error::RequestError;
use request::executor::Outcome;
use request::position::Position;
use telemetry::metrics;

use super::accept::ResponseFormat;
use super::caller::AFTER;
use super::refusal::Refusal;

/// The result of a single operation or a batch.
pub(super) struct ExecutionResult {
    pub(super) json: Bytes,
    /// The number of seconds until a retry, if it contains nothing but an `UNAVAILABLE` error.
    pub(super) retry_after_s: Option<u64>,
    pub(super) consistency: Consistency,
}

/// Which changes a response has seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Consistency {
    /// The position for the next query.
    pub(super) after: Option<Position>,
    /// Whether the caller's latest changes may be missing.
    pub(super) is_stale: bool,
}

impl Consistency {
    /// Adds one of several operations.
    pub(super) fn add(&mut self, outcome: &Outcome) {
        self.after = self.after.max(outcome.after);
        self.is_stale |= outcome.is_stale;
    }
}

/// Marks a response that may lack the caller's latest changes.
pub(super) const STALE: HeaderName = HeaderName::from_static("x-kinoteka-stale");

/// Adds headers about the changes that a response has seen.
pub(super) fn add_consistency(mut response: Response, consistency: Consistency) -> Response {
    let headers = response.headers_mut();
    if let Some(after) = consistency.after.and_then(|after| HeaderValue::try_from(after.to_string()).ok()) {
        headers.insert(AFTER, after);
    }
    if consistency.is_stale {
        headers.insert(STALE, HeaderValue::from_static("1"));
    }
    response
}

/// The response with a result.
pub(super) fn respond(done: ExecutionResult, format: ResponseFormat) -> Response {
    add_consistency(set_retry_after(write(done.json, StatusCode::OK, format), done.retry_after_s), done.consistency)
}

/// Adds the header with the number of seconds until a retry, if any.
pub(super) fn set_retry_after(mut response: Response, retry_after_s: Option<u64>) -> Response {
    if let Some(after_s) = retry_after_s {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(RETRY_AFTER, after_s.into());
    }
    response
}

/// The results of a batch, written one after another.
pub(super) struct BatchWriter {
    json: Vec<u8>,
    /// Whether at least one operation was executed.
    is_done: bool,
    retry_after_s: Option<u64>,
    consistency: Consistency,
}

impl BatchWriter {
    pub(super) fn new() -> Self {
        Self { json: b"[".to_vec(), is_done: false, retry_after_s: None, consistency: Consistency::default() }
    }

    /// Adds a result, and the number of seconds until a retry if it is unavailable.
    pub(super) fn add(&mut self, json: &[u8], retry_after_s: Option<u64>) {
        self.is_done |= retry_after_s.is_none();
        self.retry_after_s = self.retry_after_s.max(retry_after_s);
        if self.json.len() > 1 {
            self.json.push(b',');
        }
        self.json.extend_from_slice(json);
    }

    /// The changes that the batch has seen.
    pub(super) fn consistency(&mut self) -> &mut Consistency {
        &mut self.consistency
    }

    pub(super) fn finish(mut self) -> ExecutionResult {
        self.json.push(b']');
        ExecutionResult {
            json: self.json.into(),
            retry_after_s: self.retry_after_s.filter(|_| !self.is_done),
            consistency: self.consistency,
        }
    }
}

/// The response to a request that was not executed.
pub(super) fn refuse(refusal: Refusal, format: ResponseFormat) -> Response {
    let Refusal { status, headers, errors, .. } = refusal;
    let status = status.unwrap_or(match format {
        ResponseFormat::GraphqlResponse => StatusCode::BAD_REQUEST,
        ResponseFormat::Json => StatusCode::OK,
    });
    let mut response = write(self::errors(&errors), status, format);
    response.headers_mut().extend(headers);
    response
}

/// Errors as a result on one line, without data.
pub(super) fn errors(errors: &[RequestError]) -> Bytes {
    #[derive(serde::Serialize)]
    struct ErrorResponse<'a> {
        errors: &'a [RequestError],
    }
    serde_json::to_vec(&ErrorResponse { errors }).map_or_else(|error| unwritable(&error), Bytes::from)
}

/// The replacement for errors that cannot be JSON, which cannot happen: they contain only strings and numbers.
fn unwritable(error: &serde_json::Error) -> Bytes {
    metrics::count_error("INTERNAL");
    tracing::error!(request_id = telemetry::request_id(), "the errors cannot be written as JSON: {error}");
    Bytes::from_static(br#"{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL"}}]}"#)
}

fn write(json: Bytes, status: StatusCode, format: ResponseFormat) -> Response {
    let mut response = Response::new(Body::new(Pieces::from(json)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    response
}

/// Bytes that are sent piece by piece, as the client reads them.
#[derive(Default)]
pub(super) struct Pieces {
    first: Bytes,
    /// Empty for most responses.
    rest: VecDeque<Bytes>,
}

/// The maximum size of a piece.
pub(super) const PIECE_BYTES: usize = 64 << 10;

impl From<Bytes> for Pieces {
    fn from(bytes: Bytes) -> Self {
        Self { first: bytes, rest: VecDeque::new() }
    }
}

impl Pieces {
    /// Appends bytes.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if self.first.is_empty() {
            self.first = bytes;
        } else if !bytes.is_empty() {
            self.rest.push_back(bytes);
        }
    }

    /// Takes the next piece.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        if self.first.len() > PIECE_BYTES {
            return Some(self.first.split_to(PIECE_BYTES));
        }
        let next = self.rest.pop_front().unwrap_or_default();
        Some(std::mem::replace(&mut self.first, next)).filter(|piece| !piece.is_empty())
    }

    /// The number of remaining bytes.
    pub(super) fn len(&self) -> usize {
        self.first.len() + self.rest.iter().map(Bytes::len).sum::<usize>()
    }
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.take().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len() as u64)
    }
}
