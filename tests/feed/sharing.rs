//! Listeners that are alike share the work, and one that is slow troubles nobody else.

use kinoteka::http::End;
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::instance::{Instance, Listener, database, say};
use crate::listening::ADDED;
use crate::support::database::Backend;

on_both![
    alike_listeners_share_one_execution,
    a_slow_listener_is_ended_and_troubles_nobody,
    a_burst_loses_nobody,
    invalid_documents_are_refused,
];

async fn settle(listeners: Vec<Listener>) -> Vec<Listener> {
    let mut settled = Vec::new();
    for task in listeners.into_iter().map(|listener| tokio::spawn(listener.settle())).collect::<Vec<_>>() {
        settled.push(task.await.unwrap());
    }
    settled
}

async fn alike_listeners_share_one_execution(backend: Backend) {
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let cursor = instance.ask("{ commentCursor }").await["commentCursor"].clone();
    // Where they begin and who they are makes no difference here.
    let listeners = (0..40).map(|i| {
        let variables = if i % 2 == 0 { json!({}) } else { json!({ "after": cursor }) };
        instance.listen_as(ADDED, variables, None, Some(i))
    });
    let mut alike = settle(listeners.collect()).await;
    let before = instance.reads();
    say(&db, 1, "раз").await;
    for listener in &mut alike {
        assert_eq!(listener.texts(1).await, ["раз"]);
    }
    assert_eq!(instance.reads() - before, 1);
    let other = ADDED.replace("text", "text createdAt");
    let listeners = [1, 2].map(|user| instance.listen_as(&other, json!({}), None, Some(user)));
    let mut different = settle(listeners.into()).await;
    let before = instance.reads();
    say(&db, 1, "два").await;
    for listener in alike.iter_mut().chain(&mut different) {
        assert_eq!(listener.texts(1).await, ["два"]);
    }
    // Two documents; their batches may have been one.
    let reads = instance.reads() - before;
    assert!((1..=2).contains(&reads), "{reads}");
}

async fn a_slow_listener_is_ended_and_troubles_nobody(backend: Backend) {
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let listeners = (0..3).map(|_| instance.listen(ADDED, json!({}))).collect();
    let [mut slow, mut one, mut other] = settle(listeners).await.try_into().unwrap_or_else(|_| unreachable!());
    for part in 0..10 {
        let values: Vec<_> = (0..100).map(|i| format!("('c{}', 1)", part * 100 + i)).collect();
        let insert = format!("INSERT INTO comments (comment, movie_id) VALUES {}", values.join(", "));
        db.execute_unprepared(&insert).await.unwrap();
        let expected: Vec<_> = (0..100).map(|i| format!("c{}", part * 100 + i)).collect();
        let (one, other) = tokio::join!(one.texts(100), other.texts(100));
        assert_eq!((&one, &other), (&expected, &expected));
    }
    let mut taken = 0;
    let end = loop {
        match slow.step().await {
            Ok(_) => taken += 1,
            Err(end) => break end,
        }
    };
    assert!(matches!(end, End::Lagged), "{end:?}");
    assert!(taken < 300, "the buffer is bounded: {taken}");
}

async fn a_burst_loses_nobody(backend: Backend) {
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    // Nothing but the event itself: executing takes next to no time.
    let slim = "subscription { commentAdded { cursor commentId } }";
    let listeners = settle((0..20).map(|_| instance.listen(slim, json!({}))).collect()).await;
    let tasks = listeners.into_iter().map(|mut listener| {
        tokio::spawn(async move {
            let mut cursors = Vec::new();
            for _ in 0..3_000 {
                cursors.push(listener.event().await["cursor"].as_str().unwrap().to_owned());
            }
            cursors
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let many = "INSERT INTO comments (comment, movie_id)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) SELECT 'c' || i, 1 FROM n";
    db.execute_unprepared(many).await.unwrap();
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    assert!(all.iter().all(|cursors| *cursors == all[0]));
    let mut distinct = all[0].clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 3_000);
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
