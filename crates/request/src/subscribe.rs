//! The seam between the transport, which carries subscriptions to clients, and whoever executes them.
//!
//! The transport reads and checks the document, knows who asks, and frames what comes: as messages of a
//! WebSocket or as server-sent events. What comes is ready bytes, so that whoever executes may serialise
//! a result once and give it to all who listen with the same document.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use graphql::Prepared;

use crate::answer::{Budget, hold};
use crate::error::RequestError;
use crate::quota::Share;
use crate::viewer::Caller;

/// Starts subscriptions.
pub trait Subscribe: Send + Sync + 'static {
    /// What a listener gets, from now on or from where it left off. It is polled only while the
    /// client takes what was sent before: whoever produces faster than that keeps no more for it than
    /// a bounded buffer, and ends with [`End::Lagged`] when that is full. Dropping it ends the
    /// subscription.
    fn subscribe(&self, subscription: Subscription) -> Payloads;
}

/// A stream that ends because there is nothing more, or with a reason, after which it is dropped.
pub type Payloads = BoxStream<'static, Result<SubscriptionResult, End>>;

/// A subscription that is within the limits and whose variables fit their types.
#[derive(Debug)]
pub struct Subscription {
    /// The operation.
    pub prepared: Prepared,
    /// Who listens.
    pub caller: Caller,
    /// What its results may take.
    pub budget: Arc<Budget>,
    /// The last event that the client has seen, if it says so outside of the document: `EventSource`
    /// does, in `Last-Event-ID`, when it reconnects. It repeats its URL then, so this is newer than
    /// what the document or its variables name, and counts before them.
    pub resume_from: Option<ResumeFrom>,
}

/// Bytes of a [`SubscriptionResult::event_id`] at most.
pub const EVENT_ID_BYTES_MAX: usize = 8 << 10;

/// The [`SubscriptionResult::event_id`] after which a listener wants to go on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResumeFrom(pub Arc<str>);

/// One result. Cloning shares its bytes.
#[derive(Clone, Debug)]
pub struct SubscriptionResult {
    /// What a client gives back to go on after this result: the `id` of a server-sent event. Without
    /// line breaks and NUL.
    pub event_id: Option<Arc<str>>,
    /// The execution result, a JSON object on one line: `{"data":{...}}`, without the frame around it.
    pub json: Bytes,
}

impl SubscriptionResult {
    /// The same, with the share of memory that its bytes keep until the last of them is dropped.
    #[must_use]
    pub fn holding(self, share: Option<Share>) -> Self {
        Self { json: hold(self.json, share), ..self }
    }
}

/// Why no more comes, other than that there is no more.
#[derive(Debug)]
pub enum End {
    /// It cannot be executed: what is wrong with it. The listener is told, and keeps its connection.
    Refused(Vec<RequestError>),
    /// The client takes too slowly what it is sent, so that something would be lost. Its connection is
    /// closed in a way that makes it come back and resume.
    Lagged,
    /// The server stops, or cannot go on at the moment. As above.
    Stopping,
}
