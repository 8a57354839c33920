//! Several seeders, or the connections of killed ones, on one database.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use seeding::{SeedError, SeedEvent, SeedOptions, Sizes};

use crate::content::{assert_same_rows, count};
use crate::deferred::{catalogue, pending};
use crate::program::{SECONDS, command, eventually, message, seed_until, seed_well, signal};
use crate::support::database::{Backend, TestDatabase};

on_both!(one_of_two_seeders_with_other_flags_fills_the_database);

async fn one_of_two_seeders_with_other_flags_fills_the_database(backend: Backend) {
    let (database, alone) = (TestDatabase::migrated(backend).await, TestDatabase::migrated(backend).await);
    let flags =
        [["--movies=400", "--rng-seed=1", "--comments=1000"], ["--movies=450", "--rng-seed=2", "--comments=900"]];
    let children = flags
        .map(|flags| command(&database, "seed", &flags).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let outputs = children.map(|child| child.wait_with_output().unwrap());
    let winner = outputs.iter().position(|output| output.status.success());
    let winner = winner.unwrap_or_else(|| panic!("both gave up: {outputs:?}"));
    // The error depends on how far the winner is.
    let text = message(&outputs[1 - winner]);
    let answers = [
        "was started with other flags",
        "the database is not empty",
        "another program holds the database",
        "is locked by another process",
    ];
    assert!(answers.iter().any(|answer| text.contains(answer)), "{text}");
    seed_well(&alone, &flags[winner]);
    let db = database.connect().await;
    assert_same_rows(&db, &alone.connect().await).await;
    if backend == Backend::Sqlite {
        assert_is_sound(&db).await;
    }
}

async fn assert_is_sound(db: &DatabaseConnection) {
    let sql = "SELECT (SELECT group_concat(integrity_check) FROM pragma_integrity_check),
        (SELECT count(*) FROM pragma_foreign_key_check)";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap();
    let found: (String, i64) = (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap());
    assert_eq!(found, ("ok".to_owned(), 0));
}

/// Only SQLite: on PostgreSQL a lock lets one seeder look at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_two_seeders_on_an_empty_file_fills_it() {
    let (database, alone) =
        (TestDatabase::migrated(Backend::Sqlite).await, TestDatabase::migrated(Backend::Sqlite).await);
    let options = |movies| SeedOptions { sizes: Sizes { movies, ..Sizes::demo() }, ..SeedOptions::default() };
    let arrived = Arc::new(AtomicUsize::new(0));
    let mut seeds = Vec::new();
    for movies in [400, 450] {
        let (db, arrived) = (database.connect().await, Arc::clone(&arrived));
        // Between the look at the database and the first row, each waits for the other.
        let meet = move |event| {
            let SeedEvent::Rows(_) = event else { return };
            arrived.fetch_add(1, Ordering::SeqCst);
            let deadline = Instant::now() + Duration::from_secs(60);
            while arrived.load(Ordering::SeqCst) < 2 {
                assert!(Instant::now() < deadline, "the other seeder did not come");
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        seeds.push(tokio::spawn(async move { seeding::seed(&db, &options(movies), meet).await }));
    }
    let (first, second) = (seeds.remove(0).await.unwrap(), seeds.remove(0).await.unwrap());
    let (movies, refusal) = match (first, second) {
        (Ok(_), Err(refusal)) => (400, refusal),
        (Err(refusal), Ok(_)) => (450, refusal),
        both => panic!("{both:?}"),
    };
    assert!(matches!(refusal, SeedError::OtherParameters { .. }), "{refusal}");
    let text = refusal.to_string();
    assert!(text.contains(&format!("--movies {movies}, not")) && !text.contains("start again"), "{text}");
    let other = alone.connect().await;
    seeding::seed(&other, &options(movies), |_: SeedEvent| {}).await.unwrap();
    let db = database.connect().await;
    assert_same_rows(&db, &other).await;
    assert_is_sound(&db).await;
}

/// Continues a process when dropped, even if the test fails.
struct Halted(i32);

impl Halted {
    fn halt(process: i32) -> Self {
        signal("STOP", process);
        Self(process)
    }
}

impl Drop for Halted {
    fn drop(&mut self) {
        signal("CONT", self.0);
    }
}

/// The server has not noticed yet that the seeder was killed: one of its connections is still active.
#[tokio::test(flavor = "multi_thread")]
async fn restore_waits_for_connections_of_a_killed_run() {
    let database = TestDatabase::migrated(Backend::Postgres).await;
    let db = database.connect().await;
    let before = catalogue(&db).await;
    let args = [SECONDS, &["--defer-indexes", "--jobs=2"]].concat();
    let (mut child, _) = seed_until(&database, &args, "load_users..OK");
    let mut worker = None;
    eventually("a connection stores rows", async || {
        let sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY %'
            AND application_name = 'kinoteka seeder' AND state = 'active'";
        let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
        worker = row.map(|row| Halted::halt(row.try_get_by_index(0).unwrap()));
        worker.is_some()
    })
    .await;
    child.kill().unwrap();
    child.wait().unwrap();
    let away = pending(&db).await;
    assert!(away > 50);

    let restore = command(&database, "restore", &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The seeders' connections hold this lock; its number ends like that of `WORK_LOCK`.
    let waits = "pg_locks WHERE locktype = 'advisory' AND objid = x'73656565'::bigint::oid AND NOT granted";
    eventually("restore waits", async || count(&db, waits).await == 1).await;
    assert_eq!(pending(&db).await, away, "nothing was restored yet");
    drop(worker);
    let restored = restore.wait_with_output().unwrap();
    assert!(restored.status.success(), "{restored:?}");
    assert_eq!((catalogue(&db).await, pending(&db).await), (before, 0));
}
