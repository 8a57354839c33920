//! The seam between the transport, which carries subscriptions to clients, and whoever executes them.
//!
//! The transport reads and checks the document, knows who asks, and frames what comes: as messages of a
//! WebSocket or as server-sent events. What comes is ready bytes, so that whoever executes may serialise
//! a result once and give it to all who listen with the same document.

use std::fmt;
use std::sync::Arc;

use async_graphql::futures_util::stream::{BoxStream, StreamExt};
use async_graphql::{Executor, Request, Response, ServerError};
use axum::body::Bytes;

use super::respond;
use crate::answer::Budget;
use crate::quota::Share;

/// Starts subscriptions.
pub trait Subscribe: Send + Sync + 'static {
    /// What a listener gets, from now on or from where it left off. It is polled only while the
    /// client takes what was sent before: whoever produces faster than that keeps no more for it than
    /// a bounded buffer, and ends with [`End::Lagged`] when that is full. Dropping it ends the
    /// subscription.
    fn subscribe(&self, subscription: Subscription) -> Payloads;
}

/// A stream that ends because there is nothing more, or with a reason, after which it is dropped.
pub type Payloads = BoxStream<'static, Result<Payload, End>>;

/// A subscription that is within the limits and whose variables fit their types.
#[derive(Debug)]
pub struct Subscription {
    /// The document, parsed, with its text, its variables and the operation's name. Its data holds
    /// what the transport knows of the caller, and [`ResumeFrom`] if that is given.
    pub request: Request,
    /// The last event that the client has seen, if it says so outside of the document: `EventSource`
    /// does, in `Last-Event-ID`, when it reconnects. It repeats its URL then, so this is newer than
    /// what the document or its variables name, and counts before them.
    pub resume_from: Option<ResumeFrom>,
}

/// The [`Payload::event_id`] after which a listener wants to go on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResumeFrom(pub Arc<str>);

/// One result. Cloning shares its bytes.
#[derive(Clone, Debug)]
pub struct Payload {
    /// What a client gives back to go on after this result: the `id` of a server-sent event. Without
    /// line breaks and NUL.
    pub event_id: Option<Arc<str>>,
    /// The execution result, a JSON object on one line: `{"data":{...}}`, without the frame around it.
    pub json: Bytes,
}

impl Payload {
    /// The result of executing a subscription's document for one event. One that is larger than `budget` allows is an
    /// error that says so.
    ///
    /// # Errors
    /// Nothing was executed: `End::Refused`.
    pub fn new(outcome: Response, event_id: Option<Arc<str>>, budget: Option<&Budget>) -> Result<Self, End> {
        respond::payload(outcome, budget).map(|json| Self { event_id, json }).map_err(End::Refused)
    }

    /// The same, with the share of memory that its bytes keep until the last of them is dropped.
    #[must_use]
    pub fn holding(self, share: Option<Share>) -> Self {
        Self { json: respond::hold(self.json, share), ..self }
    }
}

/// Why no more comes, other than that there is no more.
#[derive(Debug)]
pub enum End {
    /// It cannot be executed: what is wrong with it. The listener is told, and keeps its connection.
    Refused(Vec<ServerError>),
    /// The client takes too slowly what it is sent, so that something would be lost. Its connection is
    /// closed in a way that makes it come back and resume.
    Lagged,
    /// The server stops, or cannot go on at the moment. As above.
    Stopping,
}

/// Subscriptions by an executor's streams: each listener's events are executed for it alone.
pub struct Direct<E>(pub E);

impl<E> fmt::Debug for Direct<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Direct")
    }
}

impl<E: Executor> Subscribe for Direct<E> {
    fn subscribe(&self, subscription: Subscription) -> Payloads {
        let outcomes = self.0.execute_stream(subscription.request, None);
        outcomes.map(|outcome| Payload::new(outcome, None, None)).boxed()
    }
}
