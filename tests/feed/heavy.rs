//! Expensive documents: they fail for their own listeners, and do not delay other clients.

use std::net::IpAddr;
use std::time::Duration;

use kinoteka::subscribe::End;
use migration::connect::Timeouts;
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::instance::{Instance, PATIENCE, database, say};
use crate::listening::ADDED;
use crate::support::database::Backend;

on_both![expensive_documents_of_one_client_do_not_delay_others];

/// Reads a thread and nested lists for each comment.
fn heavy_document(number: usize) -> String {
    format!(
        "subscription {{ commentAdded {{ cursor comment {{ t{number}: text subject {{ ... on Movie {{
            title comments(first: 50) {{ totalCount nodes {{ text createdAt author {{ username }}
                replies(first: 5) {{ nodes {{ text author {{ username }} }} }} }} }} }} }} }} }} }}"
    )
}

/// The other client's events must arrive long before those of all expensive documents.
async fn expensive_documents_of_one_client_do_not_delay_others(backend: Backend) {
    const DOCUMENTS: usize = 2_000;
    let (database, db) = database(backend).await;
    for number in 0..50 {
        say(&db, 1, &format!("прежний {number}")).await;
    }
    let instance = Instance::start(&database.url).await;
    let [hog, other] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse::<IpAddr>().unwrap());
    let heavy = (0..DOCUMENTS).map(|n| instance.listen_from(hog, (&heavy_document(n), json!({})), None, None));
    let mut tasks = tokio::task::JoinSet::new();
    let (begun, mut listening) = tokio::sync::mpsc::unbounded_channel();
    for listener in heavy.collect::<Vec<_>>() {
        let begun = begun.clone();
        tasks.spawn(async move {
            let mut listener = listener.settle().await;
            begun.send(()).unwrap();
            listener.event().await
        });
    }
    for _ in 0..DOCUMENTS {
        listening.recv().await.unwrap();
    }
    let mut light = instance.listen_from(other, (ADDED, json!({})), None, None).settle().await;
    say(&db, 1, "раз").await;
    assert_eq!(light.texts(1).await, ["раз"]);
    let mut done = 0;
    while tasks.try_join_next().is_some() {
        done += 1;
    }
    assert!(done < DOCUMENTS / 4, "{done} of {DOCUMENTS} got their events before");
    while let Some(heard) = tasks.join_next().await {
        heard.unwrap();
    }
}

/// The database stops its statements but executes others, so it is not down.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_always_times_out_is_ended() {
    let (database, db) = database(Backend::Postgres).await;
    for statement in [
        "ALTER TABLE movies RENAME TO all_movies",
        "CREATE VIEW movies AS SELECT * FROM all_movies WHERE pg_sleep(60) IS NOT NULL",
    ] {
        db.execute_unprepared(statement).await.unwrap();
    }
    let timeouts = Timeouts { statement: Duration::from_millis(200), lock: PATIENCE };
    let instance = Instance::start_with(&database.url, timeouts).await;
    let slow = "subscription { commentAdded { cursor comment { text subject { ... on Movie { title } } } } }";
    let (slow, quick) = (instance.listen(slow, json!({})), instance.listen(ADDED, json!({})));
    let (mut slow, mut quick) = (slow.settle().await, quick.settle().await);
    for text in ["раз", "два", "три", "четыре"] {
        say(&db, 1, text).await;
    }
    assert_eq!(quick.texts(4).await, ["раз", "два", "три", "четыре"]);
    for _ in 0..3 {
        let result = slow.step().await.unwrap();
        assert_eq!(result["errors"][0]["extensions"]["code"], "TIMEOUT", "{result:#}");
        assert!(result["event_id"].is_string());
    }
    match slow.step().await {
        Err(End::Refused(errors)) => assert_eq!(errors[0].code(), "TIMEOUT"),
        other => panic!("{other:?}"),
    }
    // Others continue.
    say(&db, 1, "пять").await;
    assert_eq!(quick.texts(1).await, ["пять"]);
}
