//! The order of rows on PostgreSQL, which is used until `migrate finish`: an event waits for transactions that may still
//! commit before it.

use kinoteka::feed::Position;
use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::json;

use crate::instance::{Instance, database, say};
use crate::listening::{ADDED, movie};
use crate::support::client;
use crate::support::database::{Backend, TestDatabase};

/// A database of the previous release.
pub async fn database_of_rows() -> (TestDatabase, DatabaseConnection) {
    let (database, db) = database(Backend::Postgres).await;
    db.execute_unprepared("UPDATE comment_feed SET ordering = 'XACT'").await.unwrap();
    (database, db)
}

#[tokio::test(flavor = "multi_thread")]
async fn late_commits_are_not_skipped() {
    let (database, db) = database_of_rows().await;
    let instance = Instance::start(&database.url).await;
    let mut listener = instance.listen(ADDED, json!({}));
    let slow = database.connect().await;
    slow.execute_unprepared("BEGIN").await.unwrap();
    say(&slow, 1, "первый начал").await;
    say(&db, 1, "второй начал").await;
    assert!(listener.is_silent().await);
    // Reads and rollbacks delay nothing.
    slow.execute_unprepared("COMMIT").await.unwrap();
    assert_eq!(listener.texts(2).await, ["первый начал", "второй начал"]);
    slow.execute_unprepared("BEGIN; SELECT count(*) FROM comments").await.unwrap();
    say(&db, 1, "третий").await;
    assert_eq!(listener.texts(1).await, ["третий"]);
    slow.execute_unprepared("INSERT INTO comments (comment, movie_id) VALUES ('никогда', 1)").await.unwrap();
    say(&db, 1, "четвёртый").await;
    assert!(listener.is_silent().await);
    slow.execute_unprepared("ROLLBACK").await.unwrap();
    assert_eq!(listener.texts(1).await, ["четвёртый"]);
}

/// A transaction gets a number, writes nothing, and is lost in a crash. The number is then assigned again.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_assigned_again_is_not_skipped() {
    let (database, db) = database_of_rows().await;
    let instance = Instance::start(&database.url).await;
    let cursor = instance.ask("{ commentCursor }").await["commentCursor"].clone();
    // Otherwise the table accepts events only from the triggers of comments.
    db.execute_unprepared("ALTER TABLE comment_events DISABLE TRIGGER USER").await.unwrap();
    // Enough events that a returning listener must read the table.
    let many = "INSERT INTO comments (comment, movie_id) SELECT 'c' || i, 1 + (i < 20000)::int
        FROM generate_series(1, 20000) AS i";
    db.execute_unprepared(many).await.unwrap();
    let event = "SELECT max(xact::text::bigint) FROM comment_events";
    let row = db.query_one_raw(sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, event)).await.unwrap();
    let last: i64 = row.unwrap().try_get_by_index(0).unwrap();
    for _ in 0..3 {
        db.execute_unprepared("SELECT pg_current_xact_id()").await.unwrap();
    }
    client::until(|| instance.feed.hub.position().1.position == Position::of_row(last, 20_000)).await;
    let mut listener = instance.listen(ADDED, json!({ "subject": movie(1), "after": cursor }));
    assert_eq!(listener.texts(1).await, ["c20000"]);
    assert!(listener.is_silent().await);
    let again = format!(
        "INSERT INTO comment_events (xact, kind, comment_id, movie_id) VALUES ('{}', 'ADDED', 20000, 1)",
        last + 1
    );
    db.execute_unprepared(&again).await.unwrap();
    assert_eq!(listener.texts(1).await, ["c20000"]);
}

/// Two instances at different positions when ticks begin deliver the same order, and earlier cursors stay valid.
#[tokio::test(flavor = "multi_thread")]
async fn listeners_and_cursors_switch_to_ticks() {
    let (database, db) = database_of_rows().await;
    let (one, other) = (Instance::start(&database.url).await, Instance::start(&database.url).await);
    let (mut a, mut b) = (one.listen(ADDED, json!({})), other.listen(ADDED, json!({})));
    let mut cursors = Vec::new();
    for text in ["а", "б"] {
        say(&db, 1, text).await;
        let told = a.event().await;
        assert_eq!(told, b.event().await);
        cursors.push(told["cursor"].clone());
    }
    // Events behind an open transaction are delivered as soon as ticks exist.
    let slow = database.connect().await;
    slow.execute_unprepared("BEGIN").await.unwrap();
    say(&slow, 1, "поздний").await;
    say(&db, 1, "в").await;
    assert!(a.is_silent().await && b.is_silent().await);
    assert!(migration::finish(&db).await.unwrap());
    assert!(!migration::finish(&db).await.unwrap(), "the switch must happen only once");
    assert_eq!((a.texts(1).await, b.texts(1).await), (vec!["в".to_owned()], vec!["в".to_owned()]));
    slow.execute_unprepared("COMMIT").await.unwrap();
    let (late, again) = (a.event().await, b.event().await);
    assert_eq!((&late["comment"]["text"], &late), (&json!("поздний"), &again));
    // Cursors of both forms, on an existing and on a new instance.
    let third = Instance::start(&database.url).await;
    for instance in [&one, &third] {
        for (cursor, rest) in [(&cursors[0], 3), (&cursors[1], 2), (&late["cursor"], 0)] {
            let mut back = instance.listen(ADDED, json!({ "after": cursor }));
            assert_eq!(back.texts(rest).await, ["б", "в", "поздний"][3 - rest..]);
            assert!(back.is_silent().await);
        }
    }
}

/// An instance of the previous release may return a cursor of rows after the switch to ticks. It has no position in the order of ticks.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_after_the_first_tick_is_not_a_position() {
    let (database, db) = database(Backend::Postgres).await;
    let instance = Instance::start(&database.url).await;
    let mut listener = instance.listen(ADDED, json!({}));
    for text in ["а", "б", "в"] {
        say(&db, 1, text).await;
        listener.event().await;
    }
    let sql = "SELECT encode(convert_to('f1:' || epoch || ':' || xact || ':' || comment_events.id || ':'
            || (extract(epoch FROM at) * 1000000)::bigint, 'UTF8'), 'base64')
        FROM comment_events, comment_feed ORDER BY comment_events.id";
    let rows = db.query_all_raw(sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, sql)).await.unwrap();
    let old = rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap().replace(['=', '\n'], ""));
    let old: Vec<_> = old.map(|text| text.replace('+', "-").replace('/', "_")).collect();
    let mut back = instance.listen(ADDED, json!({ "after": old[0] }));
    assert_eq!(back.texts(2).await, ["б", "в"]);
    assert_eq!(instance.listen(ADDED, json!({ "after": old[1] })).refusal().await, ["CURSOR_EXPIRED"]);
}
