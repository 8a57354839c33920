//! Migrations: up, down, by hand and concurrently, all with the same result.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use migration::{AdoptError, STEPS, SchemaState};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use tokio::task::JoinSet;

use crate::catalogue::{dump, read_texts};
use crate::fixture::Fixture;
use crate::support::database::{Backend, TestDatabase, connect_to};
use crate::support::postgres::find_programs;

on_both![
    a_publication_is_deleted_with_its_thread,
    down_then_up_leaves_the_same_schema,
    down_leaves_nothing,
    one_step_down_then_up_leaves_the_same_schema,
    concurrent_migrations_apply_steps_once,
    sql_run_by_hand_creates_the_same_schema_and_is_adopted,
    only_the_first_step_is_adopted_and_the_rest_applied,
    nothing_is_adopted_from_an_empty_database,
    nothing_is_adopted_with_an_index_missing,
    adopting_twice_records_nothing_twice,
    compare_names_missing_and_unknown_steps,
    a_newer_step_is_tolerated_if_its_requirement_is_known,
    steps_state_their_requirement,
];

async fn a_publication_is_deleted_with_its_thread(backend: Backend) {
    let fixture = Fixture::new(backend).await;
    let thread = "SELECT CAST(count(*) AS text) FROM comments AS a JOIN comments AS b ON b.parent_id = a.id
                  JOIN comments AS c ON c.parent_id = b.id WHERE a.publication_id = 1";
    assert_eq!(read_texts(&fixture.db, thread).await, ["1"], "the thread is three deep");
    fixture.commit("DELETE FROM publications WHERE id = 1").await.unwrap();
    let left = "SELECT comment FROM comments ORDER BY id";
    assert_eq!(read_texts(&fixture.db, left).await, ["Хорошо", "И правда"]);
}

async fn down_then_up_leaves_the_same_schema(backend: Backend) {
    // With rows, including threads, which must not block the migration.
    let fixture = Fixture::new(backend).await;
    let before = dump(&fixture.db, backend).await;
    assert!(before.len() > 50, "only {} lines", before.len());
    assert_eq!(migration::down(&fixture.db, u32::MAX).await.unwrap(), names().into_iter().rev().collect::<Vec<_>>());
    assert_eq!(migration::up(&fixture.db, None).await.unwrap(), names());
    assert_equal(&dump(&fixture.db, backend).await, &before);
    assert_eq!(migration::compare(&fixture.db).await.unwrap(), SchemaState::Current);
}

async fn down_leaves_nothing(backend: Backend) {
    let (_database, db) = open(TestDatabase::empty(backend).await).await;
    let before = dump(&db, backend).await;
    migration::up(&db, None).await.unwrap();
    migration::down(&db, u32::MAX).await.unwrap();
    assert_equal(&dump(&db, backend).await, &before);
}

async fn one_step_down_then_up_leaves_the_same_schema(backend: Backend) {
    let (_database, db) = open(TestDatabase::migrated(backend).await).await;
    let whole = dump(&db, backend).await;
    for steps in 1..=STEPS.len() {
        let last = STEPS[STEPS.len() - steps].name;
        assert_eq!(migration::down(&db, 1).await.unwrap(), [last]);
        let below = dump(&db, backend).await;
        assert_eq!(migration::up(&db, Some(1)).await.unwrap(), [last]);
        migration::down(&db, 1).await.unwrap();
        assert_equal(&dump(&db, backend).await, &below);
    }
    migration::up(&db, None).await.unwrap();
    assert_equal(&dump(&db, backend).await, &whole);
}

async fn concurrent_migrations_apply_steps_once(backend: Backend) {
    let (_original, original) = open(TestDatabase::migrated(backend).await).await;
    let database = TestDatabase::empty(backend).await;
    let mut connections = Vec::new();
    for _ in 0..6 {
        connections.push(database.connect().await);
    }
    let mut running = JoinSet::new();
    for db in connections {
        running.spawn(async move { migration::up(&db, None).await });
    }
    let done: Vec<_> = running.join_all().await.into_iter().map(Result::unwrap).collect();
    assert_eq!(done.concat(), names(), "one applied every step, the others none: {done:?}");
    let db = database.connect().await;
    assert_eq!(recorded(&db).await, names());
    assert_equal(&dump(&db, backend).await, &dump(&original, backend).await);
}

async fn sql_run_by_hand_creates_the_same_schema_and_is_adopted(backend: Backend) {
    let (_original, original) = open(TestDatabase::migrated(backend).await).await;
    let (database, db) = open(TestDatabase::empty(backend).await).await;
    for name in names() {
        run_file(backend, &database.url, &format!("{name}.up.sql")).await;
    }
    assert_equal(&dump(&db, backend).await, &dump(&original, backend).await);
    assert_eq!(migration::compare(&db).await.unwrap(), SchemaState::Unrecorded);
    assert_eq!(migration::adopt(&db).await.unwrap(), names());
    assert_eq!(migration::compare(&db).await.unwrap(), SchemaState::Current);
    assert_eq!(migration::up(&db, None).await.unwrap(), [""; 0]);
    for name in names().iter().rev() {
        run_file(backend, &database.url, &format!("{name}.down.sql")).await;
    }
    let (_empty, empty) = open(TestDatabase::empty(backend).await).await;
    assert_equal(&dump(&db, backend).await, &dump(&empty, backend).await);
}

