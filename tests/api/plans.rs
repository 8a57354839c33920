//! Filters and orders of the longest list use indexes: the databases' plans, on many rows.
//!
//! `benches/list_costs.rs` measures the cost of pages.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::json;

use crate::app::TestApp;
use crate::support::database::{Backend, TestDatabase};
use crate::support::rows::{self, MOVIE_FILTERS, MOVIE_ORDERS};

on_both!(every_filter_of_movies_uses_an_index_in_every_order, every_search_uses_indexes);

async fn every_filter_of_movies_uses_an_index_in_every_order(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let db = app.sql().await;
    rows::fill(&db, 5_000).await;
    discourage_scans(&db).await;
    let mut scans = Vec::new();
    for (name, filter) in MOVIE_FILTERS {
        for order in MOVIE_ORDERS {
            let query = format!("{{ movies(filter: {filter}, orderBy: {order}) {{ nodes {{ title }} }} }}");
            let statements = app.statements_with_values(&query, json!({})).await;
            for statement in statements {
                let plan = explain(&db, &statement).await;
                // NEWEST is the order of SQLite's table itself.
                let in_order = backend == Backend::Sqlite && *order == "NEWEST";
                if plan.iter().any(|step| is_scan(step) && !in_order) {
                    scans.push(format!("{name} {order}: {statement} {plan:#?}"));
                }
            }
        }
    }
    assert!(scans.is_empty(), "{}", scans.join("\n"));
}

async fn every_search_uses_indexes(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let db = app.sql().await;
    rows::fill(&db, 2_000).await;
    let texts = "INSERT INTO publications (title, text, author, category)
        SELECT 'О фильме ' || id, 'Тихий вечер и мост номер ' || id, 1, 1 FROM movies";
    db.execute_unprepared(texts).await.unwrap();
    discourage_scans(&db).await;
    if backend == Backend::Postgres {
        // A small table must not be filtered row by row along another index either.
        db.execute_unprepared("SET enable_indexscan = off; SET enable_indexonlyscan = off").await.unwrap();
    }
    let mut scans = Vec::new();
    for query in [
        "вечер",
        "номер 77",
        "\"тихий вечер\" -мост",
        "мост -ветер -\"тихий вечер\"",
        "он и она",
        "за",
        "вечре мсот",
        "вечре -ветер",
        "вечер мост номер дом поезд берег сад город ветер голос снег день",
    ] {
        let search = "query($query: String!) { search(query: $query) { nodes { score snippet } } }";
        for statement in app.statements_with_values(search, json!({ "query": query })).await {
            let plan = explain(&db, &statement).await;
            if plan.iter().any(|step| is_scan(step)) || !reads_words(&statement, &plan) {
                scans.push(format!("{query}: {statement} {plan:#?}"));
            }
        }
    }
    assert!(scans.is_empty(), "{}", scans.join("\n"));
}

/// Searches for words or parts of them must use the indexes for these, and not test each row along another
/// index.
fn reads_words(statement: &str, plan: &[String]) -> bool {
    let has = |step: &str| plan.iter().any(|line| line.contains(step));
    let by_words = !statement.contains("publication_words WHERE") || has("publication_words_words_idx") || has(":M");
    let by_parts = !statement.contains("movie_titles WHERE (title LIKE") || has("movie_titles_trigram_idx");
    by_words && by_parts
}

/// PostgreSQL rightly scans small tables. With this setting, it scans a table only if no index fits.
async fn discourage_scans(db: &DatabaseConnection) {
    if db.get_database_backend() == DbBackend::Postgres {
        db.execute_unprepared("SET enable_seqscan = off").await.unwrap();
    }
}

/// Whether the step reads a whole table, without an index and not from a part of the same statement.
fn is_scan(step: &str) -> bool {
    // SQLite reads all of the ten cinemas.
    let allowed = ["USING", "VIRTUAL", "SCAN branch", "SCAN part", "SCAN found", "SCAN cinema_titles"];
    let on_sqlite = step.starts_with("SCAN ") && !allowed.iter().any(|word| step.contains(word));
    step.contains("Seq Scan on") || on_sqlite
}

/// The steps of the plan for a statement with its values.
async fn explain(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    let backend = db.get_database_backend();
    let (explain, column) = match backend {
        DbBackend::Sqlite => ("EXPLAIN QUERY PLAN", "detail"),
        _ => ("EXPLAIN", "QUERY PLAN"),
    };
    let rows = db.query_all_raw(Statement::from_string(backend, format!("{explain} {sql}"))).await.unwrap();
    rows.iter().map(|row| row.try_get("", column).unwrap()).collect()
}
