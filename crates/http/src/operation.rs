//! An operation whose results are a stream, whatever carries them: a WebSocket or server-sent events.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::StatusCode;
use futures_util::future::BoxFuture;
use futures_util::stream::Stream;
use request::error::RequestError;
use request::quota::Share;
use request::subscribe::{End, Payloads, ResumeFrom, SubscriptionResult};
use request::viewer::{Caller, Viewer};
use telemetry::metrics::ListeningGuard;

use super::envelope;
use super::params::OperationParams;
use super::refusal::Refusal;
use super::respond::Answer;

/// What is asked, by whom, and in which way.
pub(super) struct Ask {
    pub(super) operation: OperationParams,
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
    One(Answer),
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
pub(super) enum OperationEvent {
    /// It is a subscription, and results will come.
    Listening,
    Next(SubscriptionResult),
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
pub(super) struct RunningOperation(OperationState);

/// What a subscription has as long as it listens.
struct SubscriptionGuard {
    _counted: ListeningGuard,
    _shares: [Share; 3],
}

enum OperationState {
    Beginning(BoxFuture<'static, Result<Begun, Refusal>>),
    Listening { payloads: Payloads, _held: SubscriptionGuard },
    Last(OperationEvent),
    Over,
}

impl RunningOperation {
    pub(super) fn begin(beginning: BoxFuture<'static, Result<Begun, Refusal>>) -> Self {
        Self(OperationState::Beginning(beginning))
    }

    pub(super) fn listen(payloads: Payloads, shares: [Share; 3]) -> Self {
        Self(OperationState::Listening {
            payloads,
            _held: SubscriptionGuard { _counted: ListeningGuard::begin(), _shares: shares },
        })
    }

    /// Says the last thing.
    fn end(&mut self, last: OperationEvent) -> OperationEvent {
        self.0 = OperationState::Over;
        last
    }

    fn begun(&mut self, begun: Result<Begun, Refusal>) -> OperationEvent {
        match begun {
            Ok(Begun::One(Answer { json, .. })) => {
                self.0 = OperationState::Last(OperationEvent::Complete);
                OperationEvent::Next(SubscriptionResult { event_id: None, json })
            }
            Ok(Begun::Many(Listens { payloads, shares, .. })) => {
                *self = Self::listen(payloads, shares);
                OperationEvent::Listening
            }
            Err(refusal) => {
                refusal.count();
                self.end(match refusal.status {
                    Some(StatusCode::UNAUTHORIZED) => OperationEvent::SignedOut,
                    // What else runs on its connection has room.
                    Some(StatusCode::SERVICE_UNAVAILABLE) if !refusal.is_spent => {
                        OperationEvent::Unavailable(refusal.message().to_owned())
                    }
                    _ => OperationEvent::Refused(refusal.errors),
                })
            }
        }
    }

    fn heard(&mut self, item: Option<Result<SubscriptionResult, End>>) -> OperationEvent {
        match item {
            Some(Ok(payload)) => OperationEvent::Next(payload),
            Some(Err(End::Refused(errors))) => self.end(OperationEvent::Refused(errors)),
            Some(Err(End::Lagged)) => self.end(OperationEvent::Lagged),
            Some(Err(End::Stopping)) => self.end(OperationEvent::Stopping),
            None => self.end(OperationEvent::Complete),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<OperationEvent>> {
        match &mut self.0 {
            OperationState::Beginning(beginning) => beginning.as_mut().poll(cx).map(|begun| Some(self.begun(begun))),
            OperationState::Listening { payloads, .. } => {
                payloads.as_mut().poll_next(cx).map(|item| Some(self.heard(item)))
            }
            OperationState::Last(_) => match std::mem::replace(&mut self.0, OperationState::Over) {
                OperationState::Last(last) => Poll::Ready(Some(last)),
                _ => Poll::Ready(None),
            },
            OperationState::Over => Poll::Ready(None),
        }
    }
}

impl Stream for RunningOperation {
    type Item = OperationEvent;

    /// A panic ends the operation, not all that share its connection.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<OperationEvent>> {
        catch_unwind(AssertUnwindSafe(|| self.poll(cx))).unwrap_or_else(|panic| {
            let error = envelope::report_panic(&*panic);
            Poll::Ready(Some(self.end(OperationEvent::Refused(vec![error]))))
        })
    }
}
