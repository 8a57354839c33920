//! What the server does by itself: removes sessions that have expired and idempotency keys that were kept long
//! enough, and finds out when a database that could not be written can be again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{DatabaseConnection, DbErr};

use crate::account::Sessions;
use crate::db::{self, Db};
use crate::{clock, idempotency};

/// When an instance looks first: it has enough to do when it starts.
pub const FIRST: Duration = Duration::from_secs(60);

/// How often it looks from then on.
const INTERVAL: Duration = Duration::from_secs(600);

/// Rows that one statement removes at most, so that none holds others up.
pub const BATCH: u64 = 1_000;

/// Removes from time to time, `first` after this long; never ends by itself. Several instances may do it at once.
pub async fn run(db: Db, first: Duration) {
    tokio::time::sleep(first).await;
    loop {
        // Without a turn, later: there are more urgent changes.
        if let Ok(_turn) = db.turn_to_write(db::OWN).await {
            match sweep(&db.write, clock::now()).await {
                Ok(0) => {}
                Ok(removed) => tracing::debug!(removed, "removed expired sessions and idempotency keys"),
                Err(error) => {
                    db.writes.note_failure(&error);
                    tracing::warn!("cannot remove expired sessions and idempotency keys, trying again: {error}");
                }
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Between two tries to write where nothing can be written.
const PAUSE: Duration = Duration::from_secs(1);

/// While the database cannot be written, tries from time to time; never ends by itself.
pub async fn try_to_write(db: Db) {
    loop {
        db.writes.wait_for_trouble().await;
        tokio::time::sleep(PAUSE).await;
        // Without a turn, later: changes that succeed say nothing of it.
        let Ok(_turn) = db.turn_to_write(db::OWN).await else { continue };
        match idempotency::write_and_forget(&db, clock::now()).await {
            Ok(()) => db.writes.note_success(),
            Err(error) => {
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
pub async fn sweep(db: &DatabaseConnection, now: DateTime<Utc>) -> Result<u64, DbErr> {
    let mut removed = 0;
    loop {
        let batch = Sessions::remove_expired(db, now).await? + idempotency::forget(db, now).await?;
        removed += batch;
        if batch == 0 {
            return Ok(removed);
        }
    }
}
