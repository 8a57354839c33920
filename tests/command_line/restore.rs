//! Databases restored from separate dumps of schema and data: the server starts on them, and the tables that triggers
//! maintain are complete.

use std::process::Command;

use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::{Value, json};

use crate::process::{Server, run};
use crate::support::client;
use crate::support::database::{Backend, TestDatabase};
use crate::support::postgres::find_programs;

/// Tables that triggers write.
const SIDE_TABLES: [&str; 8] = [
    "movie_tags",
    "publication_tags",
    "movie_titles",
    "person_names",
    "publication_titles",
    "cinema_titles",
    "publication_words",
    "rating_totals",
];

/// Restores the output of `pg_dump` with `psql`, which stops at the first error.
fn copy(from: &TestDatabase, to: &TestDatabase, arguments: &[&str]) {
    let programs = find_programs();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut dump = Command::new(programs.join("pg_dump"));
    dump.args(arguments).arg("--file").arg(file.path()).args(["--dbname", &from.url]);
    let mut restore = Command::new(programs.join("psql"));
    restore.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(file.path()).arg(&to.url);
    for command in [&mut dump, &mut restore] {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

async fn read_rows(db: &DatabaseConnection, table: &str) -> Vec<String> {
    // Their own ids are assigned again.
    let sql = format!(
        "SELECT (to_jsonb(t) - CASE WHEN '{table}' = 'rating_totals' THEN 'id' ELSE '' END)::text FROM {table} AS t ORDER BY 1"
    );
    let rows = db.query_all_raw(sea_orm::Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

/// A server starts, becomes ready, and delivers a new comment.
async fn expect_service(database: &TestDatabase) {
    let status = run(&["migrate", "status", "--database-url", &database.url]).ok();
    let server = Server::start(&["--database-url", &database.url]);
    let ready = client::new().get(server.url.replace("/graphql", "/readyz")).send().await.unwrap();
    assert!(ready.status().is_success(), "{} after {status}", ready.text().await.unwrap());
    let query = "{ movies(first: 1) { totalCount nodes { title } } }";
    let answer = client::new().post(&server.url).json(&json!({ "query": query })).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert!(answer["errors"].is_null(), "{answer}");
    let status = run(&["migrate", "status", "--database-url", &database.url]).ok();
    assert!(status.ends_with("the database schema is current\n"), "{status}");
    let db = database.connect().await;
    let told = "INSERT INTO comments (comment, movie_id) SELECT 'Да', min(id) FROM movies HAVING min(id) IS NOT NULL";
    db.execute_unprepared(told).await.unwrap();
    db.close().await.unwrap();
}

async fn expect_copy(full: &TestDatabase, restored: &TestDatabase) {
    let (full, restored) = (full.connect().await, restored.connect().await);
    for table in SIDE_TABLES {
        let rows = read_rows(&restored, table).await;
        assert_eq!(rows, read_rows(&full, table).await, "{table}");
        assert!(!rows.is_empty(), "{table}");
    }
}

#[tokio::test]
async fn separate_dumps_of_schema_and_data_can_be_served() {
    let full = TestDatabase::seeded(Backend::Postgres).await;
    for arguments in [&["--data-only"][..], &["--data-only", "--disable-triggers"]] {
        let restored = TestDatabase::empty(Backend::Postgres).await;
        copy(&full, &restored, &["--schema-only"]);
        copy(&full, &restored, arguments);
        expect_copy(&full, &restored).await;
        expect_service(&restored).await;
    }
}

/// Restores data into a migrated database, as `pg_dump` suggests for tables that reference themselves.
#[tokio::test]
async fn data_can_be_restored_without_triggers_into_a_migrated_database() {
    let full = TestDatabase::seeded(Backend::Postgres).await;
    let restored = TestDatabase::migrated(Backend::Postgres).await;
    let mut arguments = vec!["--data-only", "--disable-triggers"];
    arguments.extend([
        "--exclude-table-data=seaql_migrations",
        "--exclude-table-data=schema_steps",
        "--exclude-table-data=comment_feed",
        "--exclude-table-data=comment_ticks",
    ]);
    copy(&full, &restored, &arguments);
    expect_copy(&full, &restored).await;
    expect_service(&restored).await;
}

#[tokio::test]
async fn a_dump_of_only_the_schema_can_be_adopted_and_served() {
    let full = TestDatabase::seeded(Backend::Postgres).await;
    let restored = TestDatabase::empty(Backend::Postgres).await;
    copy(&full, &restored, &["--schema-only"]);
    let adopted = run(&["migrate", "adopt", "--database-url", &restored.url]).ok();
    assert!(adopted.ends_with("rebuilt the rows of comment_feed, schema_steps\n"), "{adopted}");
    expect_service(&restored).await;
}

on_both!(adopt_restores_the_rows_of_migrations);

async fn adopt_restores_the_rows_of_migrations(backend: Backend) {
    let database = TestDatabase::seeded(backend).await;
    let db = database.connect().await;
    let tables: &[&str] = match backend {
        Backend::Postgres => &["comment_feed", "schema_steps"],
        Backend::Sqlite => &["comment_feed", "fold_letters", "schema_steps"],
    };
    let lose = async || {
        for table in tables {
            db.execute_unprepared(&format!("DELETE FROM {table}")).await.unwrap();
        }
    };
    for command in ["up", "adopt"] {
        lose().await;
        let status = run(&["migrate", "status", "--database-url", &database.url]).ok();
        for table in tables {
            assert!(status.contains(table) && status.contains("kinoteka migrate adopt"), "{status}");
        }
        let done = run(&["migrate", command, "--database-url", &database.url]).ok();
        assert!(done.ends_with(&format!("rebuilt the rows of {}\n", tables.join(", "))), "{done}");
    }
    // Folded titles are computed again.
    lose().await;
    db.execute_unprepared("UPDATE movies SET title = 'ЁЛКА' WHERE id = 1").await.unwrap();
    expect_service(&database).await;
    let folded = "SELECT title FROM movie_titles WHERE movie_id = 1";
    let row = db.query_one_raw(sea_orm::Statement::from_string(db.get_database_backend(), folded)).await.unwrap();
    assert_eq!(row.unwrap().try_get_by_index::<String>(0).unwrap(), "елка");
}

/// A role without rights to insert is told who must do it.
#[tokio::test]
async fn without_rights_adopt_names_the_remedy() {
    let database = TestDatabase::migrated(Backend::Postgres).await;
    let db = database.connect().await;
    for statement in [
        "DELETE FROM comment_feed",
        "CREATE ROLE restored_server LOGIN",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO restored_server",
        "REVOKE INSERT ON comment_feed FROM restored_server",
    ] {
        db.execute_unprepared(statement).await.unwrap();
    }
    let url = database.url.replace("kinoteka@", "restored_server@");
    let refused = run(&["serve", "--listen", "127.0.0.1:0", "--database-url", &url]);
    let message = refused.failure();
    assert!(message.contains("comment_feed") && message.contains("kinoteka migrate adopt"), "{message}");
    for statement in ["DROP OWNED BY restored_server", "DROP ROLE restored_server"] {
        db.execute_unprepared(statement).await.unwrap();
    }
}
