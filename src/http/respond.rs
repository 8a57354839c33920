//! Answers in the form that the GraphQL-over-HTTP specification gives them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::OperationType;
use async_graphql::{PathSegment, Response as Outcome, ServerError, Value};
use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use serde::Serialize;

use super::accept::Answer;
use super::refusal::Refusal;
use crate::answer::{Budget, Spent};
use crate::error::{ApiError, LIMIT_ANSWER_BYTES};
use crate::metrics;
use crate::quota::Share;

/// One outcome as it goes out: without `data` unless something was executed.
#[derive(Serialize)]
struct Entry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    extensions: &'a std::collections::BTreeMap<String, Value>,
}

impl<'a> Entry<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        let Outcome { data, errors, extensions, .. } = outcome;
        Self { data: was_executed(outcome).then_some(data), errors, extensions }
    }
}

/// Whether resolvers ran: an error from one has a path, an error in the request has none.
fn was_executed(outcome: &Outcome) -> bool {
    outcome.data != Value::Null || outcome.errors.iter().all(|error| !error.path.is_empty())
}

/// An outcome as JSON, which keeps its share of the memory for answers until the last of it is sent.
pub(super) struct Written {
    pub(super) json: Bytes,
    executed: bool,
    pub(super) errors: Vec<ServerError>,
    headers: HeaderMap,
}

impl Written {
    /// Writes an outcome, as far as its budget goes.
    ///
    /// # Errors
    /// It is larger than that, and nothing is lost if it is asked for again.
    pub(super) fn new(outcome: Outcome, budget: &Budget, kind: OperationType) -> Result<Self, Refusal> {
        let again = kind == OperationType::Query;
        if let Some(spent) = budget.spent().filter(|_| again) {
            return Err(Refusal::spent(spent));
        }
        let (outcome, json) = match write_within(&Entry::of(&outcome), budget.max(), budget.made()) {
            Err(spent) if again => return Err(Refusal::spent(spent)),
            Err(spent) => {
                let outcome = leave_out(outcome, spent);
                let json = serialise(&Entry::of(&outcome));
                (outcome, json)
            }
            Ok(json) => (outcome, json),
        };
        let executed = was_executed(&outcome);
        let Outcome { errors, http_headers: headers, .. } = outcome;
        Ok(Self { json: keep(json, budget), executed, errors, headers })
    }

    /// Whether resolvers ran.
    pub(super) fn was_executed(&self) -> bool {
        self.executed
    }
}

fn keep(json: Vec<u8>, budget: &Budget) -> Bytes {
    let share = budget.keep(json.len());
    hold(json.into(), share)
}

