//! The rows and what triggers make of them.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use crate::program::{SECONDS, seed_well};
use crate::support::database::{Backend, TestDatabase};

on_both!(rows_do_not_depend_on_how_they_are_loaded);

async fn rows_do_not_depend_on_how_they_are_loaded(backend: Backend) {
    let (one, other) = (TestDatabase::migrated(backend).await, TestDatabase::migrated(backend).await);
    let args = |more: &[&'static str]| [SECONDS, more].concat();
    seed_well(&one, &args(&["--jobs=1"]));
    seed_well(&other, &args(&["--jobs=5", "--defer-indexes"]));
    assert_same_rows(&one.connect().await, &other.connect().await).await;
}

/// The seeder fills side tables in bulk. Here the same rows are inserted one by one with all triggers on, which make
/// the side tables.
#[tokio::test(flavor = "multi_thread")]
async fn side_tables_are_what_triggers_make() {
    let (seeded, plain) = (TestDatabase::seeded(Backend::Sqlite).await, TestDatabase::migrated(Backend::Sqlite).await);
    let db = plain.connect().await;
    let file = seeded.url.trim_start_matches("sqlite://").trim_end_matches("?mode=rwc");
    db.execute_unprepared(&format!("ATTACH '{file}' AS seeded")).await.unwrap();
    for step in &seeding::steps::STEPS {
        let table = step.table;
        db.execute_unprepared(&format!("INSERT INTO main.{table} SELECT * FROM seeded.{table} ORDER BY rowid"))
            .await
            .unwrap();
    }
    db.execute_unprepared("DETACH seeded").await.unwrap();
    assert_same_rows(&seeded.connect().await, &db).await;
}

/// Asserts that two databases have equal rows in every table except the seeder's own notes. Ids of totals may differ.
pub async fn assert_same_rows(one: &DatabaseConnection, other: &DatabaseConnection) {
    let (one, other) = (read_rows(one).await, read_rows(other).await);
    assert!(one.len() > 20, "{:?}", one.keys());
    for (table, rows) in &one {
        let others = &other[table];
        assert_eq!(rows.len(), others.len(), "{table}");
        for (row, other) in rows.iter().zip(others) {
            assert_eq!(row, other, "{table}");
        }
    }
}

async fn read_rows(db: &DatabaseConnection) -> BTreeMap<String, Vec<String>> {
    let backend = db.get_database_backend();
    let tables = match backend {
        DbBackend::Postgres => {
            "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        }
        // The columns as text, blobs as hexadecimal digits; texts_to_search and the like are views.
        _ => "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite|_%' ESCAPE '|'",
    };
    let mut found = BTreeMap::new();
    for table in read_texts(db, tables).await {
        // The layout of a full-text index depends on the order of its inserts.
        let is_index = table.contains("_trigram_") || table.starts_with("publication_words_");
        // Seeded comments are not events, and each database's feed has its own name.
        let is_feed = ["comment_events", "comment_feed", "comment_ticks"].contains(&table.as_str());
        if table.starts_with("seeding_") || table == "seaql_migrations" || is_index || is_feed {
            continue;
        }
        let rows = match backend {
            DbBackend::Postgres => format!(
                "SELECT (to_jsonb(t) - CASE '{table}' WHEN 'rating_totals' THEN 'id' WHEN 'user_roles' THEN 'granted_at'
                     ELSE '' END)::text FROM {table} AS t ORDER BY 1"
            ),
            _ => {
                let columns = read_texts(db, &format!("SELECT name FROM pragma_table_info('{table}')")).await;
                let columns: Vec<_> = columns
                    .iter()
                    .filter(|column| (table.as_str(), column.as_str()) != ("rating_totals", "id"))
                    .map(|column| format!("coalesce(quote(\"{column}\"), '')"))
                    .collect();
                format!("SELECT {} FROM {table} ORDER BY 1", columns.join(" || '|' || "))
            }
        };
        found.insert(table, read_texts(db, &rows).await);
    }
    found
}

async fn read_texts(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await;
    let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

/// The number of rows of a table.
pub async fn count(db: &DatabaseConnection, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}
