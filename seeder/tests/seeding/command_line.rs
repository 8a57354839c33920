//! What the program prints, what it refuses, and what it leaves behind.

use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait};

use crate::program::{STEPS, message, seed, seed_well};
use crate::support::database::{Backend, TestDatabase};

on_both!(
    steps_are_printed_in_order,
    non_empty_database_is_refused_and_unchanged,
    stale_schema_is_refused,
    new_rows_get_ids_after_the_seeded_ones,
    contradictory_numbers_are_refused,
    the_requested_number_of_rows_is_made,
);

async fn steps_are_printed_in_order(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    assert_eq!(seed_well(&database, &[]), STEPS);
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

async fn non_empty_database_is_refused_and_unchanged(backend: Backend) {
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

async fn new_rows_get_ids_after_the_seeded_ones(backend: Backend) {
    let database = TestDatabase::seeded(backend).await;
    let db = database.connect().await;
    let insert = "INSERT INTO movies (title, duration) VALUES ('После посева', 90)";
    db.execute_unprepared(insert).await.unwrap();
    let newest = entity::movies::Entity::find_by_id(501).one(&db).await.unwrap().unwrap();
    assert_eq!(newest.title, "После посева");
}

async fn contradictory_numbers_are_refused(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let text = message(&seed(&database, &["--users=0", "--orders=5"]));
    assert!(text.contains("--users") && text.contains("at least 1"), "{text}");
    let all = ["--movies", "--persons", "--users", "--staff", "--awards", "--presences", "--orders", "--publications"];
    let none: Vec<_> = all.iter().chain(&["--comments", "--ratings"]).map(|flag| format!("{flag}=0")).collect();
    // The lists alone are a valid seed.
    assert_eq!(seed_well(&database, &none.iter().map(String::as_str).collect::<Vec<_>>()), STEPS);
}

/// If the rows do not fit, none are made, and the error names the largest numbers.
async fn the_requested_number_of_rows_is_made(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let db = database.connect().await;
    let too_many = ["--movies=100", "--presences=1000", "--staff=1800", "--users=2", "--orders=3", "--ratings=400"];
    let text = message(&seed(&database, &too_many));
    for (flag, most) in [("--presences 1000", 880), ("--staff 1800", 1764), ("--orders 3", 0), ("--ratings 400", 270)] {
        let part = text.split(". ").find(|part| part.contains(flag)).unwrap_or_else(|| panic!("{flag}: {text}"));
        assert!(part.trim_end().ends_with(&format!(" the maximum is {most}")), "{part}");
    }
    assert_eq!(entity::tags::Entity::find().count(&db).await.unwrap(), 0);
    // Without publications, all comments and ratings go to movies.
    let largest = [
        "--movies=100",
        "--presences=880",
        "--staff=1764",
        "--users=2",
        "--orders=0",
        "--ratings=88",
        "--publications=0",
    ];
    assert_eq!(seed_well(&database, &largest), STEPS);
    for (rows, requested) in [
        (entity::cinema_online_movie_presence::Entity::find().count(&db).await.unwrap(), 880),
        (entity::movie_staff_m2m::Entity::find().count(&db).await.unwrap(), 1_764),
        (entity::users_rating::Entity::find().count(&db).await.unwrap(), 88),
        (entity::comments::Entity::find().count(&db).await.unwrap(), 5_000),
    ] {
        assert_eq!(rows, requested);
    }
}

#[tokio::test]
async fn numbers_of_the_size_are_lowered_to_what_fits() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    let output = seed(&database, &["--movies=10"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let db = database.connect().await;
    let presences = entity::cinema_online_movie_presence::Entity::find().count(&db).await.unwrap();
    let lowered = said.lines().find(|line| line.starts_with("lowered below --size")).unwrap();
    assert!(presences > 0 && lowered.contains(&format!("--presences {presences}")), "{lowered}");
    assert!(!lowered.contains("--comments"), "there is room for them: {lowered}");
    // The same flags give the same seed.
    let again = message(&seed(&database, &["--movies=10"]));
    assert!(again.contains("empty"), "{again}");
}

#[tokio::test]
async fn an_unreachable_server_is_named() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_seeder"));
    let url = format!("postgres://nobody@{}/films", crate::support::address::own_address());
    let text = message(&command.args(["seed", "--database-url", &url]).output().unwrap());
    assert!(text.contains("--database-url") && text.contains("start it, or correct the URL"), "{text}");
}
