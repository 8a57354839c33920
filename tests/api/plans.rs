//! Filters and orders of the longest list read indexes: what the databases plan, on many rows.
//!
//! What pages cost is measured by `benches/list_costs.rs`.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::json;

use crate::app::TestApp;
use crate::support::database::{Backend, TestDatabase};
use crate::support::rows::{self, MOVIE_FILTERS, MOVIE_ORDERS};

on_both!(every_filter_of_movies_reads_an_index_under_every_order);

async fn every_filter_of_movies_reads_an_index_under_every_order(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let db = app.sql().await;
    rows::fill(&db, if backend == Backend::Postgres { 20_000 } else { 5_000 }).await;
    let mut scans = Vec::new();
    for (name, filter) in MOVIE_FILTERS {
        for order in MOVIE_ORDERS {
            let query = format!("{{ movies(filter: {filter}, orderBy: {order}) {{ nodes {{ title }} }} }}");
            let statements = app.statements_with_values(&query, json!({})).await;
            let plan = explain(&db, &statements[0]).await;
            // The newest first is the order of SQLite's table itself.
            let in_order = backend == Backend::Sqlite && *order == "NEWEST";
            if plan.iter().any(|step| is_scan(step) && !in_order) {
                scans.push(format!("{name} {order}: {plan:#?}"));
            }
        }
    }
    assert!(scans.is_empty(), "{}", scans.join("\n"));
}

/// The step reads a whole table, and not by an index or from a part of the same statement.
fn is_scan(step: &str) -> bool {
    let on_sqlite = step.starts_with("SCAN ") && !["USING", "VIRTUAL", "branch"].iter().any(|word| step.contains(word));
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
