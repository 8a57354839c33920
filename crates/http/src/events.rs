//! Results as server-sent events, by the protocol of `graphql-sse` in its "distinct connections" mode: one request, and
//! one stream of its results.

use std::convert::Infallible;
use std::mem;
use std::sync::Arc;
use std::task::Poll;

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::poll;
use futures_util::stream::{self, Stream, StreamExt};
use request::budget::UNSHARED;
use request::error::RequestError;
use request::quota::Share;
use request::subscribe::{EVENT_ID_BYTES_MAX, Payloads, ResumeFrom, SubscriptionResult};
use request::viewer::Viewer;
use telemetry::metrics::{self, OpenSocket};
use telemetry::{self, RequestContext, StreamSummary};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::caller::{self, LAST_EVENT_ID, LOOK_UP_AGAIN};
use super::graphql::Endpoint;
use super::operation::{OperationEvent, RunningOperation};
use super::refusal::Refusal;
use super::respond::{self, ExecutionResult, PIECE_BYTES, Pieces};
use super::serve::ConnectionHandle;

/// The maximum number of results in one write.
const RESULTS_PER_CHUNK: usize = 64;

/// The last event id of an interrupted event stream that resumes.
///
/// # Errors
/// It is not a valid event id. A stream that started now instead would miss earlier events.
pub(super) fn read_last_id(headers: &HeaderMap) -> Result<Option<ResumeFrom>, Refusal> {
    let Some(id) = headers.get(LAST_EVENT_ID).filter(|id| !id.is_empty()) else { return Ok(None) };
    let id = id.to_str().ok().filter(|id| id.len() <= EVENT_ID_BYTES_MAX);
    let id = id.ok_or_else(|| Refusal::parameter("Last-Event-ID", "is not an event id; send back an id unchanged"))?;
    Ok(Some(ResumeFrom(id.into())))
}

/// The only result of a query or a mutation, and the end.
pub(super) fn respond_once(done: ExecutionResult) -> Response {
    let ExecutionResult { json, retry_after_s, consistency } = done;
    let response = finished(&SubscriptionResult { event_id: None, json });
    respond::add_consistency(respond::set_retry_after(response, retry_after_s), consistency)
}

/// The errors of a document, in a form that an `EventSource` can read.
pub(super) fn refuse(errors: &[RequestError]) -> Response {
    finished(&refused(errors))
}

fn finished(payload: &SubscriptionResult) -> Response {
    let mut text = StreamBuffer::default();
    text.write_next(payload);
    text.write(COMPLETE);
    respond(Body::new(text.finish()))
}

fn refused(errors: &[RequestError]) -> SubscriptionResult {
    let json = respond::errors(errors);
    SubscriptionResult { event_id: None, json }
}

/// A subscription's results, as they arrive.
pub(super) fn listen(
    endpoint: Arc<Endpoint>,
    (payloads, shares): (Payloads, [Share; 3]),
    session: Option<(Arc<str>, Viewer)>,
    slot: Share,
    link: &ConnectionHandle,
) -> Response {
    let (now, session_check) = (Instant::now(), endpoint.limits.session_check());
    let changes = session.as_ref().map(|(_, viewer)| endpoint.callers.watch(*viewer));
    let listener = EventStream {
        endpoint,
        running: RunningOperation::listen(payloads, shares),
        session,
        changes,
        stopping: link.stopping(),
        open: OpenSocket::begin("events"),
        context: telemetry::current_request(),
        opened: now,
        look_at: now + session_check,
        check_due: false,
        said: now,
        results: 0,
        is_over: false,
        pieces: Pieces::default(),
        _slot: slot,
    };
    respond(Body::from_stream(listener.chunks()))
}

/// The state of an event stream. It is dropped when the stream ends or the client leaves.
struct EventStream {
    endpoint: Arc<Endpoint>,
    running: RunningOperation,
    /// The token and its viewer at the start.
    session: Option<(Arc<str>, Viewer)>,
    /// Notifies when the session may have ended.
    changes: Option<watch::Receiver<()>>,
    stopping: watch::Receiver<()>,
    open: OpenSocket,
    context: Option<Arc<RequestContext>>,
    opened: Instant,
    /// When to look up the session.
    look_at: Instant,
    /// Whether the session may have ended and was not looked up since.
    check_due: bool,
    /// The time of the last write.
    said: Instant,
    results: u64,
    /// Whether `pieces` are the last ones.
    is_over: bool,
    /// What was written and not read by the client.
    pieces: Pieces,
    _slot: Share,
}

