//! Subscriptions to the feed: a listener catches up with what it missed, then joins the group with the same
//! operation.

mod catch_up;

use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use request::error::ApiError;
use request::executor::Executor;
use request::subscribe::{End, Payloads, Subscribe, Subscription, SubscriptionResult};
use telemetry::metrics;

use self::catch_up::CatchUp;
use super::cursor::FeedCursor;
use super::follower::Follower;
use super::group::{Groups, Listener};
use super::hub::Hub;
use super::operation::{ListenerOperation, ReadRootField};

/// Executes subscriptions so that listeners with the same operation share the work.
pub struct SharedExecutor(Arc<Inner>);

struct Inner {
    executor: Executor,
    hub: Arc<Hub>,
    read: ReadRootField,
    groups: Arc<Groups>,
}

impl SharedExecutor {
    /// Subscriptions to the feed of `hub`, executed by `executor`. `read` reads root fields.
    pub fn new(executor: Executor, hub: Arc<Hub>, read: ReadRootField) -> Self {
        Self(Arc::new(Inner { executor, hub, read, groups: Arc::new(Groups::new()) }))
    }
}

impl Subscribe for SharedExecutor {
    fn subscribe(&self, subscription: Subscription) -> Payloads {
        let inner = Arc::clone(&self.0);
        // Events from here on are not missed, however long the start takes.
        let (epoch, mark) = inner.hub.position();
        let now = FeedCursor { epoch: (*epoch).to_owned(), mark, seen: None };
        let payloads = async move {
            match inner.start(subscription, now) {
                Ok(listening) => stream::unfold(Some(listening), SharedListener::step).boxed(),
                Err(end) => stream::iter([Err(end)]).boxed(),
            }
        };
        // Boxed, so that the state of the start is dropped before listening.
        stream::once(Box::pin(payloads)).flatten().boxed()
    }
}

impl Inner {
    fn start(&self, mut subscription: Subscription, now: FeedCursor) -> Result<SharedListener, End> {
        let seen = subscription.resume_from.take();
        let operation = ListenerOperation::read(subscription, &self.executor.engine, self.read)?;
        // An `EventSource` repeats its URL when it reconnects, so its last event id is newer.
        let cursor = match (&seen, &operation.root.after) {
            (Some(seen), _) => read_cursor("Last-Event-ID", &seen.0)?,
            (None, Some(after)) => read_cursor("after", after)?,
            (None, None) => now,
        };
        let topic = operation.root.topic;
        let found = || {
            let executions = [(); 2].map(|()| operation.execution(&self.executor, &self.hub));
            (Follower::begin(Arc::clone(&self.hub), topic), executions)
        };
        let member = self.groups.enter(&operation, found);
        let follower = Follower::resume(Arc::clone(&self.hub), topic, &cursor)?;
        let catch_up = CatchUp::new((&self.groups, &self.hub), operation.client, follower, member);
        Ok(SharedListener { state: ListenerState::CatchUp(Box::new(catch_up)), _counted: ListenerGuard::new() })
    }
}

/// Parses a cursor from the client's `field`.
fn read_cursor(field: &str, text: &str) -> Result<FeedCursor, End> {
    let message = "is not a cursor of the comment feed; pass one from a subscription or `commentCursor`";
    FeedCursor::parse(text).ok_or_else(|| End::Refused(vec![ApiError::bad_input(field, message).into()]))
}

/// A listener, first on its own, then in its group.
struct SharedListener {
    state: ListenerState,
    _counted: ListenerGuard,
}

enum ListenerState {
    CatchUp(Box<CatchUp>),
    Live(Listener),
}

impl SharedListener {
    /// The next result, and the listener after it.
    async fn step(listening: Option<Self>) -> Option<(Result<SubscriptionResult, End>, Option<Self>)> {
        let Self { mut state, _counted } = listening?;
        let payload = loop {
            match state {
                ListenerState::Live(ref mut listener) => break listener.next().await,
                ListenerState::CatchUp(mut catch_up) => {
                    if let Some(payload) = catch_up.results.pop_front() {
                        state = ListenerState::CatchUp(catch_up);
                        break Ok(payload);
                    }
                    // A client that does not read must not block others.
                    let next = telemetry::apart(async move { (catch_up.next().await, catch_up) });
                    match Box::pin(next).await {
                        (Ok(None), catch_up) => state = ListenerState::CatchUp(catch_up),
                        (Ok(Some(listener)), _) => state = ListenerState::Live(listener),
                        (Err(end), _) => return Some((Err(end), None)),
                    }
                }
            }
        };
        let listening = payload.is_ok().then_some(Self { state, _counted });
        Some((payload, listening))
    }
}

/// Counts a listener while it exists.
struct ListenerGuard;

impl ListenerGuard {
    fn new() -> Self {
        metrics::feed().listeners.inc();
        Self
    }
}

impl Drop for ListenerGuard {
    fn drop(&mut self) {
        metrics::feed().listeners.dec();
    }
}

#[cfg(test)]
mod tests;
