//! A listener gets every committed comment once, in order, from its last position.

use kinoteka::kit::Id;
use kinoteka::movie::Movie;
use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::{Value, json};

use crate::instance::{Instance, Listener, database, say};
use crate::support::client;
use crate::support::database::{Backend, TestDatabase};

on_both![
    comments_arrive_once_and_in_order,
    a_listener_resumes_at_its_last_position,
    changes_are_delivered,
    one_subscription_delivers_everything_in_order,
    kinds_of_changes_can_be_selected,
    rolled_back_changes_are_not_delivered,
    cursors_are_valid_on_every_instance,
    events_no_longer_in_memory_are_read_from_the_table,
    a_cursor_exists_before_the_first_event,
];

pub const ADDED: &str = "subscription ($subject: ID, $after: String) {
    commentAdded(subjectId: $subject, after: $after) { cursor subjectId commentId comment { text } } }";

pub fn movie(key: i32) -> String {
    Id::<Movie>::new(key).encode()
}

async fn comments_arrive_once_and_in_order(backend: Backend) {
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let before = instance.feed.hub.position();
    say(&db, 1, "до того").await;
    client::until(|| instance.feed.hub.position() != before).await;
    let mut all = instance.listen(ADDED, json!({}));
    let mut one = instance.listen(ADDED, json!({ "subject": movie(1) }));
    db.execute_unprepared("INSERT INTO comments (comment, movie_id) VALUES ('раз', 1), ('два', 2), ('три', 1)")
        .await
        .unwrap();
    db.execute_unprepared("INSERT INTO comments (comment, publication_id) VALUES ('четыре', 1)").await.unwrap();
    assert_eq!(all.texts(4).await, ["раз", "два", "три", "четыре"]);
    let first = one.event().await;
    assert_eq!(first["subjectId"], movie(1));
    assert!(first["commentId"].is_string());
    assert_eq!(one.texts(1).await, ["три"]);
    assert!(all.is_silent().await && one.is_silent().await);
}

async fn a_listener_resumes_at_its_last_position(backend: Backend) {
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let mut first = instance.listen(ADDED, json!({ "subject": movie(1) }));
    for text in ["а", "б", "в", "г"] {
        say(&db, 1, text).await;
        say(&db, 2, "другое").await;
    }
    let mut cursors = Vec::new();
    for _ in 0..4 {
        cursors.push(first.event().await["cursor"].as_str().unwrap().to_owned());
    }
    for (seen, missed) in [(0, vec!["б", "в", "г"]), (2, vec!["г"]), (3, vec![])] {
        let mut again = instance.listen(ADDED, json!({ "subject": movie(1), "after": cursors[seen] }));
        assert_eq!(again.texts(missed.len()).await, missed);
        let mut event_source = instance.listen_as(ADDED, json!({ "subject": movie(1) }), Some(&cursors[seen]), None);
        assert_eq!(event_source.texts(missed.len()).await, missed);
        let mut wider = instance.listen(ADDED, json!({ "after": cursors[seen] }));
        assert_eq!(wider.event().await["subjectId"], movie(2), "the cursor is valid for the whole feed");
        assert!(again.is_silent().await && event_source.is_silent().await);
    }
    // A reconnecting EventSource repeats its first cursor.
    let variables = json!({ "subject": movie(1), "after": cursors[0] });
    let mut both = instance.listen_as(ADDED, variables, Some(&cursors[2]), None);
    assert_eq!(both.texts(1).await, ["г"]);
    say(&db, 1, "д").await;
    assert_eq!(both.texts(1).await, ["д"]);
    assert_eq!(first.texts(1).await, ["д"]);
}

