//! The recent events of the tail, and the followers.
//!
//! The newest events are in memory, so that a listener that returns soon catches up without a statement. Each
//! follower has an inbox. Both are filled under one lock, so that catching up ends and following begins at the same
//! position.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::cursor::FeedCursor;
use super::event::{About, Event, EventKind, Mark, Position, Stamp, StopReason, Topic};
use super::source::{HistoryPage, Source};
use super::stamping::Stamping;

/// Maximum number of events in memory.
pub const RECENT_MAX: usize = 16_384;

/// Maximum number of events that wait for one follower. A follower that is further behind reads them later, as if it
/// had reconnected.
const INBOX_MAX: usize = 1_024;

/// A database that has not answered for this long was down.
const SILENCE: Duration = Duration::from_millis(500);

/// The newest part of the feed, shared by all listeners of this instance.
#[derive(Debug)]
pub struct Hub {
    pub(super) source: Source,
    pub(super) stamping: Stamping,
    state: Mutex<HubState>,
    /// How often the database has become available again.
    returns: watch::Sender<u64>,
}

/// One history of the database. A failover that loses events starts another one with the same epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct History {
    pub(super) epoch: Arc<str>,
    /// How often this instance has restarted the feed.
    generation: u64,
}

#[derive(Debug)]
struct HubState {
    history: History,
    /// The event before the first of `recent`.
    start: Mark,
    recent: VecDeque<Event>,
    /// Everything up to here was read.
    end: Mark,
    inboxes: HashMap<Option<About>, HashMap<u64, Arc<Inbox>>>,
    next_inbox: u64,
    stopped: bool,
    /// When the feed was last read.
    read: Instant,
    /// When the last change of a comment was read.
    changed: Instant,
}

/// Events that wait for one follower.
#[derive(Debug)]
pub(super) struct Inbox {
    topic: Topic,
    number: u64,
    waiting: Mutex<InboxQueue>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct InboxQueue {
    events: VecDeque<Event>,
    /// Set when no more events are added. The follower gets it after the events.
    closed: Option<InboxEnd>,
}

/// Why no more events are added to an inbox.
#[derive(Clone, Copy, Debug)]
pub(super) enum InboxEnd {
    /// It was full.
    Full,
    /// The feed has ended for its follower.
    Stop(StopReason),
}

/// The position of a cursor.
#[derive(Clone, Copy, Debug)]
pub(super) enum ResumePoint {
    /// In memory.
    Recent,
    /// Before or after what is in memory: read the table.
    Elsewhere,
}

impl Hub {
    /// A hub that starts with the newest events.
    pub(super) fn new(source: Source, newest: HistoryPage) -> Self {
        let now = Instant::now();
        let state = HubState {
            end: end_of(&newest),
            history: History { epoch: newest.epoch, generation: 0 },
            start: newest.edge,
            recent: newest.events.into(),
            inboxes: HashMap::new(),
            next_inbox: 0,
            stopped: false,
            read: now,
            changed: now,
        };
        Self { source, stamping: Stamping::default(), state: Mutex::new(state), returns: watch::Sender::default() }
    }

    /// The position up to which the feed was read, and the epoch.
    pub fn position(&self) -> (Arc<str>, Mark) {
        let state = self.lock();
        (Arc::clone(&state.history.epoch), state.end)
    }

    /// A cursor after the events that existed at `moment`, as far as this instance had read them.
    pub fn cursor_at(&self, moment: Instant) -> String {
        let state = self.lock();
        let mark = state.recent.iter().rev().find(|event| event.read < moment).map_or(state.start, |event| event.mark);
        FeedCursor::encode(&state.history.epoch, mark)
    }

    /// Adds new events, also to the inboxes of followers that want them.
    pub(super) fn dispatch(&self, events: &[Event]) {
        let mut state = self.lock();
        let before = std::mem::replace(&mut state.read, Instant::now());
        if before.elapsed() > SILENCE {
            self.returns.send_modify(|count| *count += 1);
        }
        for event in events {
            if event.kind != EventKind::Added {
                state.changed = event.read;
            }
            if state.recent.len() == RECENT_MAX
                && let Some(oldest) = state.recent.pop_front()
            {
                state.start = oldest.mark;
            }
            state.recent.push_back(*event);
            state.end = event.mark;
            for about in [None, Some(event.about)] {
                if let Some(inboxes) = state.inboxes.get_mut(&about) {
                    inboxes.retain(|_, inbox| inbox.put(event));
                }
            }
        }
    }

