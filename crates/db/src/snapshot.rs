//! Reads that all see one snapshot of the database for writes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use request::quota::{Quota, QuotaNames, Share};
use sea_orm::error::ConnAcquireErr;
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr};
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// A transaction that begins with the first read and ends on drop. It holds a connection meanwhile.
pub(super) struct ReadSnapshot {
    pool: DatabaseConnection,
    turns: Arc<Quota>,
    acquire_timeout: Duration,
    transaction: OnceCell<SnapshotTransaction>,
}

struct SnapshotTransaction {
    txn: DatabaseTransaction,
    // After the transaction, so that the connection is returned first.
    _turn: Share,
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
    pub(super) fn new(pool: DatabaseConnection, turns: Arc<Quota>, acquire_timeout: Duration) -> Self {
        Self { pool, turns, acquire_timeout, transaction: OnceCell::new() }
    }

    /// Returns the transaction. The first call begins it.
    pub(super) async fn transaction(&self) -> Result<&DatabaseTransaction, DbErr> {
        let transaction = self.transaction.get_or_try_init(async || {
            let turn = timeout(self.acquire_timeout, self.turns.wait(telemetry::client())).await;
            let turn = turn.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
            Ok::<_, DbErr>(SnapshotTransaction { txn: migration::begin_snapshot(&self.pool).await?, _turn: turn })
        });
        Ok(&transaction.await?.txn)
    }
}

impl fmt::Debug for ReadSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadSnapshot").field("transaction", &self.transaction.initialized()).finish_non_exhaustive()
    }
}
