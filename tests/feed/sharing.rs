//! Equal listeners share work, and a slow one does not affect others.

use std::time::{Duration, Instant};

use kinoteka::kit::id::split;
use kinoteka::subscribe::End;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};

use crate::instance::{Instance, Listener, PATIENCE, database, say};
use crate::listening::ADDED;
use crate::promise::check;
use crate::support::database::Backend;

on_both![
    equal_listeners_share_one_execution,
    different_documents_share_the_rows_of_an_event,
    many_returning_listeners_cost_as_much_as_one,
    a_burst_is_executed_in_batches,
    a_slow_listener_is_ended_and_does_not_affect_others,
    a_burst_loses_nothing,
    a_burst_waits_for_its_readers,
    invalid_documents_are_refused,
];

async fn settle(listeners: Vec<Listener>) -> Vec<Listener> {
    let mut settled = Vec::new();
    for task in listeners.into_iter().map(|listener| tokio::spawn(listener.settle())).collect::<Vec<_>>() {
        settled.push(task.await.unwrap());
    }
    settled
}

/// Adds comments until listeners of the given number of kinds have caught up, so that a comment costs at most one
/// statement per kind.
async fn join(instance: &Instance, db: &DatabaseConnection, listeners: &mut [Listener], kinds: usize) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let before = instance.reads();
        say(db, 1, "проба").await;
        for listener in &mut *listeners {
            assert_eq!(listener.texts(1).await, ["проба"]);
        }
        if instance.reads() - before <= kinds {
            return;
        }
        assert!(Instant::now() < deadline, "the listeners do not share");
    }
}

async fn equal_listeners_share_one_execution(backend: Backend) {
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let cursor = instance.ask("{ commentCursor }").await["commentCursor"].clone();
    // Their first position and their user do not matter here.
    let listeners = (0..40).map(|i| {
        let variables = if i % 2 == 0 { json!({}) } else { json!({ "after": cursor }) };
        instance.listen_as(ADDED, variables, None, Some(i))
    });
    let mut alike = settle(listeners.collect()).await;
    join(&instance, &db, &mut alike, 1).await;
    let before = instance.reads();
    say(&db, 1, "раз").await;
    for listener in &mut alike {
        assert_eq!(listener.texts(1).await, ["раз"]);
    }
    assert_eq!(instance.reads() - before, 1);
    let other = ADDED.replace("text", "text createdAt");
    let listeners = [1, 2].map(|user| instance.listen_as(&other, json!({}), None, Some(user)));
    alike.extend(settle(listeners.into()).await);
    join(&instance, &db, &mut alike, 2).await;
    let before = instance.reads();
    say(&db, 1, "два").await;
    for listener in &mut alike {
        assert_eq!(listener.texts(1).await, ["два"]);
    }
    // Two documents. Their batches may have been merged.
    let reads = instance.reads() - before;
    assert!((1..=2).contains(&reads), "{reads}");
}

/// The document of listener `number`, which is unique.
fn own_document(number: usize) -> String {
    let more = ["", "createdAt", "isDeleted", "author { username }"][number % 4];
    format!(
        "subscription ($after: String) {{ commentAdded(after: $after) {{
            cursor comment {{ text t{number}: text {more} }} }} }}"
    )
}

async fn different_documents_share_the_rows_of_an_event(backend: Backend) {
    const DOCUMENTS: usize = 200;
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let cursor = instance.ask("{ commentCursor }").await["commentCursor"].clone();
    let listen = |number| instance.listen(&own_document(number), json!({ "after": cursor }));
    let mut listeners = settle((0..DOCUMENTS).map(listen).collect()).await;
    for texts in [&["раз"][..], &["два", "три", "четыре"]] {
        let before = instance.reads();
        let values: Vec<_> = texts.iter().map(|text| format!("(1, '{text}', 1)")).collect();
        let insert = format!("INSERT INTO comments (user_id, comment, movie_id) VALUES {}", values.join(", "));
        db.execute_unprepared(&insert).await.unwrap();
        for listener in &mut listeners {
            assert_eq!(listener.texts(texts.len()).await, texts);
        }
        let reads = instance.reads() - before;
        // Each requested set of columns is read a few times. A slow machine splits batches.
        assert!(reads <= DOCUMENTS / 20, "{reads} statements for {} events", texts.len());
    }
}

