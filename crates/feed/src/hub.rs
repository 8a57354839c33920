//! What the tail has read lately, and those who follow it.
//!
//! The newest events are kept in memory, so that whoever comes back after a short while is caught up
//! without a statement. Who follows has an inbox; both are filled under one lock, so that catching up
//! ends and following begins at one place in the feed.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::cursor::FeedCursor;
use super::event::{About, Event, EventKind, Mark, Position, Stamp, StopReason, Topic};
use super::source::{HistoryPage, Source};
use super::stamping::Stamping;

/// Events in memory at most.
pub const RECENT_MAX: usize = 16_384;

/// Events that wait for one follower at most. One that has more to do reads them later, as if it
/// came back.
const INBOX_MAX: usize = 1_024;

/// A database that has not answered for so long was away.
const SILENCE: Duration = Duration::from_millis(500);

/// The newest part of the feed, shared by all that listen on this instance.
#[derive(Debug)]
pub struct Hub {
    pub(super) source: Source,
    pub(super) stamping: Stamping,
    state: Mutex<HubState>,
    /// How often the database has answered again.
    returns: watch::Sender<u64>,
}

/// What is followed: one history of the database. After a failover that loses events it is another one,
/// with the same epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct History {
    pub(super) epoch: Arc<str>,
    /// How often this instance has begun anew.
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
    /// When the feed was read last.
    read: Instant,
    /// When the last change of a comment was read.
    changed: Instant,
}

/// What waits for one follower.
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
    /// Nothing more is put in; after what is there, this follows.
    closed: Option<Closed>,
}

/// Why an inbox takes no more.
#[derive(Clone, Copy, Debug)]
pub(super) enum Closed {
    /// It was full.
    Full,
    /// The feed has ended for whoever follows.
    Stop(StopReason),
}

/// Where somebody stands who comes back with a cursor.
#[derive(Clone, Copy, Debug)]
pub(super) enum ResumePoint {
    /// Within what is in memory.
    Recent,
    /// Before or behind it: the table knows.
    Elsewhere,
}

impl Hub {
    /// A hub that begins with the newest events.
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

    /// Up to where the feed was read, and the epoch.
    pub fn position(&self) -> (Arc<str>, Mark) {
        let state = self.lock();
        (Arc::clone(&state.history.epoch), state.end)
    }

    /// A cursor after what was in the feed at `moment`, as far as this instance had read it.
    pub fn cursor_at(&self, moment: Instant) -> String {
        let state = self.lock();
        let mark = state.recent.iter().rev().find(|event| event.read < moment).map_or(state.start, |event| event.mark);
        FeedCursor::encode(&state.history.epoch, mark)
    }

    /// Puts events behind those that are there, and into the inboxes of who wants them.
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

    /// Notes that everything up to here was dispatched.
    pub(super) fn advance(&self, end: Mark) {
        self.lock().end = end;
    }

    /// Begins anew: what was followed is not the database's history any more.
    pub(super) fn restart(&self, newest: HistoryPage) {
        let mut state = self.lock();
        state.close(StopReason::Expired);
        state.end = end_of(&newest);
        state.history = History { epoch: newest.epoch, generation: state.history.generation + 1 };
        state.start = newest.edge;
        state.recent = newest.events.into();
        state.changed = Instant::now();
    }

    /// Ends all following, now and later: the server stops.
    pub fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        state.close(StopReason::Stopping);
    }

    /// Whether the database has answered the feed since then.
    pub(super) fn has_read_since(&self, moment: Instant) -> bool {
        self.lock().read > moment
    }

    /// Waits before something is asked of the database again: for so long, or until the database has answered the feed again
    /// since it was `seen` to. Says whether it has.
    pub(super) async fn pause(&self, pause: Duration, seen: &mut u64) -> bool {
        let mut returns = self.returns.subscribe();
        let Ok(Ok(count)) = timeout(pause, returns.wait_for(|count| count > seen)).await else { return false };
        *seen = *count;
        true
    }

    /// When the last change of a comment was read: what was read of comments before may be out of date.
    pub(super) fn changed(&self) -> Instant {
        self.lock().changed
    }

    /// Opens an inbox at the feed's present end.
    pub(super) fn follow(&self, topic: Topic) -> (Arc<Inbox>, History, Mark) {
        let mut state = self.lock();
        (state.open(topic), state.history.clone(), state.end)
    }

    /// Whether this is still the history that is followed.
    pub(super) fn follows(&self, history: &History) -> bool {
        self.lock().history == *history
    }

    /// Looks a cursor up among the newest events.
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

    /// What is in memory behind `after`: some events and how far that goes, or all there are and an
    /// inbox for those that follow. `None` if it is not known what came next.
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

    /// Forgets an inbox whose follower is gone.
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

