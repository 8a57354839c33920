//! Rows that only a step inserts. A dump of the schema lacks them, and so may one of the data.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use crate::{STEPS, SchemaState, begin_alone, compare};

/// A table that a step fills, and the statements that do.
struct StepRows {
    table: &'static str,
    fill: fn() -> Vec<String>,
}

const POSTGRES: &[StepRows] = &[
    StepRows {
        table: "comment_feed",
        fill: || {
            let home = "SELECT system_identifier || '/' || pg_database.oid
                FROM pg_control_system(), pg_database WHERE datname = current_database()";
            vec![format!("INSERT INTO comment_feed (home) {home} ON CONFLICT DO NOTHING")]
        },
    },
    StepRows { table: "schema_steps", fill: || fill_steps(DbBackend::Postgres) },
];

const SQLITE: &[StepRows] = &[
    StepRows { table: "comment_feed", fill: || vec!["INSERT OR IGNORE INTO comment_feed DEFAULT VALUES".to_owned()] },
    StepRows { table: "fold_letters", fill: fill_letters },
    StepRows { table: "schema_steps", fill: || fill_steps(DbBackend::Sqlite) },
];

/// The rows of `schema_steps`.
fn fill_steps(backend: DbBackend) -> Vec<String> {
    STEPS.iter().filter_map(|step| find_insert(step.up_sql(backend), "schema_steps")).collect()
}

/// The first statement of a script that inserts into a table.
fn find_insert(sql: &str, table: &str) -> Option<String> {
    let start = sql.find(&format!("INSERT INTO {table} "))?;
    sql[start..].split_once(';').map(|(insert, _)| insert.to_owned())
}

/// The letters of their step. Triggers fold again what was folded without them.
fn fill_letters() -> Vec<String> {
    let step = STEPS.iter().find(|step| step.name == "0007_folded_texts");
    let sql = step.map_or("", |step| step.up_sql(DbBackend::Sqlite));
    let letters = find_insert(sql, "fold_letters");
    let folded = ["movies SET title = title", "persons SET last_name = last_name", "publications SET title = title"];
    let folded = folded.into_iter().chain(["cinema_online SET title = title"]);
    letters.into_iter().chain(folded.map(|change| format!("UPDATE {change}"))).collect()
}

fn filled(backend: DbBackend) -> &'static [StepRows] {
    if backend == DbBackend::Sqlite { SQLITE } else { POSTGRES }
}

/// The tables of a current schema that have lost the rows of a step.
pub(crate) async fn find_empty(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let mut empty = Vec::new();
    for StepRows { table, .. } in filled(db.get_database_backend()) {
        let sql = format!("SELECT 1 FROM {table} LIMIT 1");
        if db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?.is_none() {
            empty.push((*table).to_owned());
        }
    }
    Ok(empty)
}

/// Inserts missing rows that only a step inserts, and returns the names of their tables.
///
/// # Errors
/// Any error of the database; nothing is changed then.
pub async fn refill(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let SchemaState::Incomplete(_) = compare(db).await? else { return Ok(Vec::new()) };
    let txn = begin_alone(db).await?;
    // If several processes start simultaneously, one does it.
    let empty = find_empty(&txn).await?;
    for StepRows { table, fill } in filled(txn.get_database_backend()) {
        if empty.iter().any(|name| name == table) {
            for statement in fill() {
                txn.execute_unprepared(&statement).await?;
            }
        }
    }
    txn.commit().await?;
    Ok(empty)
}
