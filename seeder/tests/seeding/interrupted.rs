//! Runs that stop before the end, and go on.

use std::process::Command;

use sea_orm::ConnectionTrait;

use crate::content::{assert_same_rows, count};
use crate::deferred::{catalogue, pending};
use crate::program::{SECONDS, STEPS, command, message, seed, seed_in_little_room, seed_until, seed_well};
use crate::support::database::{Backend, TestDatabase};

on_both!(
    a_failed_step_is_named_and_repeated,
    other_parameters_are_refused_while_unfinished,
    a_killed_run_goes_on_and_makes_the_same_rows,
    a_run_that_is_told_to_stop_brings_back_what_it_took_away,
    a_finished_seed_is_not_repeated,
);

async fn a_failed_step_is_named_and_repeated(backend: Backend) {
    let (database, whole) = (TestDatabase::migrated(backend).await, TestDatabase::seeded(backend).await);
    let db = database.connect().await;
    let before = catalogue(&db).await;
    // The last step fails, when the fifteen before it are done.
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

async fn a_killed_run_goes_on_and_makes_the_same_rows(backend: Backend) {
    let (database, whole) = (TestDatabase::migrated(backend).await, TestDatabase::migrated(backend).await);
    let db = database.connect().await;
    let before = catalogue(&db).await;
    let mut args = SECONDS.to_vec();
    args.push("--defer-indexes");
    // The next step, of persons, is under way.
    let (mut child, mut lines) = seed_until(&database, &args, "load_users..OK");
    child.kill().unwrap();
    child.wait().unwrap();

    lines.extend(seed_well(&database, &args));
    assert_eq!(lines, STEPS);
    assert_eq!(catalogue(&db).await, before);
    seed_well(&whole, SECONDS);
    assert_same_rows(&db, &whole.connect().await).await;
}

async fn a_run_that_is_told_to_stop_brings_back_what_it_took_away(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let db = database.connect().await;
    let before = catalogue(&db).await;
    let mut args = SECONDS.to_vec();
    args.push("--defer-indexes");
    let (child, _) = seed_until(&database, &args, "load_users..OK");
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let text = message(&output);
    assert!(text.contains("stopped at load_persons"), "{text}");
    assert_eq!(catalogue(&db).await, before);
    assert_eq!(count(&db, "users").await, 60_000);
    assert_eq!(pending(&db).await, 0);
    let restored = command(&database, "restore", &[]).output().unwrap();
    assert_eq!(String::from_utf8(restored.stdout).unwrap(), "nothing was away\n");
}

async fn a_finished_seed_is_not_repeated(backend: Backend) {
    let database = TestDatabase::seeded(backend).await;
    let text = message(&seed(&database, &[]));
    assert!(text.contains("not empty"), "{text}");
    assert_eq!(count(&database.connect().await, "movies").await, 500);
}

/// SQLite alone: PostgreSQL's files are its server's.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_room_is_named_and_the_run_goes_on_when_there_is_some() {
    let (database, whole) =
        (TestDatabase::migrated(Backend::Sqlite).await, TestDatabase::seeded(Backend::Sqlite).await);
    let text = message(&seed_in_little_room(&database, 4_000));
    assert!(text.contains("load_") && text.contains(" stopped: ") && text.contains("make room on the disk"), "{text}");
    assert!(text.contains("start again"), "{text}");
    seed_well(&database, &[]);
    assert_same_rows(&database.connect().await, &whole.connect().await).await;
}
