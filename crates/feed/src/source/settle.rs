//! Whether the events are this database's own; starts a new epoch if they are not.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};

/// Whether events and ticks have numbers of this database's own transactions. A copy in another database has another
/// home. Numbers that are yet to come are of another database.
const IS_HOME: &str = "
    SELECT home = system_identifier || '/' || pg_database.oid
        AND NOT EXISTS (SELECT FROM comment_events WHERE xact >= pg_snapshot_xmax(pg_current_snapshot()))
        AND coalesce((SELECT pg_snapshot_xmax(snapshot) FROM comment_ticks ORDER BY tick DESC LIMIT 1), floor_xact)
            <= pg_snapshot_xmax(pg_current_snapshot())
        AND pg_snapshot_xmax(floor_snapshot) <= pg_snapshot_xmax(pg_current_snapshot())
    FROM comment_feed, pg_control_system(), pg_database WHERE datname = current_database()";

const MOVE_HOME: &str = "
    UPDATE comment_feed SET home = system_identifier || '/' || pg_database.oid,
        epoch = left(replace(gen_random_uuid()::text, '-', ''), 12),
        floor_xact = DEFAULT, floor_id = DEFAULT, floor_at = DEFAULT,
        floor_tick = DEFAULT, floor_mark = DEFAULT, floor_snapshot = DEFAULT
    FROM pg_control_system(), pg_database WHERE datname = current_database()";

/// Starts a new epoch if the events are of another database, as after a restore from a dump. Returns whether it did.
///
/// # Errors
/// Any error of the database; a standby refuses.
pub async fn settle(db: &DatabaseConnection) -> Result<bool, DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(false);
    }
    let txn = migration::begin(db).await?;
    let statement = |sql: &str| Statement::from_string(DbBackend::Postgres, sql);
    // If several instances start, one does it.
    let locked = "SELECT id FROM comment_feed FOR UPDATE";
    let is_home = async || -> Result<bool, DbErr> {
        let row = txn.query_one_raw(statement(IS_HOME)).await?;
        row.map_or(Ok(true), |row| row.try_get_by_index(0))
    };
    if is_home().await? {
        return txn.rollback().await.map(|()| false);
    }
    txn.query_one_raw(statement(locked)).await?;
    if is_home().await? {
        return txn.rollback().await.map(|()| false);
    }
    txn.execute_raw(statement(MOVE_HOME)).await?;
    for table in ["comment_events", "comment_ticks"] {
        txn.execute_raw(statement(&format!("DELETE FROM {table}"))).await?;
    }
    txn.commit().await.map(|()| true)
}
