//! What the server does by itself: removes rows that are over, such as sessions that have expired, and finds out when a
//! database that could not be written can be again. `app` says which rows.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use db::Db;
use futures_util::future::BoxFuture;
use request::clock;
use request::error::describe;
use sea_orm::{DatabaseConnection, DbErr};

/// When an instance looks first: it has enough to do when it starts.
pub const FIRST: Duration = Duration::from_secs(60);

/// How often it looks from then on.
const INTERVAL: Duration = Duration::from_secs(600);

/// Rows that one statement removes at most, so that none holds others up.
pub const BATCH: u64 = 1_000;

/// Removes a [`BATCH`] of rows that are over at this time; says how many.
pub type Sweep = for<'a> fn(&'a DatabaseConnection, DateTime<Utc>) -> BoxFuture<'a, Result<u64, DbErr>>;

/// Writes something at this time and removes it.
pub type Trial = for<'a> fn(&'a Db, DateTime<Utc>) -> BoxFuture<'a, Result<(), DbErr>>;

/// Removes from time to time, `first` after this long; never ends by itself. Several instances may do it at once.
pub async fn run(db: Db, sweeps: &[Sweep], first: Duration) {
    tokio::time::sleep(first).await;
    loop {
        // Without a turn, later: there are more urgent changes.
        match db.change(sweep(&db.write, sweeps, clock::now())).await {
            None | Some(Ok(0)) => {}
            Some(Ok(removed)) => tracing::debug!(removed, "removed rows that are over"),
            Some(Err(error)) => {
                db.writes.note_failure(&error);
                let error = db.explain(Arc::new(error)).await;
                tracing::warn!("cannot remove rows that are over, trying again: {}", describe(&error));
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Between two tries to write where nothing can be written.
const PAUSE: Duration = Duration::from_secs(1);

/// While the database cannot be written, tries from time to time; never ends by itself.
pub async fn try_to_write(db: Db, trial: Trial) {
    loop {
        db.writes.wait_for_trouble().await;
        tokio::time::sleep(PAUSE).await;
        // Without a turn, later: changes that succeed say nothing of it.
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

/// Removes all that is over at `now`, batch by batch; says how many rows.
///
/// # Errors
/// Whatever the database answers.
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
