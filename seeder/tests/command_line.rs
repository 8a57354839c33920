//! `seeder seed` as people start it, on both databases.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::process::{Command, Output};

use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait};

#[macro_use]
#[path = "../../tests/support/mod.rs"]
mod support;

use support::database::{Backend, TestDatabase};

on_both!(
    steps_are_printed_in_order,
    non_empty_database_is_refused_and_kept,
    stale_schema_is_refused,
    failure_leaves_nothing_behind,
    new_rows_get_ids_behind_the_seeded_ones,
);

const STEPS: &str = "load_tags..OK
load_publications_category..OK
load_award_registry..OK
load_awards_nominations..OK
load_persons_positions..OK
load_cinema_online..OK
load_movies_data..OK
load_users..OK
load_persons..OK
load_movies_staff..OK
load_awards..OK
load_cinema_movie_presence..OK
load_user_movie_orders..OK
load_publications..OK
load_comments..OK
load_users_rating..OK
";

fn seed(database: &TestDatabase, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seeder"));
    command.args(["seed", "--database-url", &database.url]).args(args).env_remove("DATABASE_URL").output().unwrap()
}

fn message(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

async fn steps_are_printed_in_order(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let output = seed(&database, &[]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), STEPS);
    let db = database.connect().await;
    for (rows, least) in [
        (entity::tags::Entity::find().count(&db).await.unwrap(), 14),
        (entity::publications_category::Entity::find().count(&db).await.unwrap(), 7),
        (entity::film_award_registry::Entity::find().count(&db).await.unwrap(), 11),
        (entity::film_award_nominations_registry::Entity::find().count(&db).await.unwrap(), 20),
        (entity::person_position::Entity::find().count(&db).await.unwrap(), 16),
        (entity::cinema_online::Entity::find().count(&db).await.unwrap(), 10),
        (entity::movies::Entity::find().count(&db).await.unwrap(), 500),
        (entity::persons::Entity::find().count(&db).await.unwrap(), 1_500),
        (entity::users::Entity::find().count(&db).await.unwrap(), 300),
        (entity::publications::Entity::find().count(&db).await.unwrap(), 200),
        (entity::comments::Entity::find().count(&db).await.unwrap(), 5_000),
    ] {
        assert_eq!(rows, least);
    }
}

async fn non_empty_database_is_refused_and_kept(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let db = database.connect().await;
    db.execute_unprepared("INSERT INTO cinema_online (title, url) VALUES ('Мой', 'https://my.example')").await.unwrap();
    let text = message(&seed(&database, &[]));
    assert!(text.contains("cinema_online") && text.contains("empty"), "{text}");
    assert_eq!(entity::cinema_online::Entity::find().count(&db).await.unwrap(), 1);
    assert_eq!(entity::tags::Entity::find().count(&db).await.unwrap(), 0);
}

async fn stale_schema_is_refused(backend: Backend) {
    let database = TestDatabase::empty(backend).await;
    let text = message(&seed(&database, &[]));
    assert!(text.contains("kinoteka migrate up"), "{text}");
}

async fn failure_leaves_nothing_behind(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let db = database.connect().await;
    // The last step fails, when the fifteen before it are done.
    db.execute_unprepared("ALTER TABLE users_rating RENAME COLUMN rating TO stars").await.unwrap();
    message(&seed(&database, &[]));
    assert_eq!(entity::tags::Entity::find().count(&db).await.unwrap(), 0);
    assert_eq!(entity::comments::Entity::find().count(&db).await.unwrap(), 0);
}

async fn new_rows_get_ids_behind_the_seeded_ones(backend: Backend) {
    let database = TestDatabase::seeded(backend).await;
    let db = database.connect().await;
    let insert = "INSERT INTO movies (title, duration) VALUES ('После посева', 90)";
    db.execute_unprepared(insert).await.unwrap();
    let newest = entity::movies::Entity::find_by_id(501).one(&db).await.unwrap().unwrap();
    assert_eq!(newest.title, "После посева");
}