/// What [`Hub::read`] finds.
#[derive(Debug)]
pub(super) struct Recent {
    pub(super) events: VecDeque<Event>,
    /// Up to where `events` are all there are.
    pub(super) covered: Position,
    /// What follows `covered` comes here.
    pub(super) inbox: Option<Arc<Inbox>>,
}

impl HubState {
    /// Whether a place is of this history, if memory tells: the event at it does, or one of its tick.
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
            // One was given before there were ticks.
            _ => None,
        }
    }

    /// The index of the first event behind `after`; `None` if that was before what is in memory.
    fn from(&self, after: Position) -> Option<usize> {
        (after >= self.start.position).then(|| self.recent.partition_point(|event| event.mark.position <= after))
    }

    fn open(&mut self, topic: Topic) -> Arc<Inbox> {
        let number = self.next_inbox;
        self.next_inbox += 1;
        let closed = self.stopped.then_some(Closed::Stop(StopReason::Stopping));
        let waiting = Mutex::new(InboxQueue { closed, ..InboxQueue::default() });
        let inbox = Arc::new(Inbox { topic, number, waiting, filled: Notify::new() });
        self.inboxes.entry(topic.about).or_default().insert(number, Arc::clone(&inbox));
        inbox
    }

    fn close(&mut self, stop: StopReason) {
        for inbox in self.inboxes.drain().flat_map(|(_, inboxes)| inboxes.into_values()) {
            inbox.shut(Closed::Stop(stop));
        }
    }
}

/// Up to where the newest events are read: by ticks, to the end of the last one.
fn end_of(newest: &HistoryPage) -> Mark {
    let last = newest.events.last().map_or(newest.edge, |event| event.mark);
    match last.stamp {
        Stamp::At(_) => last,
        Stamp::Tick(_) => Mark { position: Position::end_of(last.position.tick), ..last },
    }
}

impl Inbox {
    /// Says whether it takes more.
    fn put(&self, event: &Event) -> bool {
        if !self.topic.wants(event) {
            return true;
        }
        let mut waiting = self.lock();
        if waiting.events.len() == INBOX_MAX {
            drop(waiting);
            self.shut(Closed::Full);
            return false;
        }
        waiting.events.push_back(*event);
        drop(waiting);
        self.filled.notify_one();
        true
    }

    fn shut(&self, closed: Closed) {
        self.lock().closed.get_or_insert(closed);
        self.filled.notify_one();
    }

    /// Takes all that waits; if there is nothing, says whether the inbox was closed.
    pub(super) fn take(&self) -> Result<VecDeque<Event>, Closed> {
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
    async fn who_waits_for_the_database_goes_on_when_it_answers_again() {
        let hub = crate::testing::hub();
        let mut seen = 0;
        let day = Duration::from_secs(86_400);
        hub.dispatch(&[]);
        assert!(!hub.pause(Duration::from_millis(1), &mut seen).await, "it was not away");
        hub.lock().read = Instant::now().checked_sub(2 * SILENCE).unwrap_or_else(Instant::now);
        let waiting = hub.pause(day, &mut seen);
        let (is_back, ()) = tokio::join!(waiting, async { hub.dispatch(&[]) });
        assert!(is_back);
        assert!(!hub.pause(Duration::from_millis(1), &mut seen).await, "each return counts once");
    }
}