/// Results are shared for two seconds. The cost is higher on a slow machine, but does not depend on the number of listeners.
async fn many_returning_listeners_cost_as_much_as_one(backend: Backend) {
    const COMMENTS: usize = 100;
    const LISTENERS: usize = 300;
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let cursor = instance.ask("{ commentCursor }").await["commentCursor"].clone();
    let values: Vec<_> = (0..COMMENTS).map(|i| format!("('c{i}', 1)")).collect();
    let expected: Vec<_> = (0..COMMENTS).map(|i| format!("c{i}")).collect();
    let insert = format!("INSERT INTO comments (comment, movie_id) VALUES {}", values.join(", "));
    db.execute_unprepared(&insert).await.unwrap();
    let before = instance.reads();
    let begun = Instant::now();
    let back = (0..LISTENERS).map(|_| {
        let mut listener = instance.listen(ADDED, json!({ "after": cursor }));
        let expected = expected.clone();
        tokio::spawn(async move { assert_eq!(listener.texts(COMMENTS).await, expected) })
    });
    for listening in back.collect::<Vec<_>>() {
        listening.await.unwrap();
    }
    let (reads, rounds) = (instance.reads() - before, 6 + begun.elapsed().as_secs() / 2);
    // One for each batch, and those of the group. Without sharing, each listener would need its own round.
    assert!(reads as u64 <= 10 * rounds, "{reads} statements in {:?}", begun.elapsed());
}

/// Live and returning listeners read many comments with one statement.
async fn a_burst_is_executed_in_batches(backend: Backend) {
    const COMMENTS: usize = 640;
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let cursor = instance.ask("{ commentCursor }").await["commentCursor"].clone();
    let mut listener = instance.listen(ADDED, json!({})).settle().await;
    let values: Vec<_> = (0..COMMENTS).map(|i| format!("('c{i}', 1)")).collect();
    let expected: Vec<_> = (0..COMMENTS).map(|i| format!("c{i}")).collect();
    let before = instance.reads();
    let insert = format!("INSERT INTO comments (comment, movie_id) VALUES {}", values.join(", "));
    db.execute_unprepared(&insert).await.unwrap();
    assert_eq!(listener.texts(COMMENTS).await, expected);
    let live = instance.reads() - before;
    let mut back = instance.listen(ADDED, json!({ "after": cursor }));
    assert_eq!(back.texts(COMMENTS).await, expected);
    let missed = instance.reads() - before - live;
    // Batches have 32 comments. The first may be smaller, and on a slow machine the listener must resume. It then finds
    // the results of the last two seconds.
    assert!((20..80).contains(&live) && missed < 80, "{live} and {missed} statements");
}

async fn a_slow_listener_is_ended_and_does_not_affect_others(backend: Backend) {
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let cursor = instance.ask("{ commentCursor }").await["commentCursor"].clone();
    let listeners = (0..3).map(|_| instance.listen(ADDED, json!({ "after": cursor }))).collect();
    let [mut slow, mut one, mut other] = settle(listeners).await.try_into().unwrap_or_else(|_| unreachable!());
    // While it catches up, it has no time limit.
    let deadline = Instant::now() + PATIENCE;
    while slow.lags == 0 {
        assert!(Instant::now() < deadline, "it is not ended");
        let expected = pass_by(&db, &mut one, &mut other).await;
        let mut taken = Vec::new();
        let end = loop {
            match slow.step().await {
                Ok(result) => taken.push(result["data"]["commentAdded"]["comment"]["text"].clone()),
                Err(end) => break Some(end),
            }
            if taken.len() == expected.len() {
                break None;
            }
        };
        if let Some(end) = end {
            assert!(matches!(end, End::Lagged), "{end:?}");
            assert!(taken.len() < 300, "the buffer must be bounded: {}", taken.len());
            slow.resume();
        }
        let rest = slow.texts(expected.len() - taken.len()).await;
        taken.extend(rest.into_iter().map(Value::from));
        assert_eq!(taken, expected, "it must get everything once");
    }
    assert!(slow.is_silent().await);
    assert_eq!((one.lags, other.lags), (0, 0));
}

/// Adds a thousand comments for two listeners, in batches that fit the buffer. Returns their texts.
async fn pass_by(db: &DatabaseConnection, one: &mut Listener, other: &mut Listener) -> Vec<String> {
    let mut all = Vec::new();
    for part in 0..10 {
        let values: Vec<_> = (0..100).map(|i| format!("('c{}', 1)", part * 100 + i)).collect();
        let insert = format!("INSERT INTO comments (comment, movie_id) VALUES {}", values.join(", "));
        db.execute_unprepared(&insert).await.unwrap();
        let expected: Vec<_> = (0..100).map(|i| format!("c{}", part * 100 + i)).collect();
        let (one, other) = tokio::join!(one.texts(100), other.texts(100));
        assert_eq!((&one, &other), (&expected, &expected));
        all.extend(expected);
    }
    all
}

/// Only the event itself, which takes almost no time to execute.
const SLIM: &str = "subscription ($after: String) { commentAdded(after: $after) { cursor commentId } }";

const BURST: usize = 3_000;

async fn burst(db: &DatabaseConnection) {
    let many = format!(
        "INSERT INTO comments (comment, movie_id)
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {BURST}) SELECT 'c' || i, 1 FROM n"
    );
    db.execute_unprepared(&many).await.unwrap();
}