async fn only_the_first_step_is_adopted_and_the_rest_applied(backend: Backend) {
    let (_original, original) = open(TestDatabase::migrated(backend).await).await;
    let (database, db) = open(TestDatabase::empty(backend).await).await;
    run_file(backend, &database.url, "0001_tables.up.sql").await;
    assert_eq!(migration::adopt(&db).await.unwrap(), ["0001_tables"]);
    assert_eq!(migration::compare(&db).await.unwrap(), SchemaState::Behind(names()[1..].to_vec()));
    assert_eq!(migration::up(&db, None).await.unwrap(), names()[1..]);
    assert_equal(&dump(&db, backend).await, &dump(&original, backend).await);
}

async fn nothing_is_adopted_from_an_empty_database(backend: Backend) {
    let (_database, db) = open(TestDatabase::empty(backend).await).await;
    let error = migration::adopt(&db).await.unwrap_err();
    assert!(matches!(error, AdoptError::Empty), "{error:?}");
    assert!(error.to_string().contains("kinoteka migrate up"), "the remedy is named: {error}");
    assert_eq!(relations(&db, backend).await, [""; 0]);
}

async fn nothing_is_adopted_with_an_index_missing(backend: Backend) {
    for (index, step) in [("movie_title_idx", "0001_tables"), ("movies_year_idx", "0002_indexes")] {
        let (database, db) = open(TestDatabase::empty(backend).await).await;
        for name in names() {
            run_file(backend, &database.url, &format!("{name}.up.sql")).await;
        }
        db.execute_unprepared(&format!("DROP INDEX {index}")).await.unwrap();
        let before = relations(&db, backend).await;
        match migration::adopt(&db).await {
            Err(AdoptError::Partial { step: found, missing }) => {
                assert_eq!((found.as_str(), missing), (step, vec![format!("index {index}")]));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(relations(&db, backend).await, before);
        assert_eq!(migration::compare(&db).await.unwrap(), SchemaState::Unrecorded);
    }
}

async fn adopting_twice_records_nothing_twice(backend: Backend) {
    let (_database, db) = open(TestDatabase::migrated(backend).await).await;
    assert_eq!(migration::adopt(&db).await.unwrap(), [""; 0]);
    assert_eq!(recorded(&db).await, names());
}

async fn compare_names_missing_and_unknown_steps(backend: Backend) {
    let (_database, db) = open(TestDatabase::empty(backend).await).await;
    assert_eq!(migration::compare(&db).await.unwrap(), SchemaState::Behind(names()));
    assert_eq!(relations(&db, backend).await, [""; 0], "`compare` must change nothing");
    migration::up(&db, Some(1)).await.unwrap();
    assert_eq!(migration::compare(&db).await.unwrap(), SchemaState::Behind(names()[1..].to_vec()));
    migration::up(&db, None).await.unwrap();
    assert_eq!(migration::compare(&db).await.unwrap(), SchemaState::Current);
    let future = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('9999_future', 0)";
    db.execute_unprepared(future).await.unwrap();
    assert_eq!(migration::compare(&db).await.unwrap(), SchemaState::Ahead(vec!["9999_future".to_owned()]));
    let before = recorded(&db).await;
    migration::up(&db, None).await.unwrap_err();
    assert_eq!(recorded(&db).await, before, "a newer schema must not be changed");
}

async fn a_newer_step_is_tolerated_if_its_requirement_is_known(backend: Backend) {
    let (_database, db) = open(TestDatabase::migrated(backend).await).await;
    let known = STEPS.last().unwrap().name;
    let add = async |name: &str, requires: &str| {
        let record = format!("INSERT INTO seaql_migrations (version, applied_at) VALUES ('{name}', 0)");
        db.execute_unprepared(&record).await.unwrap();
        let says = format!("INSERT INTO schema_steps (name, requires) VALUES ('{name}', '{requires}')");
        db.execute_unprepared(&says).await.unwrap();
        migration::compare(&db).await.unwrap()
    };
    let newer = vec!["9998_next".to_owned()];
    assert_eq!(add("9998_next", known).await, SchemaState::Newer(newer.clone()));
    let both = vec!["9998_next".to_owned(), "9999_after".to_owned()];
    assert_eq!(add("9999_after", "9998_next").await, SchemaState::Ahead(both), "the step needs a version in between");
    db.execute_unprepared("DELETE FROM seaql_migrations WHERE version = '9999_after'").await.unwrap();
    assert_eq!(migration::compare(&db).await.unwrap(), SchemaState::Newer(newer.clone()));
    db.execute_unprepared("DELETE FROM schema_steps WHERE name = '9998_next'").await.unwrap();
    assert_eq!(migration::compare(&db).await.unwrap(), SchemaState::Ahead(newer), "the step states no requirement");
}

async fn steps_state_their_requirement(backend: Backend) {
    let (_database, db) = open(TestDatabase::empty(backend).await).await;
    for (position, step) in STEPS.iter().enumerate() {
        assert_eq!(migration::up(&db, Some(1)).await.unwrap(), [step.name]);
        if step.name < "0014" {
            continue;
        }
        let says = format!("SELECT requires FROM schema_steps WHERE name = '{}'", step.name);
        let requires = read_texts(&db, &says).await;
        let names = &names()[..=position];
        assert!(requires.len() == 1 && names.contains(&requires[0]), "{}: {requires:?}", step.name);
        let said = read_texts(&db, "SELECT name FROM schema_steps ORDER BY name").await;
        assert_eq!(said, names.iter().filter(|name| *name > &"0014".to_owned()).cloned().collect::<Vec<_>>());
        migration::down(&db, 1).await.unwrap();
        if step.name > "0015" {
            assert_eq!(read_texts(&db, &says).await, [""; 0], "{} must remove its row", step.name);
        }
        migration::up(&db, Some(1)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn privileges_match_the_model() {
    let (_database, db) = open(TestDatabase::migrated(Backend::Postgres).await).await;
    let run = async |sql: &str| db.execute_unprepared(sql).await.map(|_| ());
    run("CREATE ROLE \"writes Comments\"; CREATE ROLE grants_on; CREATE ROLE has_none").await.unwrap();
    run("GRANT SELECT, INSERT ON comments TO \"writes Comments\"").await.unwrap();
    run("GRANT SELECT ON comments TO grants_on WITH GRANT OPTION; GRANT SELECT ON comments TO PUBLIC").await.unwrap();
    run("CREATE TABLE \"New\" (id int); SELECT grant_like('\"New\"', 'comments')").await.unwrap();
    let read = "SELECT concat_ws(' ', coalesce(rolname, 'PUBLIC'), privilege_type, is_grantable)
        FROM pg_class CROSS JOIN aclexplode(relacl) LEFT JOIN pg_roles ON pg_roles.oid = grantee
        WHERE pg_class.oid = '\"New\"'::regclass AND grantee <> relowner ORDER BY 1";
    let expected = ["PUBLIC SELECT f", "grants_on SELECT t", "writes Comments INSERT f", "writes Comments SELECT f"];
    assert_eq!(read_texts(&db, read).await, expected);
    run("DROP OWNED BY \"writes Comments\", grants_on; DROP ROLE \"writes Comments\", grants_on, has_none")
        .await
        .unwrap();
}

/// Runs one of our files with psql or sqlite3, as a DBA does.
async fn run_file(backend: Backend, url: &str, name: &str) {
    let folder = if backend == Backend::Postgres { "postgres" } else { "sqlite" };
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("migration/sql").join(folder).join(name);
    let mut command = match backend {
        Backend::Postgres => {
            let beside_the_server = find_programs().join("psql");
            let psql = if beside_the_server.exists() { beside_the_server } else { PathBuf::from("psql") };
            let mut command = Command::new(psql);
            command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(&file).arg(url).stdin(Stdio::null());
            command
        }
        Backend::Sqlite => {
            let path = url.trim_start_matches("sqlite://").trim_end_matches("?mode=rwc");
            let mut command = Command::new("sqlite3");
            command.arg("-bail").arg(path).stdin(std::fs::File::open(&file).unwrap());
            command
        }
    };
    match command.output() {
        Ok(output) => assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr)),
        // Without sqlite3, a plain connection runs the same text.
        Err(error) if backend == Backend::Sqlite && error.kind() == std::io::ErrorKind::NotFound => {
            let db = connect_to(url).await.unwrap();
            db.execute_unprepared(&std::fs::read_to_string(&file).unwrap()).await.unwrap();
            db.close().await.unwrap();
        }
        Err(error) => panic!("{command:?}: {error}"),
    }
}

fn names() -> Vec<String> {
    STEPS.iter().map(|step| step.name.to_owned()).collect()
}

async fn open(database: TestDatabase) -> (TestDatabase, DatabaseConnection) {
    let db = database.connect().await;
    (database, db)
}

async fn recorded(db: &DatabaseConnection) -> Vec<String> {
    read_texts(db, "SELECT version FROM seaql_migrations ORDER BY version").await
}

/// The names of all tables and indexes, including those of migrations.
async fn relations(db: &DatabaseConnection, backend: Backend) -> Vec<String> {
    let sql = match backend {
        Backend::Postgres => {
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname"
        }
        Backend::Sqlite => "SELECT name FROM sqlite_schema WHERE name <> 'sqlite_sequence' ORDER BY name",
    };
    read_texts(db, sql).await
}

/// Prints the lines that differ instead of both schemas.
fn assert_equal(left: &[String], right: &[String]) {
    let without = |of: &[String], other: &[String]| -> Vec<String> {
        of.iter().filter(|line| !other.contains(line)).cloned().collect()
    };
    assert_eq!((without(left, right), without(right, left)), (Vec::new(), Vec::new()));
    assert_eq!(left, right);
}
