//! What queries cost in SQL statements, whatever the number of rows.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::support::database::{Backend, TestDatabase};

on_both!(
    statements_do_not_grow_with_parents,
    list_page_costs_one_statement_a_level,
    one_read_needs_one_statement,
    pages_among_equal_keys_are_read_through_the_index,
);

/// Query (b) of the benchmarks: movies with all that a list shows of them.
const LIST_PAGE: &str = "query List($first: Int!) { movies(first: $first) { nodes {
    title year
    staff { nodes { character person { firstName lastName } position { title } } }
    awards { nodes { award { title } nomination { title } } }
    availability { nodes { price cinema { title } } }
} } }";

async fn statements_do_not_grow_with_parents(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    // The two newest have children of every kind, like the fifty.
    let sql = "INSERT INTO awards (film_award_id, movie_id, nomination_id)
        SELECT 1, id, 1 FROM movies WHERE id > (SELECT max(id) - 2 FROM movies)";
    app.sql().await.execute_unprepared(sql).await.unwrap();
    let few = app.statements_of(LIST_PAGE, json!({ "first": 2 })).await;
    let many = app.statements_of(LIST_PAGE, json!({ "first": 50 })).await;
    assert_eq!(few.len(), many.len(), "{few:#?}\n{many:#?}");
}

async fn list_page_costs_one_statement_a_level(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let statements = app.statements_of(LIST_PAGE, json!({ "first": 20 })).await;
    let mut tables: Vec<_> = statements.iter().map(|sql| main_table(sql)).collect();
    tables.sort_unstable();
    assert_eq!(
        tables,
        [
            "awards",
            "cinema_online",
            "cinema_online_movie_presence",
            "film_award_nominations_registry",
            "film_award_registry",
            "movie_staff_m2m",
            "movies",
            "person_position",
            "persons",
        ]
    );
}

async fn one_read_needs_one_statement(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let data = app.data("{ movies(first: 1) { nodes { id } } }", json!({})).await;
    let id = &data["movies"]["nodes"][0]["id"];
    let statements = app.statements_of("query($id: ID!) { movie(id: $id) { title year } }", json!({ "id": id })).await;
    assert_eq!(statements.len(), 1, "{statements:#?}");
    // Two fields that want the same rows share the statement.
    let twice = "query($id: ID!) { a: movie(id: $id) { title } b: movie(id: $id) { year } }";
    assert_eq!(app.statements_of(twice, json!({ "id": id })).await.len(), 1);
}

/// However many rows are equal in the first key, a page starts in the middle of them.
async fn pages_among_equal_keys_are_read_through_the_index(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let db = app.sql().await;
    let rows = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO movies (title, duration, rating) SELECT 'Равные', 90, 1 + i % 2 FROM n";
    db.execute_unprepared(rows).await.unwrap();
    db.execute_unprepared("ANALYZE").await.unwrap();
    for order in ["RATING", "RATING_DESC", "YEAR"] {
        let query = format!(
            "query($after: String) {{ movies(first: 100, after: $after, orderBy: {order}) {{
            pageInfo {{ endCursor }} }} }}"
        );
        let mut after = Value::Null;
        for _ in 0..50 {
            after = app.data(&query, json!({ "after": after })).await["movies"]["pageInfo"]["endCursor"].clone();
        }
        let statements = app.statements_of(&query, json!({ "after": after })).await;
        let plan = explain(&db, &statements[0]).await;
        // Each branch seeks by both keys; none sorts or scans the table.
        assert!(!plan.contains("SCAN movies") && !plan.contains("Seq Scan"), "{order}: {plan}");
        if backend == Backend::Sqlite {
            assert!(plan.contains("=? AND rowid") || order == "YEAR", "{order}: {plan}");
        }
    }
}

/// The plan of a statement whose parameters are not known here.
async fn explain(db: &DatabaseConnection, sql: &str) -> String {
    let text = match db.get_database_backend() {
        DbBackend::Sqlite => format!("EXPLAIN QUERY PLAN {sql}"),
        _ => format!("PREPARE page AS {sql}; SET plan_cache_mode = force_generic_plan"),
    };
    if db.get_database_backend() == DbBackend::Sqlite {
        let rows = db.query_all_raw(Statement::from_string(DbBackend::Sqlite, text)).await.unwrap();
        return rows.iter().map(|row| row.try_get::<String>("", "detail").unwrap() + "\n").collect();
    }
    db.execute_unprepared(&text).await.unwrap();
    let nulls = vec!["NULL"; sql.matches('$').count()].join(", ");
    let run = format!("EXPLAIN EXECUTE page ({nulls})");
    let rows = db.query_all_raw(Statement::from_string(DbBackend::Postgres, run)).await.unwrap();
    db.execute_unprepared("DEALLOCATE page").await.unwrap();
    rows.iter().map(|row| row.try_get::<String>("", "QUERY PLAN").unwrap() + "\n").collect()
}

/// The table that a statement reads its rows from: the first that follows a FROM.
fn main_table(sql: &str) -> &str {
    let (_, rest) = sql
        .match_indices("FROM \"")
        .map(|(at, found)| sql.split_at(at + found.len()))
        .last()
        .unwrap_or_else(|| panic!("no table in {sql}"));
    rest.split('"').next().unwrap()
}
