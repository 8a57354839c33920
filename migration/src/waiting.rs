//! Waits for locks (PostgreSQL): reports the sessions that a statement waits for, and detects timeouts.

use std::convert::Infallible;
use std::time::Duration;

use sea_orm_migration::sea_orm::{DatabaseConnection, DbErr, RuntimeErr};
use sqlx::{ConnectOptions as _, PgConnection};

/// The time before the first look, and between looks.
const PAUSE: Duration = Duration::from_millis(400);

const BLOCKERS: &str = "
    SELECT coalesce(string_agg(format('process %s (user %s, %s, %s, in a transaction since %s)', pid, usename,
        coalesce(nullif(application_name, ''), 'unnamed'), coalesce(state, 'state unknown'),
        coalesce(to_char(xact_start, 'HH24:MI:SS'), '?')), ', ' ORDER BY pid), '')
    FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids($1))";

/// Runs the work of a server process, and reports meanwhile which other processes it waits for.
pub(crate) async fn watch<T>(
    db: &DatabaseConnection,
    process: i32,
    tell: &(dyn Fn(&str) + Sync),
    work: impl Future<Output = T>,
) -> T {
    tokio::select! {
        biased;
        outcome = work => outcome,
        never = tell_blockers(db, process, tell) => match never {},
    }
}

async fn tell_blockers(db: &DatabaseConnection, process: i32, tell: &(dyn Fn(&str) + Sync)) -> Infallible {
    tokio::time::sleep(PAUSE).await;
    // A separate connection: the pool may have only the one that waits.
    if let Ok(mut connection) = db.get_postgres_connection_pool().connect_options().connect().await {
        let mut told = String::new();
        while let Ok(blockers) = read_blockers(&mut connection, process).await {
            if !blockers.is_empty() && blockers != told {
                tell(&format!("waiting for {blockers}"));
                told = blockers;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    // If this cannot be read, it is not reported.
    std::future::pending().await
}

async fn read_blockers(connection: &mut PgConnection, process: i32) -> Result<String, sqlx::Error> {
    sqlx::query_scalar(BLOCKERS).bind(process).fetch_one(connection).await
}

/// Whether a lock was not free in time, or a deadlock ended the transaction.
pub(crate) fn is_blocked(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) = error else {
        return false;
    };
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "55P03" || code == "40P01")
}
