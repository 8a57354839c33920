//! The server's own maintenance: deletes expired rows, such as those of sessions, and detects when the database can be
//! written again. `app` lists the rows.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use db::Db;
use futures_util::future::BoxFuture;
use request::clock;
use request::error::describe;
use sea_orm::{DatabaseConnection, DbErr};

/// The delay before the first run: a starting instance is busy.
pub const FIRST: Duration = Duration::from_secs(60);

/// The interval between runs.
const INTERVAL: Duration = Duration::from_secs(600);

/// The maximum number of rows that one statement deletes, so that it does not block others for long.
pub const BATCH: u64 = 1_000;

/// Deletes a [`BATCH`] of rows that have expired at this time, and returns their number.
pub type Sweep = for<'a> fn(&'a DatabaseConnection, DateTime<Utc>) -> BoxFuture<'a, Result<u64, DbErr>>;

/// Writes something at this time and deletes it.
pub type Trial = for<'a> fn(&'a Db, DateTime<Utc>) -> BoxFuture<'a, Result<(), DbErr>>;

/// Deletes expired rows from time to time, `first` after this delay. Never returns. Several instances may run it
/// simultaneously.
pub async fn run(db: Db, sweeps: &[Sweep], first: Duration) {
    tokio::time::sleep(first).await;
    loop {
        // Without a turn, it runs later: other changes are more urgent.
        match db.change(sweep(&db.write, sweeps, clock::now())).await {
            None | Some(Ok(0)) => {}
            Some(Ok(removed)) => tracing::debug!(removed, "deleted expired rows"),
            Some(Err(error)) => {
                db.writes.note_failure(&error);
                let error = db.explain(Arc::new(error)).await;
                tracing::warn!("cannot delete expired rows, trying again: {}", describe(&error));
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// The pause between two tries to write.
const PAUSE: Duration = Duration::from_secs(1);

/// While the database cannot be written, tries from time to time. Never returns.
pub async fn try_to_write(db: Db, trial: Trial) {
    loop {
        db.writes.wait_for_trouble().await;
        tokio::time::sleep(PAUSE).await;
        // Without a turn, it tries later: changes that succeed do not report it.
        match db.change(trial(&db, clock::now())).await {
            None => {}
            Some(Ok(())) => db.writes.note_success(),
            Some(Err(error)) => {
                tracing::debug!("the database still cannot be written: {error}");
                db.writes.note_failure(&error);
            }
        }
    }
}

/// Deletes all rows that have expired at `now`, batch by batch, and returns their number.
///
/// # Errors
/// The database failed.
pub async fn sweep(db: &DatabaseConnection, sweeps: &[Sweep], now: DateTime<Utc>) -> Result<u64, DbErr> {
    let mut removed = 0;
    loop {
        let mut batch = 0;
        for sweep in sweeps {
            batch += sweep(db, now).await?;
        }
        removed += batch;
        if batch == 0 {
            return Ok(removed);
        }
    }
}
