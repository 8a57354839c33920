//! Ticks on demand: who has read a list waits for the next one that the tail makes or finds needless, with all who wait at
//! the same time.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Notify, watch};

use super::source::TickRow;

/// What those who wait and the tail share.
#[derive(Debug, Default)]
pub(super) struct Stamping {
    asked: AtomicU64,
    wanted: Notify,
    stamped: watch::Sender<Stamped>,
}

/// What the tail has found last.
#[derive(Clone, Debug, Default)]
struct Stamped {
    /// Who asked up to here has been answered.
    number: u64,
    sessions: u64,
    session: Option<Session>,
    tick: Option<TickRow>,
}

/// A connection of the tail's to the database, from when it is there until it is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Session(u64);

/// The tail has lost the database meanwhile.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionLost;

impl Stamping {
    /// The tail's present connection.
    pub(super) fn session(&self) -> Result<Session, SessionLost> {
        self.stamped.borrow().session.ok_or(SessionLost)
    }

    /// The last tick, behind everything that is committed at the call; `None` where there are no ticks.
    pub(super) async fn stamp(&self, session: Session) -> Result<Option<TickRow>, SessionLost> {
        let mut stamped = self.stamped.subscribe();
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        self.wanted.notify_one();
        let is_done = |stamped: &Stamped| stamped.number >= number || stamped.session != Some(session);
        let stamped = stamped.wait_for(is_done).await.map_err(|_| SessionLost)?;
        if stamped.session == Some(session) { Ok(stamped.tick.clone()) } else { Err(SessionLost) }
    }

    /// Waits until somebody asks.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Who has asked when a look begins: it is to be handed to [`note`](Self::note).
    pub(super) fn take(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// Answers them.
    pub(super) fn note(&self, asked: u64, tick: Option<&TickRow>) {
        self.stamped.send_modify(|stamped| {
            stamped.number = asked;
            stamped.tick = tick.cloned();
        });
    }

    /// The tail has a connection.
    pub(super) fn begin(&self) {
        self.stamped.send_modify(|stamped| {
            stamped.sessions += 1;
            stamped.session = Some(Session(stamped.sessions));
        });
    }

    /// The tail has lost it.
    pub(super) fn end(&self) {
        self.stamped.send_modify(|stamped| stamped.session = None);
    }
}
