//! Starts transactions that write, so that nothing remains if the caller is cancelled.

use std::pin::pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sea_orm_migration::sea_orm::{
    AccessMode, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, IsolationLevel, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};
use sqlx::{PgConnection, Row as _};

/// Starts a transaction. On SQLite it takes the write lock immediately: SQLite refuses the lock to a transaction that
/// has read before.
///
/// # Errors
/// The database cannot be reached, or another process holds the lock.
pub async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let sqlite_transaction_mode = Some(SqliteTransactionMode::Immediate);
    begin_with(db, TransactionOptions { sqlite_transaction_mode, ..Default::default() }).await
}

/// Starts a transaction that reads. All its statements see what the first one sees.
///
/// # Errors
/// The database cannot be reached.
pub async fn begin_snapshot(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    // Every transaction on SQLite is one.
    let options = (db.get_database_backend() == DbBackend::Postgres).then(|| TransactionOptions {
        isolation_level: Some(IsolationLevel::RepeatableRead),
        access_mode: Some(AccessMode::ReadOnly),
        ..Default::default()
    });
    begin_with(db, options.unwrap_or_default()).await
}

async fn begin_with(db: &DatabaseConnection, options: TransactionOptions) -> Result<DatabaseTransaction, DbErr> {
    let beginning = pin!(db.begin_with_options(options));
    // Declared later, so dropped first: the flag is set before the connection is released.
    let mut watched = BeginGuard { ended: false };
    let txn = beginning.await;
    watched.ended = true;
    txn
}

/// A running `BEGIN`. sqlx-postgres 0.9 forgets one whose caller is cancelled before the answer: the connection
/// returns to its pool in a transaction that is never ended.
struct BeginGuard {
    ended: bool,
}

impl Drop for BeginGuard {
    fn drop(&mut self) {
        if !self.ended {
            ABANDONED_MS.store(now_ms(), Ordering::Release);
        }
    }
}

/// When a `BEGIN` was last abandoned; 0 for never.
static ABANDONED_MS: AtomicU64 = AtomicU64::new(0);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// How long connections are examined afterwards. The connection of the abandoned `BEGIN` is released immediately.
const SUSPICION: Duration = Duration::from_secs(10);

fn now_ms() -> u64 {
    // Never 0.
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

/// Whether a released connection may be used again: it is not in a transaction by the driver's count nor, if a
/// `BEGIN` was abandoned recently, by the server's.
pub(crate) async fn is_reusable(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    if sqlx::Connection::is_in_transaction(connection) {
        return Ok(false);
    }
    let abandoned = ABANDONED_MS.load(Ordering::Acquire);
    if abandoned == 0 || Duration::from_millis(now_ms() - abandoned) > SUSPICION {
        return Ok(true);
    }
    // Outside of a transaction a statement starts its own. Not prepared: that would make two moments.
    let row = sqlx::raw_sql("SELECT now() = statement_timestamp()").fetch_one(connection).await?;
    row.try_get(0)
}
