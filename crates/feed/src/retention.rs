//! Removes old events in small batches, on whichever instance is first.

use std::sync::Arc;
use std::time::Duration;

use db::{Db, Transaction};
use request::error::describe;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

/// How often an instance looks for events to remove.
const INTERVAL: Duration = Duration::from_secs(60);

/// Maximum number of rows that one transaction removes. While it runs, nothing newer is delivered in the order of
/// rows.
const BATCH: i64 = 1_000;

/// An arbitrary number that no other program uses: "keepfeed" in ASCII.
const ALONE: &str = "SELECT pg_try_advisory_xact_lock(7738717750890423652)";

const IS_BY_TICK: &str = "SELECT ordering = 'TICK' FROM comment_feed";

/// Moves the floor to the last of the oldest $2 ticks that, with all before it, is older than $1 seconds. A
/// listener that has seen the last event of that tick has missed nothing yet.
const RAISE_TICKS: &str = "
    UPDATE comment_feed SET floor_tick = last.tick, floor_mark = last.mark, floor_snapshot = last.snapshot,
        floor_xact = coalesce(event.xact, '0'), floor_id = coalesce(event.id, 0), floor_at = coalesce(event.at, last.at)
    FROM (
        SELECT *, bool_and(at < clock_timestamp() - $1 * interval '1 second') OVER (ORDER BY tick) AS old
        FROM (SELECT * FROM comment_ticks ORDER BY tick LIMIT $2) AS oldest
        ORDER BY old DESC, tick DESC LIMIT 1
    ) AS last
    LEFT JOIN LATERAL (
        SELECT xact, id, at FROM comment_events
        WHERE xact = ANY (last.late) OR xact >= last.from_xact AND xact < pg_snapshot_xmax(last.snapshot)
            AND pg_visible_in_snapshot(xact, last.snapshot)
        ORDER BY xact DESC, id DESC LIMIT 1
    ) AS event ON true
    WHERE last.old";

const REMOVE_TICKS: &str = "DELETE FROM comment_ticks WHERE tick <= (SELECT floor_tick FROM comment_feed)";

/// At most $1 events up to the floor.
const REMOVE_TICKED: &str = "
    DELETE FROM comment_events WHERE (xact, id) IN (
        SELECT event.xact, event.id FROM comment_feed AS feed, LATERAL (
            SELECT xact, id FROM comment_events
            WHERE xact < pg_snapshot_xmax(feed.floor_snapshot) AND pg_visible_in_snapshot(xact, feed.floor_snapshot)
            ORDER BY xact, id LIMIT $1
        ) AS event
    )";

/// Moves the floor to the last of the oldest $2 events that, with all before it, is older than $1 seconds.
const RAISE_POSTGRES: &str = "
    UPDATE comment_feed SET floor_xact = last.xact, floor_id = last.id, floor_at = last.at
    FROM (
        SELECT xact, id, at, bool_and(at < clock_timestamp() - $1 * interval '1 second') OVER (ORDER BY xact, id) AS old
        FROM (
            SELECT xact, id, at FROM comment_events WHERE xact < pg_snapshot_xmin(pg_current_snapshot())
            ORDER BY xact, id LIMIT $2
        ) AS oldest
        ORDER BY old DESC, xact DESC, id DESC LIMIT 1
    ) AS last
    WHERE last.old AND (floor_xact, floor_id) < (last.xact, last.id)";

const REMOVE_POSTGRES: &str = "
    DELETE FROM comment_events USING comment_feed AS feed
    WHERE (comment_events.xact, comment_events.id) <= (feed.floor_xact, feed.floor_id)";

const RAISE_SQLITE: &str = "
    UPDATE comment_feed SET floor_id = last.id, floor_at = last.at
    FROM (
        SELECT id, at, min(julianday(at) < julianday('now') - ?1 / 86400.0) OVER (ORDER BY id) AS old
        FROM (SELECT id, at FROM comment_events ORDER BY id LIMIT ?2)
        ORDER BY old DESC, id DESC LIMIT 1
    ) AS last
    WHERE last.old AND floor_id < last.id";

const REMOVE_SQLITE: &str = "DELETE FROM comment_events WHERE id <= (SELECT floor_id FROM comment_feed)";

/// Removes events that are older than `age`, now and at intervals.
pub(super) async fn run(db: Db, age: Duration) {
    loop {
        // Without a turn, it runs later: other changes are more urgent.
        while let Some(outcome) = db.change(remove(&db, age)).await {
            match outcome {
                Ok(0) => break,
                Ok(removed) => tracing::debug!(removed, "removed old events of the feed"),
                Err(error) => {
                    db.writes.note_failure(&error);
                    let error = db.explain(Arc::new(error)).await;
                    tracing::warn!("cannot remove old events of the feed, trying again later: {}", describe(&error));
                    break;
                }
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Removes one batch and returns its number of events.
///
/// # Errors
/// Any error of the database.
pub async fn remove(db: &Db, age: Duration) -> Result<u64, DbErr> {
    let txn = Transaction::begin(&db.writer()).await?;
    let backend = txn.get_database_backend();
    if backend == DbBackend::Postgres {
        let alone = txn.query_one_raw(Statement::from_string(backend, ALONE)).await?;
        if !alone.map_or(Ok(false), |row| row.try_get_by_index(0))? {
            return txn.rollback().await.map(|()| 0);
        }
    }
    if backend == DbBackend::Postgres {
        let by_tick = txn.query_one_raw(Statement::from_string(backend, IS_BY_TICK)).await?;
        if by_tick.map_or(Ok(false), |row| row.try_get_by_index(0))? {
            return remove_by_tick(txn, age).await;
        }
    }
    let (raise, delete) = match backend {
        DbBackend::Sqlite => (RAISE_SQLITE, REMOVE_SQLITE),
        _ => (RAISE_POSTGRES, REMOVE_POSTGRES),
    };
    let raise = Statement::from_sql_and_values(backend, raise, [age.as_secs_f64().into(), BATCH.into()]);
    if txn.execute_raw(raise).await?.rows_affected() == 0 {
        return txn.rollback().await.map(|()| 0);
    }
    let removed = txn.execute_raw(Statement::from_string(backend, delete)).await?.rows_affected();
    txn.commit().await?;
    Ok(removed)
}

async fn remove_by_tick(txn: Transaction, age: Duration) -> Result<u64, DbErr> {
    let statement = |sql, values: Vec<sea_orm::Value>| Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let raise = statement(RAISE_TICKS, vec![age.as_secs_f64().into(), BATCH.into()]);
    if txn.execute_raw(raise).await?.rows_affected() > 0 {
        txn.execute_raw(statement(REMOVE_TICKS, vec![])).await?;
    }
    let removed = txn.execute_raw(statement(REMOVE_TICKED, vec![BATCH.into()])).await?.rows_affected();
    txn.commit().await?;
    Ok(removed)
}
