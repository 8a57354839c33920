//! Indexes on large tables, built after their step's transaction without blocking readers and writers (PostgreSQL).
//!
//! A step has them at the end of its script, since `CREATE INDEX CONCURRENTLY` cannot run in a transaction. If it is
//! interrupted, an invalid index remains, which is dropped and built again.

use std::time::Duration;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, RuntimeErr, Statement};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};

use crate::read_applied;
use crate::step::{ConcurrentIndex, Step};
use crate::waiting::{self, is_blocked};

/// The indexes of applied steps that are missing or invalid. An index that is being built is invalid.
pub(crate) async fn list_unfinished(db: &impl ConnectionTrait, steps: &[Step]) -> Result<Vec<ConcurrentIndex>, DbErr> {
    let backend = db.get_database_backend();
    let with_indexes: Vec<_> = steps
        .iter()
        .map(|step| (step.name, step.indexes(backend)))
        .filter(|(_, indexes)| backend == DbBackend::Postgres && !indexes.is_empty())
        .collect();
    if with_indexes.is_empty() {
        return Ok(Vec::new());
    }
    let applied = read_applied(db).await?;
    let mut unfinished = Vec::new();
    for index in
        with_indexes.into_iter().filter(|(step, _)| applied.iter().any(|name| name == step)).flat_map(|it| it.1)
    {
        let sql = "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass($1) AND indisvalid";
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [index.name.into()]);
        if db.query_one_raw(statement).await?.is_none() {
            unfinished.push(index);
        }
    }
    Ok(unfinished)
}

/// Builds missing indexes, one process at a time.
pub(crate) async fn build(
    db: &DatabaseConnection,
    steps: &[Step],
    pauses: &[Duration],
    tell: &(dyn Fn(&str) + Sync),
) -> Result<(), DbErr> {
    if list_unfinished(db, steps).await?.is_empty() {
        return Ok(());
    }
    let mut connection = db.get_postgres_connection_pool().connect_options().connect().await.map_err(to_error)?;
    take_turn(&mut connection).await.map_err(to_error)?;
    let process = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await.map_err(to_error)?;
    // Another process may have built them meanwhile.
    for index in list_unfinished(db, steps).await? {
        tell(&format!("building the index {}", index.name));
        let mut pauses = pauses.iter();
        loop {
            let work = build_one(&mut connection, index);
            match (waiting::watch(db, process, tell, work).await.map_err(to_error), pauses.next()) {
                (Err(error), Some(pause)) if is_blocked(&error) => tokio::time::sleep(*pause).await,
                (Err(error), _) => {
                    let name = index.name;
                    return Err(DbErr::Migration(format!(
                        "the steps are applied, but the index {name} is not built: {error}"
                    )));
                }
                (Ok(()), _) => break,
            }
        }
    }
    connection.close().await.map_err(to_error)
}

const TURN_PAUSE: Duration = Duration::from_millis(200);

/// Polls instead of waiting in a statement: the index of the other process would wait for that statement.
async fn take_turn(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    // An arbitrary number that no other program uses: "kinoindx" in ASCII. The end of the session releases it.
    while !sqlx::query_scalar("SELECT pg_try_advisory_lock(7739551075872205944)").fetch_one(&mut *connection).await? {
        tokio::time::sleep(TURN_PAUSE).await;
    }
    Ok(())
}

async fn build_one(connection: &mut PgConnection, index: ConcurrentIndex) -> Result<(), sqlx::Error> {
    // It waits for old transactions, and nothing waits for it.
    for statement in [
        "SET statement_timeout = 0",
        "SET lock_timeout = 0",
        &format!("DROP INDEX CONCURRENTLY IF EXISTS {}", index.name),
        index.statement,
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut *connection).await?;
    }
    Ok(())
}

fn to_error(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}
