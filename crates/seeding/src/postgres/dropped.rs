//! Triggers, indexes and foreign keys: dropped for the load, and restored unchanged.
//!
//! `seeding_restores` has a statement that restores each dropped object. It is inserted in the transaction that drops
//! the object, and removed in the transaction that restores it. So nothing is lost if this program dies.

use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::postgres::PgConnection;
use sqlx::postgres::types::Oid;
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

use super::load::execute_all;
use crate::error::SeedError;
use crate::steps::{STEPS, SeedStep};
use crate::watch::{SeedEvent, Watch};

/// The phase that restores triggers.
pub const TRIGGERS: i16 = 0;
const INDEXES: i16 = 1;
const CONSTRAINTS: i16 = 2;
const VALIDATIONS: i16 = 3;

/// Drops the triggers of a step's table and of its side tables. Triggers that check foreign keys stay: they belong to
/// the constraints.
pub async fn drop_triggers(transaction: &mut PgConnection, step: &SeedStep) -> Result<(), SeedError> {
    let tables = std::iter::once(step.table).chain(step.sides.iter().map(|side| side.table));
    for table in tables {
        let note = "INSERT INTO seeding_restores (phase, target, statement)
            SELECT $2, $1, format('ALTER TABLE %s ENABLE %sTRIGGER %I', $1::regclass,
                CASE tgenabled WHEN 'A' THEN 'ALWAYS ' WHEN 'R' THEN 'REPLICA ' ELSE '' END, tgname)
            FROM pg_trigger WHERE tgrelid = $1::regclass AND NOT tgisinternal AND tgenabled <> 'D'";
        sqlx::query(note).bind(table).bind(TRIGGERS).execute(&mut *transaction).await?;
        transaction.execute(AssertSqlSafe(format!(r#"ALTER TABLE "{table}" DISABLE TRIGGER USER"#))).await?;
    }
    Ok(())
}

/// Records and drops the secondary indexes and foreign keys of all tables that a seed fills, as found by
/// `dropped.sql`.
pub async fn drop_indexes(control: &mut PgConnection) -> Result<(), SeedError> {
    let mut tables: Vec<&str> = STEPS.iter().map(|step| step.table).collect();
    tables.extend(STEPS.iter().flat_map(|step| step.sides).map(|side| side.table));
    tables.push("rating_totals");
    let mut transaction = control.begin().await?;
    let resolve =
        "SELECT array_agg(name::regclass::oid), current_setting('search_path') FROM unnest($1::text[]) AS name";
    let row = sqlx::query(resolve).bind(&tables).fetch_one(&mut *transaction).await?;
    let (oids, search_path): (Vec<Oid>, String) = (row.try_get(0)?, row.try_get(1)?);
    set_search_path(&mut transaction, "").await?;
    let found = sqlx::query(include_str!("dropped.sql")).bind(&oids).fetch_all(&mut *transaction).await?;
    set_search_path(&mut transaction, &search_path).await?;
    let mut removals = Vec::new();
    for row in found {
        let (phase, target, statement): (i16, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let note = "INSERT INTO seeding_restores (phase, target, statement) VALUES ($1, $2, $3)";
        sqlx::query(note).bind(phase).bind(target).bind(statement).execute(&mut *transaction).await?;
        if let Some(sql) = row.try_get::<Option<String>, _>(3)? {
            removals.push((phase != CONSTRAINTS, sql));
        }
    }
    // Foreign keys first.
    removals.sort();
    for (_, sql) in removals {
        transaction.execute(AssertSqlSafe(sql)).await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn set_search_path(transaction: &mut PgConnection, path: &str) -> Result<(), SeedError> {
    sqlx::query("SELECT set_config('search_path', $1, true)").bind(path).execute(transaction).await?;
    Ok(())
}

/// Restores the objects of one phase on one connection. Returns their number.
pub async fn restore(connection: &mut PgConnection, phase: i16) -> Result<u64, SeedError> {
    let statements = read(connection, phase).await?;
    let count = statements.len();
    for sql in statements {
        connection.execute(AssertSqlSafe(sql)).await?;
    }
    Ok(count.try_into().unwrap_or(u64::MAX))
}

/// Restores everything. Indexes are created in parallel, the slowest first.
pub async fn restore_all(
    control: &mut PgConnection,
    workers: &mut [PgConnection],
    watch: &dyn Watch,
) -> Result<u64, SeedError> {
    let of: i64 = sqlx::query_scalar("SELECT count(*) FROM seeding_restores").fetch_one(&mut *control).await?;
    let of = u64::try_from(of).unwrap_or_default();
    if of > 0 {
        watch.note(SeedEvent::Restored(0, of));
    }
    let done = AtomicU64::new(0);
    let count = || watch.note(SeedEvent::Restored(done.fetch_add(1, Ordering::Relaxed) + 1, of));
    done.fetch_add(restore(control, TRIGGERS).await?, Ordering::Relaxed);
    let indexes = read(control, INDEXES).await?;
    execute_all(workers, indexes, &count).await?;
    // Each takes a moment, and locks two tables; in parallel they could deadlock.
    done.fetch_add(restore(control, CONSTRAINTS).await?, Ordering::Relaxed);
    let validations = read(control, VALIDATIONS).await?;
    execute_all(workers, validations, &count).await?;
    Ok(of)
}

/// The statements of a phase, each with the removal of its note. Statements that are sent together are one
/// transaction.
async fn read(connection: &mut PgConnection, phase: i16) -> Result<Vec<String>, SeedError> {
    let sql = "SELECT format('DELETE FROM seeding_restores WHERE id = %s; %s', id, statement)
        FROM seeding_restores WHERE phase = $1
        ORDER BY statement LIKE '%USING gin%' DESC, pg_table_size(to_regclass(target)) DESC, id";
    let rows = sqlx::query(sql).bind(phase).fetch_all(connection).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