    /// Records that everything up to here was dispatched.
    pub(super) fn advance(&self, end: Mark) {
        self.lock().end = end;
    }

    /// Restarts: the database has another history.
    pub(super) fn restart(&self, newest: HistoryPage) {
        let mut state = self.lock();
        state.close(StopReason::Expired);
        state.end = end_of(&newest);
        state.history = History { epoch: newest.epoch, generation: state.history.generation + 1 };
        state.start = newest.edge;
        state.recent = newest.events.into();
        state.changed = Instant::now();
    }

    /// Ends all followers, now and later: the server is stopping.
    pub fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        state.close(StopReason::Stopping);
    }

    /// Whether the database has answered the feed since then.
    pub(super) fn has_read_since(&self, moment: Instant) -> bool {
        self.lock().read > moment
    }

    /// Waits before a retry: for this long, or until the database is available again, compared with `seen`. Returns
    /// whether it is.
    pub(super) async fn pause(&self, pause: Duration, seen: &mut u64) -> bool {
        let mut returns = self.returns.subscribe();
        let Ok(Ok(count)) = timeout(pause, returns.wait_for(|count| count > seen)).await else { return false };
        *seen = *count;
        true
    }

    /// When the last change of a comment was read. Older reads of comments may be out of date.
    pub(super) fn changed(&self) -> Instant {
        self.lock().changed
    }

    /// Opens an inbox at the current end of the feed.
    pub(super) fn follow(&self, topic: Topic) -> (Arc<Inbox>, History, Mark) {
        let mut state = self.lock();
        (state.open(topic), state.history.clone(), state.end)
    }

    /// Whether this is still the current history.
    pub(super) fn follows(&self, history: &History) -> bool {
        self.lock().history == *history
    }

    /// Looks up a cursor among the newest events.
    pub(super) fn find(&self, cursor: &FeedCursor) -> Result<(ResumePoint, History), StopReason> {
        let state = self.lock();
        let history = state.history.clone();
        if *cursor.epoch != *history.epoch {
            return Err(StopReason::Expired);
        }
        let position = cursor.mark.position;
        if cursor.seen.is_some() || position < state.start.position || position > state.end.position {
            return Ok((ResumePoint::Elsewhere, history));
        }
        match state.knows(cursor.mark) {
            Some(true) => Ok((ResumePoint::Recent, history)),
            Some(false) => Err(StopReason::Expired),
            None => Ok((ResumePoint::Elsewhere, history)),
        }
    }

    /// The events in memory after `after`: either some, and how far they go, or all, and an inbox for later ones.
    /// `None` if memory does not reach back that far.
    pub(super) fn read(
        &self,
        history: &History,
        after: Position,
        topic: Topic,
        limit: usize,
    ) -> Result<Option<Recent>, StopReason> {
        let mut state = self.lock();
        if *history != state.history {
            return Err(StopReason::Expired);
        }
        let Some(from) = state.from(after) else { return Ok(None) };
        let wanted = state.recent.range(from..).filter(|event| topic.wants(event));
        let events: VecDeque<_> = wanted.take(limit).copied().collect();
        if events.len() == limit
            && let Some(last) = events.back()
        {
            return Ok(Some(Recent { covered: last.mark.position, events, inbox: None }));
        }
        let covered = state.end.position.max(after);
        Ok(Some(Recent { covered, events, inbox: Some(state.open(topic)) }))
    }