impl EventStream {
    fn chunks(self) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
        // A comment: the client immediately sees that it is connected.
        let hello = stream::once(async { Ok(Bytes::from_static(COMMENT)) });
        let rest = stream::unfold(Some(self), |listener| async {
            let mut listener = listener?;
            if let Some(piece) = listener.pieces.take() {
                let over = listener.is_over && listener.pieces.len() == 0;
                return Some((Ok(piece), (!over).then_some(listener)));
            }
            let context = listener.context.clone();
            let chunk = match context {
                Some(context) => context.scope(listener.next()).await,
                None => listener.next().await,
            };
            let (mut pieces, over) = chunk?;
            let first = pieces.take().unwrap_or_default();
            let rest = !over || pieces.len() > 0;
            (listener.pieces, listener.is_over) = (pieces, over);
            Some((Ok(first), rest.then_some(listener)))
        });
        hello.chain(rest)
    }

    /// The next pieces of text, and whether they are the last. `None` after the end.
    async fn next(&mut self) -> Option<(Pieces, bool)> {
        let step = loop {
            let keep_alive = self.said + self.endpoint.limits.keep_alive();
            // The session check comes before results: a session that was not checked in time gets none.
            tokio::select! {
                biased;
                // A client reconnects after a stream that ends without "complete".
                _ = self.stopping.changed() => return self.end("stopping"),
                () = caller::changed(&mut self.changes) => self.check_due = true,
                () = sleep_until(self.look_at), if self.session.is_some() => {}
                step = self.running.next() => break step,
                () = sleep_until(keep_alive) => {
                    self.said = Instant::now();
                    return Some((Bytes::from_static(COMMENT).into(), false));
                }
            }
            if self.is_signed_out().await {
                return self.end("signed out");
            }
        };
        self.said = Instant::now();
        let mut text = StreamBuffer::default();
        let mut step = Some(step?);
        for _ in 0..RESULTS_PER_CHUNK {
            match step {
                Some(OperationEvent::Next(payload)) => {
                    self.results += 1;
                    metrics::count_result();
                    text.write_next(&payload);
                    if text.len() > PIECE_BYTES {
                        break;
                    }
                }
                Some(OperationEvent::Refused(errors)) => {
                    text.write_next(&refused(&errors));
                    return self.complete(text);
                }
                Some(OperationEvent::Complete) => return self.complete(text),
                Some(OperationEvent::Lagged) => return self.break_off(text, "lagged"),
                Some(OperationEvent::Stopping | OperationEvent::Unavailable(_)) => {
                    return self.break_off(text, "stopping");
                }
                Some(OperationEvent::SignedOut) => return self.break_off(text, "signed out"),
                Some(OperationEvent::Listening) | None => {}
            }
            let Poll::Ready(next) = poll!(self.running.next()) else { break };
            step = next;
        }
        Some((text.finish(), false))
    }

    fn complete(&mut self, mut text: StreamBuffer) -> Option<(Pieces, bool)> {
        text.write(COMPLETE);
        self.break_off(text, "complete")
    }

    fn break_off(&mut self, text: StreamBuffer, end: &'static str) -> Option<(Pieces, bool)> {
        self.open.end = end.into();
        Some((text.finish(), true))
    }

    fn end(&mut self, end: &'static str) -> Option<(Pieces, bool)> {
        self.open.end = end.into();
        None
    }

    /// Whether the token is no longer valid, or no longer has the rights with which the stream began.
    async fn is_signed_out(&mut self) -> bool {
        let Some((token, begun)) = &self.session else { return false };
        let limits = &self.endpoint.limits;
        let found = timeout(limits.request_timeout(), self.endpoint.callers.sign_in_uncached(token)).await;
        self.look_at = Instant::now() + limits.session_check();
        match found {
            Ok(Ok(found)) => {
                self.check_due = false;
                found.viewer != *begun
            }
            Ok(Err(refusal)) if refusal.status == Some(StatusCode::UNAUTHORIZED) => true,
            // A session that was valid keeps its stream while it cannot be checked.
            _ => {
                if self.check_due {
                    self.look_at = self.look_at.min(Instant::now() + LOOK_UP_AGAIN);
                }
                false
            }
        }
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        if let Some(context) = &self.context {
            let (end, open) = (self.open.end.to_string(), self.opened.elapsed());
            context.end_stream(StreamSummary { end, operations: 1, results: self.results, open });
        }
    }
}

const COMMENT: &[u8] = b":\n\n";
/// With an empty `data`: `EventSource` would ignore the event without it.
const COMPLETE: &[u8] = b"event: complete\ndata:\n\n";

/// The output of a stream. Small results are collected, large ones are not copied.
#[derive(Default)]
struct StreamBuffer {
    pieces: Pieces,
    last: Vec<u8>,
}

impl StreamBuffer {
    fn write(&mut self, text: &[u8]) {
        self.last.extend_from_slice(text);
    }

    fn write_next(&mut self, payload: &SubscriptionResult) {
        if let Some(id) = &payload.event_id {
            self.write(b"id: ");
            self.write(id.as_bytes());
            self.write(b"\n");
        }
        self.write(b"event: next\ndata: ");
        // Our JSON has no line breaks.
        if payload.json.len() as u64 > UNSHARED {
            self.pieces.push(mem::take(&mut self.last).into());
            self.pieces.push(payload.json.clone());
        } else {
            self.write(&payload.json);
        }
        self.write(b"\n\n");
    }

    fn len(&self) -> usize {
        self.pieces.len() + self.last.len()
    }

    fn finish(mut self) -> Pieces {
        self.pieces.push(self.last.into());
        self.pieces
    }
}

fn respond(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    // Otherwise nginx would buffer the events.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}
