//! Steps on a filled database in use: preserved rows, locks, and interruptions.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use migration::{Migration, STEPS, Step, StepScript};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use tokio::task::JoinHandle;

use crate::catalogue::{dump, read_columns, read_texts};
use crate::support::client::{in_time, until};
use crate::support::database::{Backend, TestDatabase, connect_to};

on_both![a_step_keeps_the_rows_of_the_demo, an_interrupted_step_leaves_nothing];

/// The steps from 0014 on. Earlier ones were released without these tests.
fn new_steps() -> &'static [Step] {
    &STEPS[STEPS.iter().position(|step| step.name >= "0014").unwrap()..]
}

/// A database filled by the demo, with the schema before the new steps.
async fn before_new_steps(backend: Backend) -> (TestDatabase, DatabaseConnection) {
    let database = TestDatabase::seeded(backend).await;
    let db = database.connect().await;
    migration::down(&db, new_steps().len().try_into().unwrap()).await.unwrap();
    (database, db)
}

async fn a_step_keeps_the_rows_of_the_demo(backend: Backend) {
    let whole = dump(&TestDatabase::seeded(backend).await.connect().await, backend).await;
    let (_database, db) = before_new_steps(backend).await;
    for step in new_steps() {
        let columns = read_columns(&db, backend).await;
        let before = read_rows(&db, &columns).await;
        assert!(before["comments"].len() > 20 && before["movies"].len() > 10, "the demo must be there");
        assert_eq!(migration::up(&db, Some(1)).await.unwrap(), [step.name]);
        // A step may add columns.
        let after = read_rows(&db, &columns).await;
        for (table, rows) in before.iter().filter(|(table, _)| *table != "schema_steps") {
            assert!(after[table] == *rows, "{} changes rows of {table}", step.name);
        }
    }
    assert!(dump(&db, backend).await == whole);
}

