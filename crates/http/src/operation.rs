//! An operation whose results are a stream, whatever carries them: a WebSocket or server-sent events.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Bytes;
use axum::http::StatusCode;
use futures_util::future::BoxFuture;
use futures_util::stream::Stream;
use request::error::RequestError;
use request::quota::Share;
use request::subscribe::{End, Payload, Payloads, ResumeFrom};
use request::viewer::{Caller, Viewer};
use telemetry::metrics::Listening;

use super::envelope;
use super::params::Operation;
use super::refusal::Refusal;

/// What is asked, by whom, and in which way.
pub(super) struct Ask {
    pub(super) operation: Operation,
    pub(super) caller: Caller,
    /// By which the caller signs in.
    pub(super) token: Option<Arc<str>>,
    /// Whether nothing may be changed.
    pub(super) safe: bool,
    /// Whether the caller reads streams.
    pub(super) streams: bool,
    /// Whether it waits for its turn where the server is busy: clients of a socket take a refusal for
    /// the end, and all come back at once when another server has stopped.
    pub(super) waits: bool,
    pub(super) resume_from: Option<ResumeFrom>,
    /// Its part of what may be kept, if it has one already.
    pub(super) kept: Option<Share>,
}

/// An operation that was not refused.
pub(super) enum Begun {
    /// A query or a mutation, which is done: its result.
    One(Bytes),
    /// A subscription.
    Many(Listens),
}

/// A subscription that listens.
pub(super) struct Listens {
    pub(super) payloads: Payloads,
    /// By whom.
    pub(super) viewer: Option<Viewer>,
    /// What it has of what clients share.
    pub(super) shares: [Share; 3],
}

/// What happens to an operation, one after the other.
pub(super) enum Step {
    /// It is a subscription, and results will come.
    Listening,
    Next(Payload),
    /// The last one: it was not executed.
    Refused(Vec<RequestError>),
    /// The last one: that was all.
    Complete,
    /// The last one: there is no room for it, or nobody can tell at the moment whose it is. It may be
    /// asked for again.
    Unavailable(String),
    /// The last one: its client is too slow.
    Lagged,
    /// The last one: the server stops.
    Stopping,
    /// The last one: its token is not, or no longer, valid.
    SignedOut,
}

/// An operation that goes on.
pub(super) struct Running(State);

/// What a subscription has as long as it listens.
struct Held {
    _counted: Listening,
    _shares: [Share; 3],
}

enum State {
    Beginning(BoxFuture<'static, Result<Begun, Refusal>>),
    Listening { payloads: Payloads, _held: Held },
    Last(Step),
    Over,
}

impl Running {
    pub(super) fn begin(beginning: BoxFuture<'static, Result<Begun, Refusal>>) -> Self {
        Self(State::Beginning(beginning))
    }

    pub(super) fn listen(payloads: Payloads, shares: [Share; 3]) -> Self {
        Self(State::Listening { payloads, _held: Held { _counted: Listening::begin(), _shares: shares } })
    }

    /// Says the last thing.
    fn end(&mut self, last: Step) -> Step {
        self.0 = State::Over;
        last
    }

    fn begun(&mut self, begun: Result<Begun, Refusal>) -> Step {
        match begun {
            Ok(Begun::One(json)) => {
                self.0 = State::Last(Step::Complete);
                Step::Next(Payload { event_id: None, json })
            }
            Ok(Begun::Many(Listens { payloads, shares, .. })) => {
                *self = Self::listen(payloads, shares);
                Step::Listening
            }
            Err(refusal) => {
                refusal.count();
                self.end(match refusal.status {
                    Some(StatusCode::UNAUTHORIZED) => Step::SignedOut,
                    // What else runs on its connection has room.
                    Some(StatusCode::SERVICE_UNAVAILABLE) if !refusal.is_spent => {
                        Step::Unavailable(refusal.message().to_owned())
                    }
                    _ => Step::Refused(refusal.errors),
                })
            }
        }
    }

    fn heard(&mut self, item: Option<Result<Payload, End>>) -> Step {
        match item {
            Some(Ok(payload)) => Step::Next(payload),
            Some(Err(End::Refused(errors))) => self.end(Step::Refused(errors)),
            Some(Err(End::Lagged)) => self.end(Step::Lagged),
            Some(Err(End::Stopping)) => self.end(Step::Stopping),
            None => self.end(Step::Complete),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        match &mut self.0 {
            State::Beginning(beginning) => beginning.as_mut().poll(cx).map(|begun| Some(self.begun(begun))),
            State::Listening { payloads, .. } => payloads.as_mut().poll_next(cx).map(|item| Some(self.heard(item))),
            State::Last(_) => match std::mem::replace(&mut self.0, State::Over) {
                State::Last(last) => Poll::Ready(Some(last)),
                _ => Poll::Ready(None),
            },
            State::Over => Poll::Ready(None),
        }
    }
}

impl Stream for Running {
    type Item = Step;

    /// A panic ends the operation, not all that share its connection.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        catch_unwind(AssertUnwindSafe(|| self.poll(cx))).unwrap_or_else(|panic| {
            let error = envelope::report_panic(&*panic);
            Poll::Ready(Some(self.end(Step::Refused(vec![error]))))
        })
    }
}