/// An event's cursor and comment.
async fn hear(listener: &mut Listener) -> (String, i32) {
    let event = listener.event().await;
    let (_, comment) = split(event["commentId"].as_str().unwrap()).unwrap();
    (event["cursor"].as_str().unwrap().to_owned(), comment)
}

/// The comments in the order of the feed.
async fn committed(db: &DatabaseConnection, backend: Backend) -> Vec<i32> {
    let order = if backend == Backend::Postgres { "xact, id" } else { "id" };
    let sql = format!("SELECT comment_id FROM comment_events WHERE kind = 'ADDED' ORDER BY {order}");
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

/// On a busy machine some listeners may be too slow. They resume, as clients do, and still get everything.
async fn a_burst_loses_nothing(backend: Backend) {
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let cursor = instance.ask("{ commentCursor }").await["commentCursor"].clone();
    let listeners = (0..20).map(|_| instance.listen(SLIM, json!({ "after": cursor })));
    let tasks: Vec<_> = settle(listeners.collect())
        .await
        .into_iter()
        .enumerate()
        .map(|(number, mut listener)| {
            tokio::spawn(async move {
                let mut heard = Vec::new();
                while heard.len() < BURST {
                    heard.push(hear(&mut listener).await);
                    // Half of them are as slow as allowed, and one reconnects repeatedly.
                    if number % 2 == 0 {
                        tokio::task::yield_now().await;
                    }
                    if number == 0 && heard.len() % 500 == 0 {
                        listener.resume();
                    }
                }
                assert!(listener.is_silent().await, "listener {number} has too many events");
                heard
            })
        })
        .collect();
    burst(&db).await;
    let expected = committed(&db, backend).await;
    assert_eq!(expected.len(), BURST);
    let mut cursors: Option<Vec<String>> = None;
    for (number, task) in tasks.into_iter().enumerate() {
        let (theirs, comments): (Vec<_>, Vec<_>) = task.await.unwrap().into_iter().unzip();
        check(number as u64, &comments, &expected);
        assert_eq!(cursors.get_or_insert_with(|| theirs.clone()), &theirs, "cursors must be the same for all");
    }
    let mut distinct = cursors.unwrap();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), BURST);
}

/// Checks the helper that the tests of the promise use.
#[test]
fn lost_repeated_or_unordered_events_are_detected() {
    let committed: Vec<i32> = (1..=5).collect();
    check(0, &committed, &committed);
    for heard in [&[1, 2, 4, 5][..], &[1, 2, 3, 4], &[1, 2, 2, 3, 4, 5], &[1, 3, 2, 4, 5], &[1, 2, 3, 4, 5, 6], &[]] {
        let outcome = std::panic::catch_unwind(|| check(0, heard, &committed));
        assert!(outcome.is_err(), "{heard:?}");
    }
}

/// Most of a group sets its pace. A listener that reads within a second is not ended.
async fn a_burst_waits_for_its_readers(backend: Backend) {
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let cursor = instance.ask("{ commentCursor }").await["commentCursor"].clone();
    let mut listener = instance.listen(SLIM, json!({ "after": cursor })).settle().await;
    say(&db, 1, "проба").await;
    hear(&mut listener).await;
    let mut listener = listener.settle().await;
    burst(&db).await;
    let (mut last, mut slowest) = (Instant::now(), Duration::ZERO);
    for number in 0..BURST {
        hear(&mut listener).await;
        // Ten times as slow as allowed: the group could send much more than the buffer holds meanwhile.
        if number % 50 == 0 && number < 500 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        slowest = slowest.max(last.elapsed());
        last = Instant::now();
    }
    // A longer delay by the machine has made it a slow listener.
    assert!(listener.lags == 0 || slowest > Duration::from_millis(500), "{} times, {slowest:?}", listener.lags);
}

async fn invalid_documents_are_refused(backend: Backend) {
    let (database, _db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    for (document, variables, code) in [
        ("subscription { commentAdded { nothing } }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { commentAdded { cursor } commentChanged { cursor } }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { commentAdded(after: \"x\") { cursor } }", json!({}), "BAD_USER_INPUT"),
        (ADDED, json!({ "after": "" }), "BAD_USER_INPUT"),
        (ADDED, json!({ "subject": "Q29tbWVudDox" }), "BAD_USER_INPUT"),
        (ADDED, json!({ "subject": "what" }), "BAD_USER_INPUT"),
    ] {
        let mut listener = instance.listen(document, variables.clone());
        assert_eq!(listener.refusal().await, [code], "{document} {variables}");
    }
    let mut fragments = instance.listen(
        "subscription { ...A } fragment A on Subscription { commentAdded { ...B } } fragment B on NewComment { cursor }",
        json!({}),
    );
    assert!(fragments.is_silent().await);
}