/// Bytes with their share, which is given back with the last of them.
pub(super) fn hold(json: Bytes, share: Option<Share>) -> Bytes {
    struct Held(Bytes, #[expect(dead_code, reason = "it is held")] Share);
    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    match share {
        Some(share) => Bytes::from_owner(Held(json, share)),
        None => json,
    }
}

/// A mutation is done, whatever its answer takes: each of its fields says so in place of its data.
fn leave_out(outcome: Outcome, spent: Spent) -> Outcome {
    let mut left = Outcome::new(Value::Null);
    if let Value::Object(fields) = outcome.data {
        for key in fields.keys() {
            let mut error = ApiError::from(spent).into_server_error();
            error.path = vec![PathSegment::Field(key.to_string())];
            left.errors.push(error);
        }
        left.data = Value::Object(fields.into_keys().map(|key| (key, Value::Null)).collect::<IndexMap<_, _>>());
    }
    left
}

/// The answer to a single operation.
pub(super) fn respond(written: Written, answer: Answer) -> Response {
    let status = match answer {
        Answer::GraphqlResponse if !written.executed => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    let mut response = write(written.json, status, answer);
    response.headers_mut().extend(written.headers);
    response
}

/// The answer to a batch: each operation has its own outcome, all together status 200.
pub(super) fn respond_batch(json: Bytes, answer: Answer) -> Response {
    write(json, StatusCode::OK, answer)
}

/// Outcomes of a batch, written one after the other.
pub(super) struct BatchWriter {
    json: Vec<u8>,
}

impl BatchWriter {
    pub(super) fn new() -> Self {
        Self { json: b"[".to_vec() }
    }

    /// Adds the outcome of an operation, or what stands for it if there is no room for more.
    pub(super) fn add(&mut self, outcome: Outcome, budget: &Budget, kind: Option<OperationType>) {
        if self.json.len() > 1 {
            self.json.push(b',');
        }
        let again = kind == Some(OperationType::Query);
        let room = budget.max().saturating_sub(self.json.len() as u64);
        let written = match budget.spent().filter(|_| again) {
            Some(spent) => Err(spent),
            // Refusals are small.
            None if kind.is_none() => Ok(serialise(&Entry::of(&outcome))),
            None => write_within(&Entry::of(&outcome), room, 0).map_err(|_| Spent::Large(budget.max())),
        };
        let json = written.unwrap_or_else(|spent| {
            let refusal = Refusal::spent(spent);
            refusal.count();
            let left = if again { Outcome::from_errors(vec![*refusal.error]) } else { leave_out(outcome, spent) };
            serialise(&Entry::of(&left))
        });
        self.json.extend_from_slice(&json);
    }

    pub(super) fn finish(mut self, budget: &Budget) -> Bytes {
        self.json.push(b']');
        keep(self.json, budget)
    }
}

/// A subscription's outcome as an object on one line. One that is larger than its budget has null as its data, and
/// says so.
///
/// # Errors
/// Nothing was executed, for these reasons.
pub(super) fn payload(outcome: Outcome, budget: Option<&Budget>) -> Result<Bytes, Vec<ServerError>> {
    if !was_executed(&outcome) {
        return Err(outcome.errors);
    }
    let Some(budget) = budget else { return Ok(serialise(&Entry::of(&outcome)).into()) };
    let written = write_within(&Entry::of(&outcome), budget.max(), budget.made());
    let json = written.unwrap_or_else(|spent| {
        let mut left = leave_out(outcome, spent);
        // Its root field is not nullable.
        left.data = Value::Null;
        serialise(&Entry::of(&left))
    });
    Ok(json.into())
}

/// The answer to a request that was not executed.
pub(super) fn refuse(refusal: Refusal, answer: Answer) -> Response {
    let Refusal { status, headers, error, .. } = refusal;
    let status = status.unwrap_or(match answer {
        Answer::GraphqlResponse => StatusCode::BAD_REQUEST,
        Answer::Json => StatusCode::OK,
    });
    let mut response = write(errors(&[*error]), status, answer);
    response.headers_mut().extend(headers);
    response
}

/// Errors as an outcome on one line, without data.
pub(super) fn errors(errors: &[ServerError]) -> Bytes {
    serialise(&Entry { data: None, errors, extensions: &std::collections::BTreeMap::new() }).into()
}

/// What stands for an outcome that is no JSON.
const UNWRITABLE: &[u8] = br#"{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL"}}]}"#;

fn serialise(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_else(|error| unwritable(&error))
}

fn unwritable(error: &serde_json::Error) -> Vec<u8> {
    metrics::count_error("INTERNAL");
    // A scalar of ours that is no JSON, such as an infinite number.
    tracing::error!(request_id = crate::telemetry::request_id(), "the answer is no JSON: {error}");
    UNWRITABLE.to_vec()
}

/// Writes at most `max` bytes, of which about `expected` are known already.
fn write_within(body: &impl Serialize, max: u64, expected: u64) -> Result<Vec<u8>, Spent> {
    let expected = usize::try_from(expected + expected / 8).unwrap_or_default().max(128);
    let mut bounded = Bounded { bytes: Vec::with_capacity(expected), max };
    match serde_json::to_writer(&mut bounded, body) {
        Ok(()) => Ok(bounded.bytes),
        Err(error) if error.is_io() => {
            metrics::count_limit(LIMIT_ANSWER_BYTES);
            Err(Spent::Large(max))
        }
        Err(error) => Ok(unwritable(&error)),
    }
}

struct Bounded {
    bytes: Vec<u8>,
    max: u64,
}

impl Write for Bounded {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.write_all(piece).map(|()| piece.len())
    }

    /// Without the loop around `write`.
    #[inline]
    fn write_all(&mut self, piece: &[u8]) -> io::Result<()> {
        if (self.bytes.len() + piece.len()) as u64 > self.max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(json: Bytes, status: StatusCode, answer: Answer) -> Response {
    let mut response = Response::new(Body::new(Pieces::from(json)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    response
}

/// Bytes that are given on piece by piece, as the client takes them.
#[derive(Default)]
pub(super) struct Pieces {
    first: Bytes,
    /// Most answers have none.
    rest: VecDeque<Bytes>,
}

/// Bytes that are given on at once.
pub(super) const PIECE_BYTES: usize = 64 << 10;

impl From<Bytes> for Pieces {
    fn from(bytes: Bytes) -> Self {
        Self { first: bytes, rest: VecDeque::new() }
    }
}

impl Pieces {
    /// Puts bytes behind those that are there.
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

    /// Bytes that are left.
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
