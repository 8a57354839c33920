//! Follows the feed, from now on or from a cursor, without gaps or repeats.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use request::retry::LogLimiter;
use tokio::time::timeout;

use super::cursor::{CursorScope, FeedCursor};
use super::event::{Event, Position, Stamp, StopReason, Topic};
use super::hub::{History, Hub, Inbox, InboxEnd, ResumePoint};
use super::source::{FeedOrder, HistoryPage, ReadFrom};
use super::tail::{TIMEOUT, TailError};

/// Number of events that are read from the table at once.
const PAGE: usize = 256;

/// The pause before a failed read is repeated.
const RETRY: Duration = Duration::from_millis(500);

/// Reads missed events, then follows. Dropping it ends that.
#[derive(Debug)]
pub struct Follower {
    hub: Arc<Hub>,
    topic: Topic,
    history: History,
    scope: CursorScope,
    /// All events up to here were returned, or are `ready`, or are not of the topic.
    covered: Position,
    /// The stamp of `covered`, while it was not yet found in the table.
    anchor: Option<Stamp>,
    ready: VecDeque<Event>,
    inbox: Option<Arc<Inbox>>,
}

impl Follower {
    /// Follows from now on: events that are committed after this call come.
    pub fn begin(hub: Arc<Hub>, topic: Topic) -> Self {
        let (inbox, history, mark) = hub.follow(topic);
        let scope = CursorScope { epoch: Arc::clone(&history.epoch), seen: None };
        let (covered, anchor, ready) = (mark.position, None, VecDeque::new());
        Self { hub, topic, history, scope, covered, anchor, ready, inbox: Some(inbox) }
    }

    /// Continues after `cursor`. An expired cursor may be detected only when missed events are read.
    ///
    /// # Errors
    /// The cursor is of another epoch, or of an event that never existed.
    pub fn resume(hub: Arc<Hub>, topic: Topic, cursor: &FeedCursor) -> Result<Self, StopReason> {
        let (found, history) = hub.find(cursor)?;
        let anchor = match found {
            ResumePoint::Recent => None,
            ResumePoint::Elsewhere => Some(cursor.mark.stamp),
        };
        let covered = cursor.mark.position;
        let scope = CursorScope { epoch: Arc::clone(&history.epoch), seen: cursor.seen.clone() };
        Ok(Self { hub, topic, history, scope, covered, anchor, ready: VecDeque::new(), inbox: None })
    }

    /// The common parts of the cursors of the events that were returned last.
    pub fn scope(&self) -> &CursorScope {
        &self.scope
    }

    /// The position of a follower that has caught up.
    pub fn covered(&self) -> Position {
        self.covered
    }

    /// The next events, at most `max`, as soon as there are some.
    ///
    /// # Errors
    /// No more events will come.
    pub async fn next(&mut self, max: usize) -> Result<VecDeque<Event>, StopReason> {
        loop {
            let events = self.missed(max).await?;
            if !events.is_empty() {
                return Ok(events);
            }
            if let Some(inbox) = &self.inbox {
                inbox.filled().await;
            }
        }
    }

    /// The next existing events, at most `max`; none if this follower has caught up.
    ///
    /// # Errors
    /// No more events will come.
    pub async fn missed(&mut self, max: usize) -> Result<VecDeque<Event>, StopReason> {
        loop {
            if !self.ready.is_empty() {
                return Ok(self.give(max));
            }
            let Some(inbox) = &self.inbox else {
                self.catch_up().await?;
                continue;
            };
            match inbox.take() {
                Ok(events) if events.is_empty() => return Ok(events),
                Ok(events) => {
                    // Another instance may have issued the cursor, and this one may not have read so far.
                    self.ready.extend(events.into_iter().filter(|event| event.mark.position > self.covered));
                    self.covered = self.ready.back().map_or(self.covered, |event| event.mark.position);
                }
                Err(InboxEnd::Full) => self.leave(),
                Err(InboxEnd::Stop(stop)) => return Err(stop),
            }
        }
    }

    /// The next ready events whose cursors have the same scope.
    fn give(&mut self, max: usize) -> VecDeque<Event> {
        let seen = self.scope.seen.as_ref().map(|seen| seen.tick);
        let is_within = |event: &Event| seen.is_some_and(|last| event.mark.position.tick <= last);
        let first_is_within = self.ready.front().is_some_and(is_within);
        let count = self.ready.iter().take(max).take_while(|event| is_within(event) == first_is_within).count();
        if !first_is_within {
            self.scope.seen = None;
        }
        let rest = self.ready.split_off(count);
        std::mem::replace(&mut self.ready, rest)
    }

    /// Whether no more events can come that were seen in a list.
    fn is_past_seen(&self) -> bool {
        self.scope.seen.as_ref().is_none_or(|seen| self.covered >= Position::end_of(seen.tick))
    }

