//! Somebody who follows the feed, from now on or from a cursor, without gap or repeat.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::cursor::FeedCursor;
use super::event::{Event, Mark, Position, StopReason, Topic};
use super::hub::{Closed, History, Hub, Inbox, ResumePoint};
use super::source::HistoryPage;
use super::tail::{TIMEOUT, Trouble};

/// Events that are read from the table at once.
const PAGE: usize = 256;

/// How long to wait before the table is asked again after it has failed.
const RETRY: Duration = Duration::from_millis(500);

/// Reads what it missed, then follows. Dropping it ends that.
#[derive(Debug)]
pub struct Follower {
    hub: Arc<Hub>,
    topic: Topic,
    history: History,
    /// Everything up to here was given out, or is `ready`, or is not of the topic.
    covered: Position,
    /// The event at `covered`, if there is one and it was not yet seen that it is in the table.
    anchor: Option<Mark>,
    ready: VecDeque<Event>,
    inbox: Option<Arc<Inbox>>,
}

impl Follower {
    /// Follows from now on: what is committed after this call comes.
    pub fn begin(hub: Arc<Hub>, topic: Topic) -> Self {
        let (inbox, history, mark) = hub.follow(topic);
        Self { hub, topic, history, covered: mark.position, anchor: None, ready: VecDeque::new(), inbox: Some(inbox) }
    }

    /// Goes on behind `cursor`. Whether that is possible may show only when what was missed is read.
    ///
    /// # Errors
    /// The cursor is of another epoch, or of an event that never was.
    pub fn resume(hub: Arc<Hub>, topic: Topic, cursor: &FeedCursor) -> Result<Self, StopReason> {
        let (found, history) = hub.find(cursor)?;
        let anchor = match found {
            ResumePoint::Recent => None,
            ResumePoint::Elsewhere => Some(cursor.mark),
        };
        let covered = cursor.mark.position;
        Ok(Self { hub, topic, history, covered, anchor, ready: VecDeque::new(), inbox: None })
    }

    /// The feed's epoch, in which all of its events are.
    pub fn epoch(&self) -> &str {
        &self.history.epoch
    }

    /// Where a follower stands that is caught up.
    pub fn covered(&self) -> Position {
        self.covered
    }

    /// The next events, `max` at most, as soon as there are some.
    ///
    /// # Errors
    /// There will be none any more.
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

    /// The next events that are there already, `max` at most; none when this follower is caught up.
    ///
    /// # Errors
    /// There will be none any more.
    pub async fn missed(&mut self, max: usize) -> Result<VecDeque<Event>, StopReason> {
        loop {
            if !self.ready.is_empty() {
                let rest = self.ready.split_off(max.min(self.ready.len()));
                return Ok(std::mem::replace(&mut self.ready, rest));
            }
            let Some(inbox) = &self.inbox else {
                self.catch_up().await?;
                continue;
            };
            match inbox.take() {
                Ok(events) if events.is_empty() => return Ok(events),
                Ok(events) => {
                    // Behind a cursor that another instance gave, this one may still be to read some.
                    self.ready.extend(events.into_iter().filter(|event| event.mark.position > self.covered));
                    self.covered = self.ready.back().map_or(self.covered, |event| event.mark.position);
                }
                Err(Closed::Full) => self.leave(),
                Err(Closed::Stop(stop)) => return Err(stop),
            }
        }
    }

    /// Reads on from memory, or from the table where that does not reach back.
    async fn catch_up(&mut self) -> Result<(), StopReason> {
        if self.anchor.is_none()
            && let Some(recent) = self.hub.read(&self.history, self.covered, self.topic, PAGE)?
        {
            self.ready = recent.events;
            self.covered = recent.covered;
            self.inbox = recent.inbox;
            return Ok(());
        }
        let after = self.anchor.unwrap_or(Mark { position: self.covered, at_us: -1 });
        let page = loop {
            match self.read_table(after).await {
                Ok(page) => break page,
                Err(error) => {
                    error.prepare_retry();
                    tracing::warn!("cannot read what a listener missed, trying again: {error}");
                    sleep(RETRY).await;
                }
            }
        };
        let lost = self.anchor.is_some() && !page.intact;
        if lost || page.epoch != self.history.epoch || !self.hub.follows(&self.history) {
            return Err(StopReason::Expired);
        }
        let full = page.events.len() == PAGE;
        match page.events.last() {
            Some(last) if full => {
                self.covered = last.mark.position;
                self.anchor = Some(last.mark);
            }
            last => {
                // The horizon alone is no place to keep: it counts transactions that a crash undoes, and
                // their numbers are given out again. Those below an event that was read are not.
                let (_, read) = self.hub.position();
                let edge = page.edge.position.min(read.position);
                self.covered = last.map_or(self.covered, |last| last.mark.position).max(self.covered).max(edge);
                self.anchor = None;
            }
        }
        self.ready = page.events.into_iter().filter(|event| self.topic.wants(event)).collect();
        Ok(())
    }

    async fn read_table(&self, after: Mark) -> Result<HistoryPage, Trouble> {
        let mut connection = self.hub.source.connect().await?;
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
        let outcome = match timeout(TIMEOUT, connection.read(after, Some(self.topic), limit)).await {
            Ok(outcome) => outcome.map_err(Trouble::from),
            Err(_) => Err(Trouble::Silence),
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

impl Drop for Follower {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;
    use crate::Source;
    use crate::event::Kinds;
    use migration::connect::pool_options;

    /// As it is after a failover that has lost events: the epoch is the same.
    #[tokio::test]
    async fn who_has_no_inbox_yet_is_told_of_a_lost_history() {
        let page = || HistoryPage {
            epoch: "abcdefabcdef".into(),
            intact: true,
            waiting: None,
            edge: Mark::default(),
            events: Vec::new(),
        };
        // Never connected to: all is in memory.
        let source = Source::Sqlite(pool_options().connect_lazy("sqlite::memory:").unwrap());
        let hub = Arc::new(Hub::new(source, page()));
        let cursor = FeedCursor { epoch: "abcdefabcdef".to_owned(), mark: Mark::default() };
        let topic = Topic { kinds: Kinds::ADDED, about: None };
        let resume = || Follower::resume(Arc::clone(&hub), topic, &cursor).unwrap();
        let (mut before, mut caught_up) = (resume(), resume());
        assert!(caught_up.missed(1).await.unwrap().is_empty());
        hub.restart(page());
        assert_eq!(before.missed(1).await.unwrap_err(), StopReason::Expired);
        assert_eq!(caught_up.missed(1).await.unwrap_err(), StopReason::Expired);
        assert!(resume().missed(1).await.unwrap().is_empty());
    }
}
