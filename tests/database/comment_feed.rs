//! The triggers of the comment feed write each change once, whoever makes it.

use sea_orm::{ConnectionTrait, DatabaseConnection};

use crate::catalogue::read_texts;
use crate::fixture::Fixture;
use crate::support::database::{Backend, TestDatabase};

on_both![
    each_change_is_written_once,
    rolled_back_changes_are_not_written,
    nothing_else_is_written,
    a_cascade_writes_an_event_for_each_comment,
    only_known_kinds_are_accepted,
];

const ORDER: &str = "SELECT kind || ' ' || comment_id || coalesce(' of movie ' || movie_id, '')
    || coalesce(' of publication ' || publication_id, '') FROM comment_events ORDER BY id";

/// The events of `sql`, run in one transaction.
async fn events_of(fixture: &Fixture, sql: &str) -> Vec<String> {
    let before = read_texts(&fixture.db, ORDER).await.len();
    fixture.commit(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    read_texts(&fixture.db, ORDER).await.split_off(before)
}

async fn each_change_is_written_once(backend: Backend) {
    let fixture = Fixture::new(backend).await;
    for (sql, expected) in [
        (
            "INSERT INTO comments (comment, movie_id) VALUES ('Раз', 4), ('Два', 4)",
            &["ADDED 6 of movie 4", "ADDED 7 of movie 4"][..],
        ),
        ("INSERT INTO comments (comment, publication_id) SELECT 'Три', 2", &["ADDED 8 of publication 2"]),
        (
            "UPDATE comments SET comment = comment || '!' WHERE id >= 7",
            &["EDITED 7 of movie 4", "EDITED 8 of publication 2"],
        ),
        ("DELETE FROM comments WHERE id = 7", &["DELETED 7 of movie 4"]),
        // With a reply: the row stays without its text, and is deleted later with its tombstone.
        ("INSERT INTO comments (comment, parent_id, movie_id) VALUES ('Ответ', 6, 4)", &["ADDED 9 of movie 4"]),
        ("INSERT INTO comment_tombstones (comment_id) VALUES (6)", &["DELETED 6 of movie 4"]),
        ("DELETE FROM comments WHERE id = 9", &["DELETED 9 of movie 4"]),
        ("DELETE FROM comments WHERE id = 6", &[]),
        ("INSERT INTO comment_tombstones (comment_id, hidden) VALUES (8, {yes})", &["HIDDEN 8 of publication 2"]),
        ("DELETE FROM publications WHERE id = 2", &[]),
    ] {
        let sql = sql.replace("{yes}", if backend == Backend::Postgres { "true" } else { "1" });
        assert_eq!(events_of(&fixture, &sql).await, expected, "{sql}");
    }
}

async fn rolled_back_changes_are_not_written(backend: Backend) {
    let fixture = Fixture::new(backend).await;
    let before = read_texts(&fixture.db, ORDER).await;
    fixture
        .run("BEGIN; INSERT INTO comments (comment, movie_id) VALUES ('Раз', 4); DELETE FROM comments WHERE id = 2; ROLLBACK")
        .await
        .unwrap();
    assert_eq!(read_texts(&fixture.db, ORDER).await, before);
}

async fn nothing_else_is_written(backend: Backend) {
    let fixture = Fixture::new(backend).await;
    for sql in [
        "UPDATE comments SET comment = comment",
        "UPDATE comments SET changed_at = created_at",
        // Comments of deleted authors stay.
        "DELETE FROM users WHERE id = 3",
        "INSERT INTO comments (comment, movie_id) SELECT 'Ничего', id FROM movies WHERE id < 0",
    ] {
        assert_eq!(events_of(&fixture, sql).await, [""; 0], "{sql}");
    }
}

async fn a_cascade_writes_an_event_for_each_comment(backend: Backend) {
    let fixture = Fixture::new(backend).await;
    fixture.run("INSERT INTO comment_tombstones (comment_id) VALUES (4)").await.unwrap();
    let mut thread = events_of(&fixture, "DELETE FROM publications WHERE id = 1").await;
    thread.sort();
    assert_eq!(thread, ["DELETED 3 of publication 1", "DELETED 5 of publication 1"]);
    let mut movie = events_of(&fixture, "DELETE FROM movies WHERE id = 3").await;
    movie.sort();
    assert_eq!(movie, ["DELETED 1 of movie 3", "DELETED 2 of movie 3"]);
}

async fn only_known_kinds_are_accepted(backend: Backend) {
    let fixture = Fixture::new(backend).await;
    if backend == Backend::Postgres {
        fixture.run("ALTER TABLE comment_events DISABLE TRIGGER USER").await.unwrap();
    }
    let insert = |kind: &str| format!("INSERT INTO comment_events (kind, comment_id) VALUES ('{kind}', 1)");
    fixture.run(&insert("HIDDEN")).await.unwrap();
    let refused = fixture.run(&insert("MOVED")).await.unwrap_err().to_string();
    assert!(refused.contains("comment_events_kind_check"), "{refused}");
}

async fn migrated() -> (TestDatabase, DatabaseConnection) {
    let database = TestDatabase::migrated(Backend::Postgres).await;
    let db = database.connect().await;
    (database, db)
}

/// A role that may write comments needs no rights on the feed, with any search path.
#[tokio::test]
async fn writers_need_no_rights_on_the_feed() {
    let (_database, db) = migrated().await;
    for statement in [
        "INSERT INTO movies (title, duration) VALUES ('Сталкер', 162)",
        "CREATE ROLE commenter",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON comments TO commenter",
        "GRANT SELECT, INSERT ON comment_tombstones TO commenter",
        "SET ROLE commenter",
        "SET search_path = pg_catalog",
        "INSERT INTO public.comments (comment, movie_id) VALUES ('Раз', 1), ('Два', 1)",
        "UPDATE public.comments SET comment = 'Три' WHERE id = 1",
        "INSERT INTO public.comment_tombstones (comment_id) VALUES (1)",
        "DELETE FROM public.comments WHERE id = 2",
        "RESET search_path",
        "RESET ROLE",
        "DROP OWNED BY commenter",
        "DROP ROLE commenter",
    ] {
        db.execute_unprepared(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    let kinds = read_texts(&db, "SELECT kind FROM comment_events ORDER BY id").await;
    assert_eq!(kinds, ["ADDED", "ADDED", "EDITED", "DELETED", "DELETED"]);
}

/// A restore of only the data contains another database's feed. Its comments get new events.
#[tokio::test]
async fn only_triggers_write_the_feed() {
    let (_database, db) = migrated().await;
    let epoch = read_texts(&db, "SELECT epoch FROM comment_feed").await;
    for statement in [
        "INSERT INTO comment_events (xact, kind, comment_id) VALUES ('77777', 'ADDED', 1)",
        "INSERT INTO comment_feed (epoch, home) VALUES ('another', 'elsewhere')",
    ] {
        db.execute_unprepared(statement).await.unwrap();
    }
    assert_eq!(read_texts(&db, "SELECT kind FROM comment_events").await, [""; 0]);
    assert_eq!(read_texts(&db, "SELECT epoch FROM comment_feed").await, epoch);
}