/// Each table's sorted rows, as texts.
async fn read_rows(db: &DatabaseConnection, tables: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, Vec<String>> {
    let mut rows = BTreeMap::new();
    // SQLite's full-text tables cannot be dumped like this.
    for (table, columns) in tables.iter().filter(|(name, _)| !name.contains("_trigram") && !name.contains("_words")) {
        let quote = if db.get_database_backend() == sea_orm::DbBackend::Postgres { "quote_nullable" } else { "quote" };
        let columns = columns.iter().map(|column| format!("{quote}({})", column.split(' ').next().unwrap()));
        let row = columns.collect::<Vec<_>>().join(" || '|' || ");
        rows.insert(table.clone(), read_texts(db, &format!("SELECT {row} AS line FROM {table} ORDER BY line")).await);
    }
    rows
}

/// Simulates kill -9 at each statement. On PostgreSQL the session ends here; `tests/command_line/migrate.rs` kills the
/// process itself. On SQLite the files are copied.
async fn an_interrupted_step_leaves_nothing(backend: Backend) {
    let (database, db) = before_new_steps(backend).await;
    for step in new_steps() {
        let before = dump(&db, backend).await;
        let statements = split_statements(step.up_sql(backend.into()));
        for done in 1..=statements.len() {
            let broken = database.connect().await;
            let begin = if backend == Backend::Sqlite { "PRAGMA cache_size = 5; BEGIN IMMEDIATE" } else { "BEGIN" };
            broken.execute_unprepared(begin).await.unwrap();
            for statement in &statements[..done] {
                broken.execute_unprepared(statement).await.unwrap();
            }
            match backend {
                Backend::Postgres => {
                    let [own] = &read_texts(&broken, "SELECT pg_backend_pid()::text").await[..] else { panic!() };
                    let end = format!("SELECT pg_terminate_backend({own}, 10000)::text");
                    assert_eq!(read_texts(&db, &end).await, ["true"]);
                    assert!(dump(&db, backend).await == before, "{} after {done} statements", step.name);
                }
                Backend::Sqlite => {
                    let folder = tempfile::tempdir().unwrap();
                    let copy = copy_files(&database.url, folder.path()).await;
                    let after = dump(&copy, backend).await;
                    let new: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
                    assert!(after == before, "{} after {done} statements: {new:?}", step.name);
                    assert_eq!(migration::up(&copy, Some(1)).await.unwrap(), [step.name]);
                    broken.execute_unprepared("ROLLBACK").await.unwrap();
                }
            }
        }
        assert_eq!(migration::up(&db, Some(1)).await.unwrap(), [step.name]);
    }
}

/// Statements begin in the first column. Their other lines are indented or quoted.
fn split_statements(script: &str) -> Vec<String> {
    let lines: Vec<_> =
        script.lines().filter(|line| !line.trim_start().starts_with("--") && !line.is_empty()).collect();
    let mut statements = vec![String::new()];
    for (position, line) in lines.iter().enumerate() {
        let statement = statements.last_mut().unwrap();
        statement.push_str(&format!("{line}\n"));
        let begins = |next: &&str| next.starts_with(char::is_uppercase) && !next.starts_with("END");
        let is_whole = line.ends_with(';') && statement.matches("$$").count() % 2 == 0;
        if is_whole && lines.get(position + 1).is_some_and(begins) {
            statements.push(String::new());
        }
    }
    statements
}

/// A database with a copy of the current files, including uncommitted data.
async fn copy_files(url: &str, folder: &Path) -> DatabaseConnection {
    let file = url.trim_start_matches("sqlite://").trim_end_matches("?mode=rwc");
    for end in ["", "-wal", "-journal"] {
        std::fs::copy(format!("{file}{end}"), folder.join(format!("copy.db{end}"))).ok();
    }
    connect_to(&format!("sqlite://{}?mode=rwc", folder.join("copy.db").display())).await.unwrap()
}

// A step of a later version -----------------------------------------------------

const LATER: Step = Step {
    name: "9999_later",
    postgres: StepScript {
        up: "ALTER TABLE comments ADD COLUMN remark text;
INSERT INTO schema_steps (name, requires) VALUES ('9999_later', '0014_schema_steps');

CREATE INDEX CONCURRENTLY comments_remark_idx ON comments (remark);
-- A second one.
CREATE INDEX CONCURRENTLY comments_long_idx ON comments (length(comment), id);
",
        down: "DROP INDEX IF EXISTS comments_long_idx;
DROP INDEX IF EXISTS comments_remark_idx;
DELETE FROM schema_steps WHERE name = '9999_later';
ALTER TABLE comments DROP COLUMN remark;
",
    },
    sqlite: StepScript { up: "", down: "" },
};

type Told = Arc<Mutex<Vec<String>>>;

/// Runs `migrate up` of a later version, and records its messages.
fn up_later(url: &str, told: &Told) -> JoinHandle<Result<Vec<String>, DbErr>> {
    let (url, told) = (url.to_owned(), told.clone());
    tokio::spawn(async move {
        let db = connect_to(&url).await.unwrap();
        let steps = [STEPS, &[LATER]].concat();
        let tell = |line: &str| told.lock().unwrap().push(line.to_owned());
        let pauses = &[Duration::from_millis(100), Duration::from_millis(200), Duration::from_millis(300)];
        let migration = Migration { steps: &steps, tell: &tell, pauses, lock_timeout: Duration::from_millis(600) };
        migration.up(&db, None).await
    })
}

async fn wait_for(db: &DatabaseConnection, sql: &str) {
    in_time(async {
        while read_texts(db, sql).await != ["true"] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

async fn unfinished(db: &DatabaseConnection) -> Vec<String> {
    let steps = [STEPS, &[LATER]].concat();
    Migration { steps: &steps, ..Migration::default() }.unfinished_indexes(db).await.unwrap()
}

const IS_BUILDING: &str = "SELECT (count(*) > 0)::text FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE '%INDEX CONCURRENTLY%' AND state = 'active'
      AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()";

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_index_is_found_and_finished() {
    let database = TestDatabase::seeded(Backend::Postgres).await;
    let (db, old) = (database.connect().await, database.connect().await);
    let told = Told::default();
    assert_eq!(up_later(&database.url, &told).await.unwrap().unwrap(), ["9999_later"]);
    assert_eq!(unfinished(&db).await, [""; 0]);
    // As if the process had ended between the transaction and the index.
    db.execute_unprepared("DROP INDEX comments_long_idx").await.unwrap();
    assert_eq!(unfinished(&db).await, ["comments_long_idx"]);
    // Creating an index waits for earlier transactions, but does not block others.
    old.execute_unprepared("BEGIN; UPDATE comments SET comment = 'Старый' WHERE id = 1").await.unwrap();
    let building = up_later(&database.url, &told);
    wait_for(&db, IS_BUILDING).await;
    in_time(db.execute_unprepared("UPDATE comments SET comment = 'Изменён' WHERE id = 3")).await.unwrap();
    let second = up_later(&database.url, &told);
    let end = "SELECT pg_terminate_backend(pid, 10000)::text FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE '%INDEX CONCURRENTLY%' AND state = 'active' AND pid <> pg_backend_pid()";
    assert_eq!(read_texts(&db, end).await, ["true"]);
    let error = building.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("the index comments_long_idx is not built"), "{error}");

    // The second run finds the invalid index of the first.
    wait_for(&db, IS_BUILDING).await;
    assert_eq!(unfinished(&db).await, ["comments_long_idx"]);
    until(|| told.lock().unwrap().iter().any(|line| line.starts_with("waiting for process "))).await;
    assert!(told.lock().unwrap().iter().any(|line| line == "building the index comments_long_idx"));
    old.execute_unprepared("COMMIT").await.unwrap();
    assert_eq!(second.await.unwrap().unwrap(), [""; 0]);
    assert_eq!(unfinished(&db).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_waits_for_a_lock_names_the_holders_and_gives_up() {
    let database = TestDatabase::seeded(Backend::Postgres).await;
    let (db, reader) = (database.connect().await, database.connect().await);
    reader.execute_unprepared("BEGIN; SELECT count(*) FROM comments").await.unwrap();
    let [process] = &read_texts(&reader, "SELECT pg_backend_pid()::text").await[..] else { panic!() };
    let before = dump(&db, Backend::Postgres).await;
    let told = Told::default();
    let error = in_time(up_later(&database.url, &told)).await.unwrap().unwrap_err().to_string();
    assert!(error.contains("other sessions hold locks that the steps need"), "{error}");
    let told = told.lock().unwrap().clone();
    assert!(
        told.iter().any(|line| line.starts_with(&format!("waiting for process {process} (user kinoteka"))),
        "{told:?}"
    );
    assert_eq!(told.iter().filter(|line| line.contains("trying again in")).count(), 3, "{told:?}");
    assert!(dump(&db, Backend::Postgres).await == before);
    reader.execute_unprepared("COMMIT").await.unwrap();
    assert_eq!(up_later(&database.url, &Told::default()).await.unwrap().unwrap(), ["9999_later"]);
    assert_eq!(unfinished(&db).await, [""; 0]);
}
