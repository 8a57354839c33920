//! Reads that all see one snapshot of the database for writes.

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

/// A transaction that begins with the first read and ends on drop. It holds a connection meanwhile.
pub(super) struct ReadSnapshot {
    place: Place,
    turns: Arc<Quota>,
    acquire_timeout: Duration,
    transaction: OnceCell<SnapshotTransaction>,
}

struct SnapshotTransaction {
    txn: DatabaseTransaction,
    turn: Option<Turn>,
    /// Statements whose response has not arrived yet.
    unanswered: AtomicUsize,
}

impl Drop for SnapshotTransaction {
    fn drop(&mut self) {
        // Otherwise a statement was abandoned, and the turn is kept as long as its connection.
        if let Some(turn) = self.turn.take_if(|_| *self.unanswered.get_mut() == 0) {
            turn.end();
        }
    }
}

/// A read that waits too long for its turn fails like one that waits too long for a connection.
const TURNS: QuotaNames = QuotaNames {
    limit: "database-connections",
    limit_per_client: "database-connections",
    held: "reads of one snapshot run",
    retry_after_s: 1,
};

/// Turns for this many connections. Snapshots may hold half of the connections, and one client's snapshots a quarter.
pub(super) fn turns(connections_max: u32) -> Arc<Quota> {
    let half = |number: u32| (number / 2).max(1);
    let max = half(connections_max);
    Quota::new(TURNS, max.into(), half(max).into())
}

impl ReadSnapshot {
    pub(super) fn new(place: Place, turns: Arc<Quota>, acquire_timeout: Duration) -> Self {
        Self { place, turns, acquire_timeout, transaction: OnceCell::new() }
    }

    /// Queries in the transaction. The first call begins it.
    pub(super) async fn run<'s, T, F>(&'s self, ask: impl FnOnce(&'s DatabaseTransaction) -> F) -> Result<T, DbErr>
    where
        F: Future<Output = Result<T, DbErr>>,
    {
        let SnapshotTransaction { txn, unanswered, .. } = self.transaction.get_or_try_init(|| self.begin()).await?;
        unanswered.fetch_add(1, Ordering::Relaxed);
        let outcome = self.place.attempt(false, ask(txn)).await;
        if !outcome.as_ref().is_err_and(is_silence) {
            unanswered.fetch_sub(1, Ordering::Relaxed);
        }
        outcome
    }

    async fn begin(&self) -> Result<SnapshotTransaction, DbErr> {
        if self.place.liveness.is_away() {
            return Err(silence());
        }
        let share = timeout(self.acquire_timeout, self.turns.wait(telemetry::client())).await;
        let share = share.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
        let turn = Some(Turn::new(share, &self.place.generation));
        let txn = self.place.attempt(false, migration::begin_snapshot(&self.place.pool)).await?;
        Ok(SnapshotTransaction { txn, turn, unanswered: AtomicUsize::new(0) })
    }
}

impl fmt::Debug for ReadSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadSnapshot").field("transaction", &self.transaction.initialized()).finish_non_exhaustive()
    }
}
