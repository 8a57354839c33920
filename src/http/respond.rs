//! Answers in the form that the GraphQL-over-HTTP specification gives them.

use async_graphql::{Response as Outcome, ServerError, Value};
use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;

use super::accept::Answer;
use super::refusal::Refusal;
use crate::metrics;

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

/// The answer to a single operation.
pub(super) fn respond(outcome: Outcome, answer: Answer) -> Response {
    let status = match answer {
        Answer::GraphqlResponse if !was_executed(&outcome) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    let mut response = write(&Entry::of(&outcome), status, answer);
    response.headers_mut().extend(outcome.http_headers);
    response
}

/// The answer to a batch: each operation has its own outcome, all together status 200.
pub(super) fn respond_batch(outcomes: &[Outcome], answer: Answer) -> Response {
    let entries: Vec<_> = outcomes.iter().map(Entry::of).collect();
    write(&entries, StatusCode::OK, answer)
}

/// An outcome as an object on one line; none if nothing was executed.
pub(super) fn payload(outcome: &Outcome) -> Option<Bytes> {
    was_executed(outcome).then(|| serialise(&Entry::of(outcome)).unwrap_or(Bytes::from_static(UNWRITABLE)))
}

/// The answer to a request that was not executed.
pub(super) fn refuse(refusal: Refusal, answer: Answer) -> Response {
    let Refusal { status, headers, error, .. } = refusal;
    let mut response = respond(Outcome::from_errors(vec![*error]), answer);
    if let Some(status) = status {
        *response.status_mut() = status;
    }
    response.headers_mut().extend(headers);
    response
}

/// Errors as an outcome on one line, without data.
pub(super) fn errors(errors: &[ServerError]) -> Bytes {
    let entry = Entry { data: None, errors, extensions: &std::collections::BTreeMap::new() };
    serialise(&entry).unwrap_or(Bytes::from_static(UNWRITABLE))
}

/// What stands for an outcome that is no JSON.
const UNWRITABLE: &[u8] = br#"{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL"}}]}"#;

fn serialise(body: &impl Serialize) -> Option<Bytes> {
    let written = serde_json::to_vec(body).map(Bytes::from).inspect_err(|error| {
        metrics::count_error("INTERNAL");
        // A scalar of ours that is no JSON, such as an infinite number.
        tracing::error!(request_id = crate::telemetry::request_id(), "the answer is no JSON: {error}");
    });
    written.ok()
}

fn write(body: &impl Serialize, status: StatusCode, answer: Answer) -> Response {
    let (status, body) = match serialise(body) {
        Some(body) => (status, body),
        None => (StatusCode::INTERNAL_SERVER_ERROR, Bytes::from_static(UNWRITABLE)),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    response
}