async fn changes_are_delivered(backend: Backend) {
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let changed = "subscription { commentChanged { cursor kind commentId comment { text isDeleted } } }";
    let mut listener = instance.listen(changed, json!({}));
    let yes = if backend == Backend::Postgres { "true" } else { "1" };
    for statement in [
        "INSERT INTO comments (comment, movie_id) VALUES ('раз', 1), ('два', 1), ('три', 1)",
        "UPDATE comments SET comment = 'раз!' WHERE id = 1",
        "INSERT INTO comment_tombstones (comment_id) VALUES (2)",
        &format!("INSERT INTO comment_tombstones (comment_id, hidden) VALUES (3, {yes})"),
        "DELETE FROM comments WHERE id = 1",
    ] {
        db.execute_unprepared(statement).await.unwrap();
    }
    let mut told = Vec::new();
    for _ in 0..4 {
        let event = listener.event().await;
        told.push(format!("{} {}", event["kind"].as_str().unwrap(), event["comment"]));
    }
    // Each comment has its current state. The first may already be deleted.
    assert!(told[0].starts_with("EDITED "), "{told:?}");
    assert_eq!(
        told[1..],
        [r#"DELETED {"isDeleted":true,"text":""}"#, r#"HIDDEN {"isDeleted":true,"text":""}"#, "DELETED null",]
    );
}

const EVENTS: &str = "subscription ($kinds: [CommentEventKind!], $after: String) {
    commentEvents(kinds: $kinds, after: $after) { cursor kind subjectId commentId comment { text } } }";

/// Adds, edits, deletes and hides, in one transaction each.
async fn change(db: &DatabaseConnection, backend: Backend) {
    let yes = if backend == Backend::Postgres { "true" } else { "1" };
    for statement in [
        "INSERT INTO comments (comment, movie_id) VALUES ('раз', 1)",
        "UPDATE comments SET comment = 'раз!' WHERE id = 1",
        "INSERT INTO comments (comment, movie_id) VALUES ('два', 1)",
        "DELETE FROM comments WHERE id = 1",
        &format!("INSERT INTO comment_tombstones (comment_id, hidden) VALUES (2, {yes})"),
    ] {
        db.execute_unprepared(statement).await.unwrap();
    }
}

async fn kinds(listener: &mut Listener, count: usize) -> Vec<(String, String)> {
    let mut told = Vec::new();
    for _ in 0..count {
        let event = listener.event().await;
        let kind = event["kind"].as_str().unwrap();
        told.push((kind.to_owned(), event["commentId"].as_str().unwrap().to_owned()));
    }
    told
}

async fn one_subscription_delivers_everything_in_order(backend: Backend) {
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let cursor = instance.ask("{ commentCursor }").await["commentCursor"].clone();
    let mut listener = instance.listen(EVENTS, json!({}));
    change(&db, backend).await;
    let told = kinds(&mut listener, 5).await;
    let [one, two] = [1, 2].map(|key| Id::<kinoteka::comment::Comment>::new(key).encode());
    let expected = [("ADDED", &one), ("EDITED", &one), ("ADDED", &two), ("DELETED", &one), ("HIDDEN", &two)];
    assert_eq!(told, expected.map(|(kind, id)| (kind.to_owned(), id.clone())));
    let mut back = instance.listen(EVENTS, json!({ "after": cursor }));
    assert_eq!(kinds(&mut back, 5).await, told);
    // A cursor of one field is valid for the others.
    let mut added = instance.listen(ADDED, json!({ "after": back.cursor() }));
    say(&db, 1, "три").await;
    assert_eq!(added.texts(1).await, ["три"]);
}

async fn kinds_of_changes_can_be_selected(backend: Backend) {
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let cursor = instance.ask("{ commentCursor }").await["commentCursor"].clone();
    let mut empty = instance.listen(EVENTS, json!({ "kinds": [] }));
    assert_eq!(empty.refusal().await, ["BAD_USER_INPUT"]);
    let chosen = json!(["DELETED", "ADDED", "ADDED"]);
    let mut live = instance.listen(EVENTS, json!({ "kinds": chosen }));
    change(&db, backend).await;
    let of = |told: Vec<(String, String)>| told.into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
    assert_eq!(of(kinds(&mut live, 3).await), ["ADDED", "ADDED", "DELETED"]);
    assert!(live.is_silent().await);
    // After a cursor that this instance has not read, events come from the table.
    let many = "INSERT INTO comments (comment, movie_id)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 17000) SELECT 'c', 2 FROM n";
    db.execute_unprepared(many).await.unwrap();
    for (kinds_wanted, expected) in
        [(json!(["HIDDEN"]), vec!["HIDDEN"]), (json!(["EDITED", "DELETED"]), vec!["EDITED", "DELETED"])]
    {
        let mut back = instance.listen(EVENTS, json!({ "kinds": kinds_wanted, "after": cursor }));
        assert_eq!(of(kinds(&mut back, expected.len()).await), expected);
        assert!(back.is_silent().await);
    }
}