    /// Removes an inbox whose follower is gone.
    pub(super) fn close(&self, inbox: &Inbox) {
        let mut state = self.lock();
        if let Some(inboxes) = state.inboxes.get_mut(&inbox.topic.about) {
            inboxes.remove(&inbox.number);
            if inboxes.is_empty() {
                state.inboxes.remove(&inbox.topic.about);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HubState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The result of [`Hub::read`].
#[derive(Debug)]
pub(super) struct Recent {
    pub(super) events: VecDeque<Event>,
    /// `events` is complete up to here.
    pub(super) covered: Position,
    /// Later events come here.
    pub(super) inbox: Option<Arc<Inbox>>,
}

impl HubState {
    /// Whether a position is of this history, if memory has its event or one of its tick.
    fn knows(&self, mark: Mark) -> Option<bool> {
        let at = self.from(mark.position)?;
        let before = if at == 0 { self.start } else { self.recent[at - 1].mark };
        match (mark.stamp, before.stamp) {
            (Stamp::At(_), Stamp::At(_)) => Some(before == mark),
            (Stamp::Tick(_), Stamp::Tick(_)) => {
                let mut near = [Some(before), self.recent.get(at).map(|event| event.mark), Some(self.end)].into_iter();
                let same = near.find_map(|near| near.filter(|near| near.position.tick == mark.position.tick));
                same.map(|same| same.stamp == mark.stamp)
            }
            // The cursor is from before there were ticks.
            _ => None,
        }
    }

    /// The index of the first event after `after`; `None` if that is before what is in memory.
    fn from(&self, after: Position) -> Option<usize> {
        (after >= self.start.position).then(|| self.recent.partition_point(|event| event.mark.position <= after))
    }

    fn open(&mut self, topic: Topic) -> Arc<Inbox> {
        let number = self.next_inbox;
        self.next_inbox += 1;
        let closed = self.stopped.then_some(InboxEnd::Stop(StopReason::Stopping));
        let waiting = Mutex::new(InboxQueue { closed, ..InboxQueue::default() });
        let inbox = Arc::new(Inbox { topic, number, waiting, filled: Notify::new() });
        self.inboxes.entry(topic.about).or_default().insert(number, Arc::clone(&inbox));
        inbox
    }

    fn close(&mut self, stop: StopReason) {
        for inbox in self.inboxes.drain().flat_map(|(_, inboxes)| inboxes.into_values()) {
            inbox.shut(InboxEnd::Stop(stop));
        }
    }
}

/// The position up to which the newest events were read: with ticks, the end of the last one.
fn end_of(newest: &HistoryPage) -> Mark {
    let last = newest.events.last().map_or(newest.edge, |event| event.mark);
    match last.stamp {
        Stamp::At(_) => last,
        Stamp::Tick(_) => Mark { position: Position::end_of(last.position.tick), ..last },
    }
}

impl Inbox {
    /// Adds an event. Returns whether there is room for more.
    fn put(&self, event: &Event) -> bool {
        if !self.topic.wants(event) {
            return true;
        }
        let mut waiting = self.lock();
        if waiting.events.len() == INBOX_MAX {
            drop(waiting);
            self.shut(InboxEnd::Full);
            return false;
        }
        waiting.events.push_back(*event);
        drop(waiting);
        self.filled.notify_one();
        true
    }

    fn shut(&self, closed: InboxEnd) {
        self.lock().closed.get_or_insert(closed);
        self.filled.notify_one();
    }

    /// Takes all waiting events. If there are none, returns whether the inbox was closed.
    pub(super) fn take(&self) -> Result<VecDeque<Event>, InboxEnd> {
        let mut waiting = self.lock();
        match (waiting.events.is_empty(), waiting.closed) {
            (true, Some(closed)) => Err(closed),
            _ => Ok(std::mem::take(&mut waiting.events)),
        }
    }

    /// Waits until there may be something to take.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, InboxQueue> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_waiting_reader_continues_when_the_database_returns() {
        let hub = crate::testing::hub();
        let mut seen = 0;
        let day = Duration::from_secs(86_400);
        hub.dispatch(&[]);
        assert!(!hub.pause(Duration::from_millis(1), &mut seen).await, "it was not down");
        hub.lock().read = Instant::now().checked_sub(2 * SILENCE).unwrap_or_else(Instant::now);
        let waiting = hub.pause(day, &mut seen);
        let (is_back, ()) = tokio::join!(waiting, async { hub.dispatch(&[]) });
        assert!(is_back);
        assert!(!hub.pause(Duration::from_millis(1), &mut seen).await, "each return counts once");
    }
}
