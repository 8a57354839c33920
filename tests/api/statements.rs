//! The number of SQL statements of queries, independent of the number of rows.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::connections::LISTS;
use crate::movie::global_id;
use crate::support::database::{Backend, TestDatabase};

on_both!(
    statements_do_not_grow_with_parents,
    no_edge_costs_more_for_more_parents,
    worked_queries_cost_few_statements,
    registries_are_read_once_a_second,
    fields_that_need_the_same_rows_share_a_statement,
    pages_among_equal_keys_are_read_through_the_index,
);

/// Registries, whose rows are cached for a second.
pub const KEPT: [&str; 5] = [
    "person_position",
    "film_award_registry",
    "film_award_nominations_registry",
    "cinema_online",
    "publications_category",
];

/// Query (b) of the benchmarks: movies with everything that a list shows.
const LIST_PAGE: &str = "query List($first: Int!) { movies(first: $first) { nodes {
    title year
    staff { nodes { character person { firstName lastName } position { title } } }
    awards { nodes { award { title } nomination { title } } }
    availability { nodes { price cinema { title } } }
} } }";

async fn statements_do_not_grow_with_parents(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    // The two newest have rows in every nested list, like the fifty.
    let sql = "INSERT INTO awards (film_award_id, movie_id, nomination_id)
        SELECT 1, id, 1 FROM movies WHERE id > (SELECT max(id) - 2 FROM movies)";
    app.sql().await.execute_unprepared(sql).await.unwrap();
    let few = app.statements_of(LIST_PAGE, json!({ "first": 2 })).await;
    let many = app.statements_of(LIST_PAGE, json!({ "first": 50 })).await;
    assert_eq!(few.len(), many.len(), "{few:#?}\n{many:#?}");
}

/// The edges of each type.
const EDGES: &[(&str, &str)] = &[
    ("StaffMember", "person { bio } position { title } movie { plot userRating { count } }"),
    ("MovieAward", "award { title } nomination { title } person { bio } movie { plot }"),
    ("Availability", "cinema { title } movie { plot }"),
    (
        "Comment",
        "author { bio } subject { __typename } parent { text } replyCount depth isDeleted replies { nodes { text } }",
    ),
    (
        "Publication",
        "author { bio } category { title } excerpt userRating { count } comments { totalCount nodes { text } }",
    ),
    ("Rating", "user { bio } subject { __typename }"),
];

/// Every nested list with every field of its nodes, for three parents and for sixty.
async fn no_edge_costs_more_for_more_parents(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let db = app.sql().await;
    let introspection = "query($name: String!) { __type(name: $name) { fields { name type { ofType { name } } } } }";
    for list in LISTS {
        let Some((parent, sql)) = list.parent else { continue };
        // These have at most one parent that is visible to a viewer.
        if ["User.orders", "User.sessions"].contains(&list.field) {
            continue;
        }
        let field = list.field.split_once('.').unwrap().1;
        let data = app.data(introspection, json!({ "name": parent })).await;
        let fields = data["__type"]["fields"].as_array().unwrap();
        let connection = fields.iter().find(|found| found["name"] == field).unwrap();
        let node = connection["type"]["ofType"]["name"].as_str().unwrap().trim_end_matches("Connection");
        let edges = EDGES.iter().find(|(name, _)| *name == node).unwrap_or_else(|| panic!("EDGES lacks {node}")).1;
        let query = format!(
            "query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {parent} {{
             {field}(first: 5) {{ totalCount nodes {{ {edges} }} }} }} }} }}"
        );
        let mut costs = Vec::new();
        for parents in [3, 60] {
            let sql = sql.replace("LIMIT 1", &format!("LIMIT {parents}"));
            let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
            let ids: Vec<_> = rows.iter().map(|row| global_id(parent, row.try_get_by_index(0).unwrap())).collect();
            let statements = app.statements_of(&query, json!({ "ids": ids })).await;
            let mut tables: Vec<_> = statements.iter().map(|sql| main_table(sql).to_owned()).collect();
            tables.sort_unstable();
            // Cached rows are read once or not at all.
            for table in KEPT {
                assert!(tables.iter().filter(|read| *read == table).count() <= 1, "{}: {tables:?}", list.field);
            }
            tables.retain(|read| !KEPT.contains(&read.as_str()));
            costs.push(tables);
        }
        assert_eq!(costs[0], costs[1], "{}", list.field);
    }
}

/// The queries of the benchmarks, for one parent and for fifty: (a) a movie, (b) a page of movies with everything that a
/// list shows, (c) movies with their first comments and the authors.
async fn worked_queries_cost_few_statements(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let ids = |count: usize| (1..=count).map(|key| global_id("Movie", i32::try_from(key).unwrap())).collect::<Vec<_>>();
    let movie = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Movie {
        id title originalTitle year country rating durationMinutes } } }";
    let comments = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Movie { title comments(first: 20) { nodes {
        text createdAt author { username } } } } } }";
    for count in [1, 50] {
        let cases = [
            (movie, json!({ "ids": ids(count) }), &["movies"][..]),
            (
                LIST_PAGE,
                json!({ "first": count }),
                &["awards", "cinema_online_movie_presence", "movie_staff_m2m", "movies"],
            ),
            (comments, json!({ "ids": ids(count) }), &["comments", "movies"]),
        ];
        for (query, variables, tables) in cases {
            let read = async || {
                let statements = app.statements_of(query, variables.clone()).await;
                let mut tables: Vec<_> = statements.iter().map(|sql| main_table(sql).to_owned()).collect();
                tables.sort_unstable();
                tables
            };
            // Registries are read once a second, which may be over on a busy machine.
            let begun = Instant::now();
            loop {
                let found = read().await;
                if found == tables {
                    break;
                }
                assert!(begun.elapsed() < Duration::from_secs(60), "{query} for {count}: {found:?}");
            }
        }
    }
}

async fn registries_are_read_once_a_second(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let mut read: Vec<_> = app.statements_of(LIST_PAGE, json!({ "first": 50 })).await;
    read.retain(|sql| KEPT.contains(&main_table(sql)));
    assert_eq!(read.len(), 4, "{read:#?}");
    // Rows that are requested by id are always read.
    let query = "query($id: ID!) { cinema(id: $id) { title } }";
    let statements = app.statements_of(query, json!({ "id": global_id("Cinema", 1) })).await;
    assert_eq!(statements.iter().map(|sql| main_table(sql)).collect::<Vec<_>>(), ["cinema_online"]);
}

async fn fields_that_need_the_same_rows_share_a_statement(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let twice = "query($id: ID!) { a: movie(id: $id) { title } b: movie(id: $id) { year } }";
    assert_eq!(app.statements_of(twice, json!({ "id": global_id("Movie", 1) })).await.len(), 1);
}

/// A page can start in the middle of many rows with an equal first key.
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

/// The plan of a statement with unknown parameters.
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

/// The table from which a statement reads its rows: the first after a FROM.
pub fn main_table(sql: &str) -> &str {
    let (_, rest) = sql
        .match_indices("FROM \"")
        .map(|(at, found)| sql.split_at(at + found.len()))
        .last()
        .unwrap_or_else(|| panic!("no table in {sql}"));
    rest.split('"').next().unwrap()
}