    /// Continues from memory, or from the table if memory does not reach back far enough.
    async fn catch_up(&mut self) -> Result<(), StopReason> {
        // Events that were seen in a list are in the table, but this instance may not have read them yet.
        if self.anchor.is_none()
            && self.is_past_seen()
            && let Some(recent) = self.hub.read(&self.history, self.covered, self.topic, PAGE)?
        {
            self.ready = recent.events;
            self.covered = recent.covered;
            self.inbox = recent.inbox;
            return Ok(());
        }
        let tick = self.scope.seen.as_ref().map(|seen| (seen.tick, seen.mark));
        let from = ReadFrom { position: self.covered, stamp: self.anchor, tick };
        let mut returns = 0;
        let page = loop {
            match self.read_table(from).await {
                Ok(page) => break page,
                Err(error) => {
                    error.prepare_retry();
                    note_failure(&error);
                    self.hub.pause(RETRY, &mut returns).await;
                }
            }
        };
        if !page.intact || page.epoch != self.history.epoch || !self.hub.follows(&self.history) {
            return Err(StopReason::Expired);
        }
        let full = page.events.len() == PAGE;
        match page.events.last() {
            Some(last) if full => {
                self.covered = last.mark.position;
                self.anchor = Some(last.mark.stamp);
            }
            last => {
                let edge = match page.order {
                    FeedOrder::Ticks => page.edge.position,
                    // The horizon is not a safe position: it counts transactions that a crash undoes, and
                    // their numbers are used again. Those below an event that was read are not.
                    FeedOrder::Rows => page.edge.position.min(self.hub.position().1.position),
                };
                self.covered = last.map_or(self.covered, |last| last.mark.position).max(self.covered).max(edge);
                self.anchor = None;
            }
        }
        let seen = self.scope.seen.as_deref();
        let is_new = |event: &Event| seen.is_none_or(|seen| !seen.has(event.mark.position));
        self.ready = page.events.into_iter().filter(|event| self.topic.wants(event) && is_new(event)).collect();
        Ok(())
    }

    async fn read_table(&self, from: ReadFrom) -> Result<HistoryPage, TailError> {
        let mut connection = self.hub.source.connect().await?;
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
        let outcome = match timeout(TIMEOUT, connection.read(from, Some(self.topic), limit)).await {
            Ok(outcome) => outcome.map_err(TailError::from),
            Err(_) => Err(TailError::Silence),
        };
        if outcome.is_err() {
            connection.discard();
        }
        outcome
    }

    fn leave(&mut self) {
        if let Some(inbox) = self.inbox.take() {
            self.hub.close(&inbox);
        }
    }
}

/// Logs a failure once in a while: during an outage, all listeners that come back fail alike.
fn note_failure(error: &TailError) {
    static FAILURES: Mutex<LogLimiter> = Mutex::new(LogLimiter::none());
    if let Some(others) = FAILURES.lock().unwrap_or_else(PoisonError::into_inner).note(Instant::now()) {
        tracing::warn!(
            others,
            "cannot read the events that a listener missed, trying again: {error}; \
             {others} earlier failures were not logged"
        );
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::Source;
    use crate::event::{Kinds, Mark};
    use migration::connect::pool_options;

    /// After a failover that lost events the epoch is the same.
    #[tokio::test]
    async fn a_follower_without_inbox_detects_a_lost_history() {
        let page = || HistoryPage {
            epoch: "abcdefabcdef".into(),
            order: FeedOrder::Rows,
            intact: true,
            waiting: None,
            edge: Mark::of_row(0, 0, 0),
            events: Vec::new(),
        };
        // It never connects: everything is in memory.
        let source = Source::Sqlite(pool_options().connect_lazy("sqlite::memory:").unwrap());
        let hub = Arc::new(Hub::new(source, page()));
        let cursor = FeedCursor { epoch: "abcdefabcdef".to_owned(), mark: Mark::of_row(0, 0, 0), seen: None };
        let topic = Topic { kinds: Kinds::ADDED, about: None };
        let resume = || Follower::resume(Arc::clone(&hub), topic, &cursor).unwrap();
        let (mut before, mut caught_up) = (resume(), resume());
        assert!(caught_up.missed(1).await.unwrap().is_empty());
        hub.restart(page());
        assert_eq!(before.missed(1).await.unwrap_err(), StopReason::Expired);
        assert_eq!(caught_up.missed(1).await.unwrap_err(), StopReason::Expired);
        assert!(resume().missed(1).await.unwrap().is_empty());
    }

    /// Counts warnings.
    #[derive(Default)]
    struct Warnings(Arc<AtomicUsize>);

    impl tracing::Subscriber for Warnings {
        fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
            *metadata.level() <= tracing::Level::WARN && metadata.target().starts_with("kinoteka")
        }

        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }

        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn enter(&self, _: &tracing::span::Id) {}

        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[tokio::test]
    async fn listeners_that_all_cannot_read_are_logged_once() {
        let warnings = Warnings::default();
        let count = Arc::clone(&warnings.0);
        let _default = tracing::subscriber::set_default(warnings);
        // The file does not exist.
        let source = Source::Sqlite(pool_options().connect_lazy("sqlite:///nowhere/kinoteka.db").unwrap());
        let newest = HistoryPage {
            epoch: "abcdefabcdef".into(),
            order: FeedOrder::Rows,
            intact: true,
            waiting: None,
            edge: Mark::of_row(0, 5, 0),
            events: Vec::new(),
        };
        let hub = Arc::new(Hub::new(source, newest));
        let cursor = FeedCursor { epoch: "abcdefabcdef".to_owned(), mark: Mark::of_row(0, 1, 0), seen: None };
        let topic = Topic { kinds: Kinds::ADDED, about: None };
        let missed = (0..50).map(|_| {
            let mut follower = Follower::resume(Arc::clone(&hub), topic, &cursor).unwrap();
            async move { follower.missed(1).await.map(drop) }
        });
        assert!(timeout(RETRY * 3, futures_util::future::join_all(missed)).await.is_err(), "they go on trying");
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }
}
