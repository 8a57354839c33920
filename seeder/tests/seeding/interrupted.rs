//! Runs that stop early and continue later.

use sea_orm::{ConnectionTrait, DatabaseConnection};

use crate::content::{assert_same_rows, count};
use crate::deferred::catalogue;
use crate::program::{SECONDS, STEPS, message, seed, seed_in_little_room, seed_until, seed_well};
use crate::support::database::{Backend, TestDatabase};

on_both!(
    a_failed_step_is_named_and_repeated,
    other_parameters_are_refused_while_unfinished,
    a_killed_run_continues_with_the_same_rows,
    a_finished_seed_is_not_repeated,
    a_seed_emptied_by_hand_must_be_emptied_completely,
    an_unfinished_seed_that_was_emptied_by_hand_is_not_continued,
);

async fn a_failed_step_is_named_and_repeated(backend: Backend) {
    let (database, whole) = (TestDatabase::migrated(backend).await, TestDatabase::seeded(backend).await);
    let db = database.connect().await;
    let before = catalogue(&db).await;
    // The last step fails after the other fifteen.
    db.execute_unprepared("ALTER TABLE users_rating RENAME COLUMN rating TO stars").await.unwrap();
    let output = seed(&database, &["--defer-indexes"]);
    let text = message(&output);
    assert!(text.contains("load_users_rating stopped") && text.contains("start again"), "{text}");
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), STEPS[..15]);
    assert_eq!(count(&db, "comments").await, 5_000);
    db.execute_unprepared("ALTER TABLE users_rating RENAME COLUMN stars TO rating").await.unwrap();
    assert_eq!(catalogue(&db).await, before);

    assert_eq!(seed_well(&database, &["--defer-indexes"]), STEPS[15..]);
    assert_same_rows(&db, &whole.connect().await).await;
    assert_eq!(catalogue(&db).await, before);
}

async fn other_parameters_are_refused_while_unfinished(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let db = database.connect().await;
    db.execute_unprepared("ALTER TABLE comments RENAME COLUMN comment TO words").await.unwrap();
    message(&seed(&database, &["--movies=600"]));
    let text = message(&seed(&database, &[]));
    assert!(text.contains("--movies 600, not 500"), "{text}");
    let text = message(&seed(&database, &["--movies=600", "--with-demo-accounts"]));
    assert!(text.contains("no --with-demo-accounts"), "{text}");
    assert_eq!(count(&db, "movies").await, 600);
}

async fn a_killed_run_continues_with_the_same_rows(backend: Backend) {
    let (database, whole) = (TestDatabase::migrated(backend).await, TestDatabase::migrated(backend).await);
    let db = database.connect().await;
    let before = catalogue(&db).await;
    let mut args = SECONDS.to_vec();
    args.push("--defer-indexes");
    // The next step, persons, is running.
    let (mut child, mut lines) = seed_until(&database, &args, "load_users..OK");
    child.kill().unwrap();
    child.wait().unwrap();

    lines.extend(seed_well(&database, &args));
    assert_eq!(lines, STEPS);
    assert_eq!(catalogue(&db).await, before);
    seed_well(&whole, SECONDS);
    assert_same_rows(&db, &whole.connect().await).await;
}

async fn a_finished_seed_is_not_repeated(backend: Backend) {
    let database = TestDatabase::seeded(backend).await;
    let text = message(&seed(&database, &[]));
    assert!(text.contains("not empty"), "{text}");
    assert_eq!(count(&database.connect().await, "movies").await, 500);
}

/// Empties the tables by hand to start over: the last tables first, since they refer to the others.
async fn empty_by_hand(db: &DatabaseConnection) {
    for step in seeding::steps::STEPS.iter().rev() {
        db.execute_unprepared(&format!("DELETE FROM {}", step.table)).await.unwrap();
    }
}

/// The error says how to proceed.
async fn must_be_emptied_completely(database: &TestDatabase, db: &DatabaseConnection) {
    let text = message(&seed(database, &[]));
    assert!(text.contains("emptied by hand") && !text.contains("start again"), "{text}");
    assert!(text.contains("kinoteka migrate down --steps 99, then kinoteka migrate up"), "{text}");
    for step in &seeding::steps::STEPS {
        assert_eq!(count(db, step.table).await, 0, "{}", step.table);
    }
    migration::down(db, 99).await.unwrap();
    migration::up(db, None).await.unwrap();
    assert_eq!(seed_well(database, &[]), STEPS);
}

async fn a_seed_emptied_by_hand_must_be_emptied_completely(backend: Backend) {
    let (database, whole) = (TestDatabase::seeded(backend).await, TestDatabase::seeded(backend).await);
    let db = database.connect().await;
    db.execute_unprepared("DELETE FROM users_rating").await.unwrap();
    let text = message(&seed(&database, &[]));
    assert!(text.contains("not empty: table tags") && text.contains("kinoteka migrate down"), "{text}");
    empty_by_hand(&db).await;
    must_be_emptied_completely(&database, &db).await;
    assert_same_rows(&db, &whole.connect().await).await;
}

async fn an_unfinished_seed_that_was_emptied_by_hand_is_not_continued(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let db = database.connect().await;
    db.execute_unprepared("ALTER TABLE comments RENAME COLUMN comment TO words").await.unwrap();
    message(&seed(&database, &[]));
    db.execute_unprepared("ALTER TABLE comments RENAME COLUMN words TO comment").await.unwrap();
    assert_eq!(count(&db, "tags").await, 14);
    empty_by_hand(&db).await;
    must_be_emptied_completely(&database, &db).await;
}

/// Only SQLite: PostgreSQL's files belong to its server.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_named_and_the_run_continues_later() {
    let (database, whole) =
        (TestDatabase::migrated(Backend::Sqlite).await, TestDatabase::seeded(Backend::Sqlite).await);
    let text = message(&seed_in_little_room(&database, 4_000));
    assert!(text.contains("load_") && text.contains(" stopped: ") && text.contains("make room on the disk"), "{text}");
    assert!(text.contains("start again"), "{text}");
    seed_well(&database, &[]);
    assert_same_rows(&database.connect().await, &whole.connect().await).await;
}
