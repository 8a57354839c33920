//! An operation whose results are a stream, over a WebSocket or server-sent events.

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
use super::respond::ExecutionResult;

/// An operation to begin, its caller, and how to run it.
pub(super) struct OperationRequest {
    pub(super) operation: OperationParams,
    pub(super) caller: Caller,
    /// The token with which the caller signs in.
    pub(super) token: Option<Arc<str>>,
    /// Whether mutations are rejected.
    pub(super) safe: bool,
    /// Whether the caller reads streams.
    pub(super) streams: bool,
    /// Whether it waits for a slot if the server is busy. Clients of a socket treat a refusal as the end, and all of
    /// them reconnect at the same moment after another server has stopped.
    pub(super) waits: bool,
    pub(super) resume_from: Option<ResumeFrom>,
    /// Its share of the operations' memory, if it has one already.
    pub(super) kept: Option<Share>,
}

/// An operation that has begun.
pub(super) enum StartedOperation {
    /// A finished query or mutation, with its result.
    One(ExecutionResult),
    /// An active subscription.
    Many(ActiveSubscription),
}

/// An active subscription.
pub(super) struct ActiveSubscription {
    pub(super) payloads: Payloads,
    /// The listener.
    pub(super) viewer: Option<Viewer>,
    /// Its shares of the resources for all clients.
    pub(super) shares: [Share; 3],
}

/// The events of an operation, in order.
pub(super) enum OperationEvent {
    /// It is a subscription, and results will follow.
    Listening,
    Next(SubscriptionResult),
    /// The last event: it was not executed.
    Refused(Vec<RequestError>),
    /// The last event: it is complete.
    Complete,
    /// The last event: the server has no capacity for it, or its token cannot be checked now. The client may retry.
    Unavailable(String),
    /// The last event: its client is too slow.
    Lagged,
    /// The last event: the server stops.
    Stopping,
    /// The last event: its token is invalid or no longer valid.
    SignedOut,
}

/// An operation in progress.
pub(super) struct RunningOperation(OperationState);

/// What a subscription holds while it is active.
struct SubscriptionGuard {
    _counted: ListeningGuard,
    _shares: [Share; 3],
}

enum OperationState {
    Beginning(BoxFuture<'static, Result<StartedOperation, Refusal>>),
    Listening { payloads: Payloads, _held: SubscriptionGuard },
    Last(OperationEvent),
    Over,
}

impl RunningOperation {
    pub(super) fn begin(beginning: BoxFuture<'static, Result<StartedOperation, Refusal>>) -> Self {
        Self(OperationState::Beginning(beginning))
    }

    pub(super) fn listen(payloads: Payloads, shares: [Share; 3]) -> Self {
        Self(OperationState::Listening {
            payloads,
            _held: SubscriptionGuard { _counted: ListeningGuard::begin(), _shares: shares },
        })
    }

    /// Returns the last event.
    fn end(&mut self, last: OperationEvent) -> OperationEvent {
        self.0 = OperationState::Over;
        last
    }

    fn begun(&mut self, begun: Result<StartedOperation, Refusal>) -> OperationEvent {
        match begun {
            Ok(StartedOperation::One(ExecutionResult { json, .. })) => {
                self.0 = OperationState::Last(OperationEvent::Complete);
                OperationEvent::Next(SubscriptionResult { event_id: None, json })
            }
            Ok(StartedOperation::Many(ActiveSubscription { payloads, shares, .. })) => {
                *self = Self::listen(payloads, shares);
                OperationEvent::Listening
            }
            Err(refusal) => {
                refusal.count();
                self.end(match refusal.status {
                    Some(StatusCode::UNAUTHORIZED) => OperationEvent::SignedOut,
                    // The connection's other operations are within the limits.
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

    /// A panic ends only this operation, not the others on its connection.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<OperationEvent>> {
        catch_unwind(AssertUnwindSafe(|| self.poll(cx))).unwrap_or_else(|panic| {
            let error = envelope::report_panic(&*panic);
            Poll::Ready(Some(self.end(OperationEvent::Refused(vec![error]))))
        })
    }
}
