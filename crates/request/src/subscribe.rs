//! The interface between the transport, which carries subscriptions to clients, and their executor.
//!
//! The transport reads and checks the document, knows the caller, and frames the results as messages of a WebSocket or
//! as server-sent events. Results are bytes, so that the executor can serialise a result once for all listeners with
//! the same document.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use graphql::PreparedOperation;

use crate::budget::{Budget, hold};
use crate::error::RequestError;
use crate::quota::Share;
use crate::viewer::Caller;

/// Starts subscriptions.
pub trait Subscribe: Send + Sync + 'static {
    /// The results for a listener, from now on or from where it left off. The stream is polled only while the client
    /// reads what was sent before. An executor that produces faster keeps no more for the listener than a bounded
    /// buffer, and ends with [`End::Lagged`] when that is full. Dropping the stream ends the subscription.
    fn subscribe(&self, subscription: Subscription) -> Payloads;
}

/// The results. The stream ends when the subscription is complete, or with a reason, after which it is dropped.
pub type Payloads = BoxStream<'static, Result<SubscriptionResult, End>>;

/// A subscription that is within the limits and whose variables fit their types.
#[derive(Debug)]
pub struct Subscription {
    /// The operation.
    pub prepared: PreparedOperation,
    /// The listener.
    pub caller: Caller,
    /// The size limit of its results.
    pub budget: Arc<Budget>,
    /// The last event that the client has seen, if the client sends it outside of the document: `EventSource` sends
    /// `Last-Event-ID` when it reconnects. It repeats its URL then, so this is newer than the cursor in the document or
    /// its variables, and overrides it.
    pub resume_from: Option<ResumeFrom>,
}

/// The maximum size of a [`SubscriptionResult::event_id`] in bytes.
pub const EVENT_ID_BYTES_MAX: usize = 8 << 10;

/// The [`SubscriptionResult::event_id`] after which a listener resumes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResumeFrom(pub Arc<str>);

/// One result. Cloning shares its bytes.
#[derive(Clone, Debug)]
pub struct SubscriptionResult {
    /// What a client sends back to resume after this result: the `id` of a server-sent event. Without line breaks and
    /// NUL.
    pub event_id: Option<Arc<str>>,
    /// The execution result, a JSON object on one line: `{"data":{...}}`, without a frame.
    pub json: Bytes,
}

impl SubscriptionResult {
    /// The same, with the share of memory for its bytes, which is released with the last copy.
    #[must_use]
    pub fn holding(self, share: Option<Share>) -> Self {
        Self { json: hold(self.json, share), ..self }
    }
}

/// Why the results end, other than because the subscription is complete.
#[derive(Debug)]
pub enum End {
    /// The subscription cannot be executed, because of these errors. The listener gets them and keeps its connection.
    Refused(Vec<RequestError>),
    /// The client reads too slowly, so that results would be lost. Its connection is closed in a way that makes it
    /// reconnect and resume.
    Lagged,
    /// The server stops, or cannot continue now. The client reconnects as above.
    Stopping,
}
