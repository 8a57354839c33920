//! Reads that all see one moment of the database that is written to.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use request::quota::{Quota, QuotaNames};
use sea_orm::error::ConnAcquireErr;
use sea_orm::{DatabaseTransaction, DbErr};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::place::{Place, is_silence, silence};
use super::turn::Turn;

/// A transaction that begins with the first read and ends when this is dropped. It holds a connection meanwhile.
pub(super) struct ReadSnapshot {
    place: Place,
    turns: Arc<Quota>,
    acquire_timeout: Duration,
    begun: OnceCell<Begun>,
}

struct Begun {
    txn: DatabaseTransaction,
    turn: Option<Turn>,
    /// Statements whose answer was not waited for yet.
    unanswered: AtomicUsize,
}

impl Drop for Begun {
    fn drop(&mut self) {
        // Else the turn is kept: the statement was given up.
        if let Some(turn) = self.turn.take_if(|_| *self.unanswered.get_mut() == 0) {
            turn.end();
        }
    }
}

/// One that waits too long for its turn fails as one that waits too long for a connection.
const TURNS: QuotaNames = QuotaNames {
    limit: "database-connections",
    limit_per_client: "database-connections",
    held: "reads of one snapshot run",
    retry_after_s: 1,
};

/// Turns for so many connections. Half of them may be held by snapshots, and of these half by those of one client.
pub(super) fn turns(connections_max: u32) -> Arc<Quota> {
    let half = |number: u32| (number / 2).max(1);
    let max = half(connections_max);
    Quota::new(TURNS, max.into(), half(max).into())
}

impl ReadSnapshot {
    pub(super) fn new(place: Place, turns: Arc<Quota>, acquire_timeout: Duration) -> Self {
        Self { place, turns, acquire_timeout, begun: OnceCell::new() }
    }

    /// Asks in the transaction, which the first call begins.
    pub(super) async fn run<'s, T, F>(&'s self, ask: impl FnOnce(&'s DatabaseTransaction) -> F) -> Result<T, DbErr>
    where
        F: Future<Output = Result<T, DbErr>>,
    {
        let Begun { txn, unanswered, .. } = self.begun.get_or_try_init(|| self.begin()).await?;
        unanswered.fetch_add(1, Ordering::Relaxed);
        let outcome = self.place.attempt(false, ask(txn)).await;
        if !outcome.as_ref().is_err_and(is_silence) {
            unanswered.fetch_sub(1, Ordering::Relaxed);
        }
        outcome
    }

    async fn begin(&self) -> Result<Begun, DbErr> {
        if self.place.sight.is_away() {
            return Err(silence());
        }
        let share = timeout(self.acquire_timeout, self.turns.wait(telemetry::client())).await;
        let share = share.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
        let turn = Some(Turn::new(share, &self.place.generation));
        let txn = self.place.attempt(false, migration::begin_snapshot(&self.place.pool)).await?;
        Ok(Begun { txn, turn, unanswered: AtomicUsize::new(0) })
    }
}

impl fmt::Debug for ReadSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadSnapshot").field("begun", &self.begun.initialized()).finish_non_exhaustive()
    }
}
