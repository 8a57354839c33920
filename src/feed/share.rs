//! Subscriptions to the feed: a listener is caught up with what it missed, and joins those who listen
//! with the same document.

use std::sync::Arc;

use async_graphql::Executor;
use async_graphql::futures_util::stream::{self, StreamExt};

use super::cursor::Cursor;
use super::document::Document;
use super::event::{Position, Stop};
use super::execution::{Execution, read_cursor};
use super::follower::Follower;
use super::group::{Groups, Listener, Member, Reason};
use super::hub::Hub;
use crate::error::ApiResult;
use crate::http::{End, Payload, Payloads, Subscribe, Subscription};
use crate::{metrics, telemetry};

/// Executes subscriptions so that listeners that are alike share the work.
pub struct Shared<E>(Arc<Inner<E>>);

struct Inner<E> {
    executor: E,
    hub: Arc<Hub>,
    groups: Arc<Groups>,
    personal: &'static [&'static str],
}

impl<E: Executor> Shared<E> {
    /// Subscriptions by `executor`'s schema to the feed of `hub`. What a field named in `personal` gives
    /// depends on who asks, so that documents with one are not shared between users.
    pub fn new(executor: E, hub: Arc<Hub>, personal: &'static [&'static str]) -> Self {
        Self(Arc::new(Inner { executor, hub, groups: Arc::new(Groups::new()), personal }))
    }
}

impl<E: Executor> Subscribe for Shared<E> {
    fn subscribe(&self, subscription: Subscription) -> Payloads {
        let inner = Arc::clone(&self.0);
        // What is committed from here on comes, however long the start takes.
        let (epoch, mark) = inner.hub.position();
        let now = Cursor { epoch: (*epoch).to_owned(), mark };
        let payloads = async move {
            match inner.start(subscription, now).await {
                Ok(listening) => stream::unfold(Some(listening), Listening::step).boxed(),
                Err(end) => stream::iter([Err(end)]).boxed(),
            }
        };
        // Boxed, so that nothing of the start is kept for as long as somebody listens.
        stream::once(Box::pin(payloads)).flatten().boxed()
    }
}

impl<E: Executor> Inner<E> {
    async fn start(self: Arc<Self>, subscription: Subscription, now: Cursor) -> Result<Listening<E>, End> {
        let Subscription { request, resume_from } = subscription;
        let document = Document::read(request, self.personal).map_err(|error| End::Refused(vec![error]))?;
        // An `EventSource` repeats its URL when it comes back, so what it has seen since is newer.
        let cursor = match (&resume_from, &document.after) {
            (Some(seen), _) => given(read_cursor("Last-Event-ID", &seen.0))?,
            (None, Some(after)) => given(read_cursor("after", after))?,
            (None, None) => now,
        };
        let member = self.enter(&document).await?;
        let follower = Follower::resume(Arc::clone(&self.hub), member.topic(), &cursor).map_err(ended)?;
        let back = Back { inner: self, document, follower, execution: None, member: Some(member), joined: None };
        Ok(Listening { state: State::Back(Box::new(back)), _counted: Counted::new() })
    }

    /// A place in the group of those who listen with the same document.
    async fn enter(&self, document: &Document) -> Result<Member, End> {
        if let Some(member) = self.groups.enter(&document.key, document.client) {
            return Ok(member);
        }
        // Only an execution shows whether the document is valid, and what it is about.
        let (execution, topic) = self.execute(document).await?;
        let follow = || Follower::begin(Arc::clone(&self.hub), topic);
        Ok(self.groups.found(document, topic, follow, execution))
    }

    async fn execute(&self, document: &Document) -> Result<(Execution, super::event::Topic), End> {
        Execution::start(&self.executor, document.request()).await.map_err(End::Refused)
    }
}

fn given(cursor: ApiResult<Cursor>) -> Result<Cursor, End> {
    cursor.map_err(|error| End::Refused(vec![error.into_server_error()]))
}

fn ended(stop: Stop) -> End {
    Reason::Stop(stop).into()
}

/// A listener: first on its own, then with its group.
struct Listening<E> {
    state: State<E>,
    _counted: Counted,
}

enum State<E> {
    Back(Box<Back<E>>),
    Live(Listener),
}

impl<E: Executor> Listening<E> {
    /// The next result and the listener behind it.
    async fn step(listening: Option<Self>) -> Option<(Result<Payload, End>, Option<Self>)> {
        let Self { mut state, _counted } = listening?;
        let payload = loop {
            match state {
                State::Live(ref mut listener) => break listener.next().await,
                State::Back(mut back) => {
                    // A client that does not read holds nothing that others wait for.
                    let next = telemetry::apart(async move { (back.next().await, back) });
                    match Box::pin(next).await {
                        (Ok(Next::Missed(payload)), back) => {
                            state = State::Back(back);
                            break Ok(payload);
                        }
                        (Ok(Next::Live(listener)), _) => state = State::Live(listener),
                        (Err(end), _) => return Some((Err(end), None)),
                    }
                }
            }
        };
        let listening = payload.is_ok().then_some(Self { state, _counted });
        Some((payload, listening))
    }
}

/// Somebody who comes back, and is given what it missed by an execution of its own.
struct Back<E> {
    inner: Arc<Inner<E>>,
    document: Document,
    follower: Follower,
    execution: Option<Execution>,
    /// Until it listens to the group.
    member: Option<Member>,
    /// It listens already, and what the group has done up to here has still to be given.
    joined: Option<(Listener, Position)>,
}

enum Next {
    Missed(Payload),
    Live(Listener),
}

impl<E: Executor> Back<E> {
    async fn next(&mut self) -> Result<Next, End> {
        loop {
            let missed = self.follower.missed().await.map_err(ended)?;
            if let Some((_, done)) = &self.joined
                && missed.is_none_or(|event| event.mark.position > *done)
                && let Some((listener, _)) = self.joined.take()
            {
                return Ok(Next::Live(listener));
            }
            let Some(event) = missed else {
                let Some(member) = self.member.take() else { return Err(End::Stopping) };
                self.joined = Some(member.listen(self.follower.covered()));
                continue;
            };
            if self.execution.is_none() {
                self.execution = Some(self.inner.execute(&self.document).await?.0);
            }
            let Some(execution) = &mut self.execution else { continue };
            let (turns, client) = (self.inner.groups.turns(), self.document.client);
            let budget = execution.budget();
            let room = |bytes| budget.as_ref().map_or(Ok(None), |budget| budget.take(client, bytes));
            return execution.run(event, self.follower.epoch(), turns, client, room).await.map(Next::Missed);
        }
    }
}

/// A listener counts as long as this lives.
struct Counted;

impl Counted {
    fn new() -> Self {
        metrics::feed().listeners.inc();
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::feed().listeners.dec();
    }
}