async fn rolled_back_changes_are_not_delivered(backend: Backend) {
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let mut listener = instance.listen(ADDED, json!({}));
    let undone = "BEGIN; INSERT INTO comments (comment, movie_id) VALUES ('никогда', 1); ROLLBACK";
    db.execute_unprepared(undone).await.unwrap();
    say(&db, 1, "да").await;
    assert_eq!(listener.texts(1).await, ["да"]);
}

async fn cursors_are_valid_on_every_instance(backend: Backend) {
    let (database, db) = database(backend).await;
    let (one, other) = (Instance::start(&database.url).await, Instance::start(&database.url).await);
    let (mut a, mut b) = (one.listen(ADDED, json!({})), other.listen(ADDED, json!({})));
    let mut cursors = Vec::new();
    for text in ["а", "б", "в"] {
        say(&db, 1, text).await;
        let (left, right) = (a.event().await, b.event().await);
        assert_eq!(left, right);
        cursors.push(left["cursor"].clone());
    }
    one.stop().await;
    assert!(matches!(a.step().await, Err(kinoteka::subscribe::End::Stopping)));
    let mut moved = other.listen(ADDED, json!({ "after": cursors[0] }));
    assert_eq!(moved.texts(2).await, ["б", "в"]);
    // A new instance knows earlier events.
    let third = Instance::start(&database.url).await;
    let mut moved = third.listen(ADDED, json!({ "after": cursors[1] }));
    assert_eq!(moved.texts(1).await, ["в"]);
    say(&db, 1, "г").await;
    assert_eq!((moved.texts(1).await, b.texts(1).await), (vec!["г".to_owned()], vec!["г".to_owned()]));
}

async fn events_no_longer_in_memory_are_read_from_the_table(backend: Backend) {
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let mut listener = instance.listen(ADDED, json!({}));
    say(&db, 1, "начало").await;
    let cursor = listener.event().await["cursor"].clone();
    drop(listener);
    // More than the memory holds, with one in fifty for the listener, which is more than one batch.
    let many = "INSERT INTO comments (comment, movie_id)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        SELECT 'c' || i, CASE WHEN i % 50 = 0 THEN 1 ELSE 2 END FROM n";
    db.execute_unprepared(many).await.unwrap();
    let slim = "subscription ($subject: ID, $after: String) {
        commentAdded(subjectId: $subject, after: $after) { comment { text } } }";
    let mut back = instance.listen(slim, json!({ "subject": movie(1), "after": cursor }));
    let expected: Vec<_> = (1..=400).map(|i| format!("c{}", i * 50)).collect();
    assert_eq!(back.texts(400).await, expected);
    say(&db, 1, "конец").await;
    assert_eq!(back.texts(1).await, ["конец"]);
}

async fn a_cursor_exists_before_the_first_event(backend: Backend) {
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let cursor = instance.ask("{ commentCursor }").await["commentCursor"].clone();
    say(&db, 1, "раз").await;
    let mut listener = instance.listen(ADDED, json!({ "after": cursor }));
    assert_eq!(listener.texts(1).await, ["раз"]);
}

/// A copy of a database has its own transactions, so its events must differ from the copied ones.
#[tokio::test(flavor = "multi_thread")]
async fn a_copied_database_starts_an_epoch() {
    let copy = TestDatabase::seeded(Backend::Postgres).await;
    let db = copy.connect().await;
    let events = async || -> Value {
        let sql = "SELECT epoch || ' ' || (SELECT count(*) FROM comment_events) FROM comment_feed";
        let row = db.query_one_raw(sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, sql)).await.unwrap();
        json!(row.unwrap().try_get_by_index::<String>(0).unwrap())
    };
    let before = events().await;
    let first = Instance::start(&copy.url).await;
    let begun = events().await;
    assert_ne!(before, begun);
    assert!(begun.as_str().unwrap().ends_with(" 0"), "{begun}");
    Instance::start(&copy.url).await.stop().await;
    assert_eq!(events().await, begun, "the epoch must change only once");
    let mut listener = first.listen(ADDED, json!({}));
    say(&db, 1, "раз").await;
    assert_eq!(listener.texts(1).await, ["раз"]);
}
