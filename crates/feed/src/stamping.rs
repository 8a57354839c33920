//! Ticks on demand. Requests that have read a list wait together for the next tick, which the tail makes or finds
//! unnecessary.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Notify, watch};

use super::source::TickRow;

/// The state that the tail shares with waiting requests.
#[derive(Debug, Default)]
pub(super) struct Stamping {
    requests: AtomicU64,
    wanted: Notify,
    stamped: watch::Sender<StampingState>,
}

/// The last state of the tail.
#[derive(Clone, Debug, Default)]
struct StampingState {
    /// Requests up to this number were answered.
    number: u64,
    sessions: u64,
    session: Option<Session>,
    tick: Option<TickRow>,
}

/// A connection of the tail, until it is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Session(u64);

/// The tail has lost its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionLost;

impl Stamping {
    /// The current connection of the tail.
    pub(super) fn session(&self) -> Result<Session, SessionLost> {
        self.stamped.borrow().session.ok_or(SessionLost)
    }

    /// The last tick, after everything that is committed at the call; `None` without ticks.
    pub(super) async fn stamp(&self, session: Session) -> Result<Option<TickRow>, SessionLost> {
        let mut stamped = self.stamped.subscribe();
        let number = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
        self.wanted.notify_one();
        let is_done = |stamped: &StampingState| stamped.number >= number || stamped.session != Some(session);
        let stamped = stamped.wait_for(is_done).await.map_err(|_| SessionLost)?;
        if stamped.session == Some(session) { Ok(stamped.tick.clone()) } else { Err(SessionLost) }
    }

    /// Waits for a request.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// The number of the last request when a look starts, for [`note`](Self::note).
    pub(super) fn take(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    /// Answers the requests up to a number.
    pub(super) fn note(&self, requests: u64, tick: Option<&TickRow>) {
        self.stamped.send_modify(|stamped| {
            stamped.number = requests;
            stamped.tick = tick.cloned();
        });
    }

    /// The tail has connected.
    pub(super) fn begin(&self) {
        self.stamped.send_modify(|stamped| {
            stamped.sessions += 1;
            stamped.session = Some(Session(stamped.sessions));
        });
    }

    /// The tail has lost its connection.
    pub(super) fn end(&self) {
        self.stamped.send_modify(|stamped| stamped.session = None);
    }
}
