//! Rows that a step makes and nobody else. A dump of the schema alone lacks them, and then one of the data may, too.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use crate::{STEPS, SchemaState, begin_alone, compare};

/// A table that a step has filled, and what fills it.
struct Filled {
    table: &'static str,
    fill: fn() -> Vec<String>,
}

const POSTGRES: &[Filled] = &[
    Filled {
        table: "comment_feed",
        fill: || {
            let home = "SELECT system_identifier || '/' || pg_database.oid
                FROM pg_control_system(), pg_database WHERE datname = current_database()";
            vec![format!("INSERT INTO comment_feed (home) {home} ON CONFLICT DO NOTHING")]
        },
    },
    Filled { table: "schema_steps", fill: || fill_steps(DbBackend::Postgres) },
];

const SQLITE: &[Filled] = &[
    Filled { table: "comment_feed", fill: || vec!["INSERT OR IGNORE INTO comment_feed DEFAULT VALUES".to_owned()] },
    Filled { table: "fold_letters", fill: fill_letters },
    Filled { table: "schema_steps", fill: || fill_steps(DbBackend::Sqlite) },
];

/// What each step says of itself.
fn fill_steps(backend: DbBackend) -> Vec<String> {
    STEPS.iter().filter_map(|step| find_insert(step.up_sql(backend), "schema_steps")).collect()
}

/// The first statement of a script that inserts into a table.
fn find_insert(sql: &str, table: &str) -> Option<String> {
    let start = sql.find(&format!("INSERT INTO {table} "))?;
    sql[start..].split_once(';').map(|(insert, _)| insert.to_owned())
}

/// The letters as their step has them. What was folded without them is folded anew, by triggers.
fn fill_letters() -> Vec<String> {
    let step = STEPS.iter().find(|step| step.name == "0007_folded_texts");
    let sql = step.map_or("", |step| step.up_sql(DbBackend::Sqlite));
    let letters = find_insert(sql, "fold_letters");
    let folded = ["movies SET title = title", "persons SET last_name = last_name", "publications SET title = title"];
    let folded = folded.into_iter().chain(["cinema_online SET title = title"]);
    letters.into_iter().chain(folded.map(|change| format!("UPDATE {change}"))).collect()
}

fn filled(backend: DbBackend) -> &'static [Filled] {
    if backend == DbBackend::Sqlite { SQLITE } else { POSTGRES }
}

/// The tables of a current schema that have lost what a step filled them with.
pub(crate) async fn find_empty(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let mut empty = Vec::new();
    for Filled { table, .. } in filled(db.get_database_backend()) {
        let sql = format!("SELECT 1 FROM {table} LIMIT 1");
        if db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?.is_none() {
            empty.push((*table).to_owned());
        }
    }
    Ok(empty)
}

/// Makes the rows again that only a step makes and the database has lost; names their tables.
///
/// # Errors
/// Whatever the database refuses; nothing is changed then.
pub async fn refill(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let SchemaState::Incomplete(_) = compare(db).await? else { return Ok(Vec::new()) };
    let txn = begin_alone(db).await?;
    // Of several that start at once, one does it.
    let empty = find_empty(&txn).await?;
    for Filled { table, fill } in filled(txn.get_database_backend()) {
        if empty.iter().any(|name| name == table) {
            for statement in fill() {
                txn.execute_unprepared(&statement).await?;
            }
        }
    }
    txn.commit().await?;
    Ok(empty)
}
