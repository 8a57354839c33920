//! The cursor for a list: the feed after the cursor contains exactly the events that the list does not show.
//!
//! A comment in the list may not have a position in the feed yet. The cursor therefore has the snapshot of the
//! list, and the last tick that may have some of its events. When that tick can be read, it and the list's events
//! are safe: no number of its transactions is used again.

use std::sync::Arc;
use std::time::Duration;

use request::error::{ApiError, ApiResult, log_database};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use tokio::time::timeout;

use super::cursor::{CURSOR_BYTES_MAX, FeedCursor, ListedEvents, Snapshot};
use super::event::{Mark, Position, Stamp};
use super::hub::Hub;

/// The timeout of a tick.
const PATIENCE: Duration = Duration::from_secs(5);

/// Without ticks, the cursor is this much older than the list.
pub const MARGIN: Duration = Duration::from_secs(1);

/// The state of the feed in the transaction's snapshot. Fails on a standby, whose snapshots omit running
/// transactions.
const POSTGRES: &str = "
    SELECT feed.epoch, feed.ordering = 'TICK', coalesce(newest.tick, feed.floor_tick),
        coalesce(newest.mark, feed.floor_mark), pg_current_snapshot()::text, left(pg_walfile_name(pg_current_wal_lsn()), 8)
    FROM comment_feed AS feed
    LEFT JOIN LATERAL (SELECT tick, mark FROM comment_ticks ORDER BY tick DESC LIMIT 1) AS newest ON true";

const SQLITE: &str = "
    SELECT feed.epoch, coalesce(event.id, feed.floor_id),
        CAST(round((julianday(coalesce(event.at, feed.floor_at)) - 2440587.5) * 86400000) AS INTEGER) * 1000
    FROM comment_feed AS feed
    LEFT JOIN (SELECT id, at FROM comment_events ORDER BY id DESC LIMIT 1) AS event ON true";

impl Hub {
    /// A cursor a moment before now, as far as this instance has read the feed.
    pub fn cursor_before_now(&self) -> String {
        let now = std::time::Instant::now();
        self.cursor_at(now.checked_sub(MARGIN).unwrap_or(now))
    }

    /// The cursor after everything that `list` sees, which is a transaction with one snapshot.
    ///
    /// # Errors
    /// `Busy` while the feed cannot be read, and if a cursor has no room for the snapshot; errors of the database.
    pub async fn cursor_after_list(&self, list: &impl ConnectionTrait) -> ApiResult<String> {
        if list.get_database_backend() == DbBackend::Sqlite {
            return read_row_cursor(list).await.map_err(|error| ApiError::from(log_database(error)));
        }
        let unavailable = || ApiError::Busy("the comment feed cannot be read at the moment");
        // In this order: a server that answered the transaction after this point has lost nothing since its snapshot,
        // and one with an unbroken connection to the tail has lost nothing since.
        let session = self.stamping.session().map_err(|_| unavailable())?;
        let read = list.query_one_raw(Statement::from_string(DbBackend::Postgres, POSTGRES)).await;
        let read = read.and_then(|row| {
            let row = row.ok_or_else(no_feed)?;
            row.try_get_many_by_index::<(String, bool, i64, i64, String, String)>()
        });
        let read = read.map_err(|error| ApiError::from(log_database(error)))?;
        let (epoch, by_tick, tick, mark, snapshot, timeline) = read;
        if !by_tick {
            return Ok(self.cursor_before_now());
        }
        let stamped = timeout(PATIENCE, self.stamping.stamp(session)).await;
        let last = stamped.ok().and_then(Result::ok).flatten();
        let last = last.filter(|last| *last.epoch == *epoch && *last.timeline == *timeline).ok_or_else(unavailable)?;
        let position = Mark { position: Position::end_of(tick), stamp: Stamp::Tick(mark) };
        let seen = match (last.tick, last.mark) == (tick, mark) {
            // Everything in the list has a position up to here.
            true => None,
            false => {
                let snapshot = Snapshot::parse(&snapshot).ok_or_else(unavailable)?;
                Some(Arc::new(ListedEvents { snapshot, tick: last.tick, mark: last.mark }))
            }
        };
        let text = FeedCursor { epoch, mark: position, seen }.text();
        match text.len() <= CURSOR_BYTES_MAX {
            true => Ok(text),
            false => Err(ApiError::Busy("too many changes are in progress to read a list with a cursor")),
        }
    }
}

fn no_feed() -> DbErr {
    DbErr::Custom("comment_feed has no row; run `kinoteka migrate adopt`".to_owned())
}

async fn read_row_cursor(list: &impl ConnectionTrait) -> Result<String, DbErr> {
    let row = list.query_one_raw(Statement::from_string(DbBackend::Sqlite, SQLITE)).await?.ok_or_else(no_feed)?;
    let (epoch, id, at_us): (String, i64, i64) = row.try_get_many_by_index()?;
    Ok(FeedCursor::encode(&epoch, Mark::of_row(0, id, at_us)))
}
