//! What every answer carries, and what orchestrators ask.

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::support::database::{Backend, TestDatabase};

on_both!(every_answer_has_a_request_id, health_tells_alive_from_ready, stopping_lets_running_requests_finish);

async fn every_answer_has_a_request_id(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let ask = async |id: Option<&str>| {
        let mut request = app.client.get(format!("{}/livez", app.origin));
        if let Some(id) = id {
            request = request.header("x-request-id", id);
        }
        request.send().await.unwrap().headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(ask(Some("edge-7.a_B")).await, "edge-7.a_B");
    let made = ask(None).await;
    assert_eq!(made.len(), 32, "{made}");
    assert_ne!(made, ask(None).await);
    // What could break a log line or bloat it is replaced.
    let long = "x".repeat(65);
    for insane in ["", "a b", "a\"b", "a=b", &long] {
        assert_eq!(ask(Some(insane)).await.len(), 32, "{insane:?}");
    }
}

async fn health_tells_alive_from_ready(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let ask = async |path: &str| {
        let response = app.client.get(format!("{}{path}", app.origin)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(ask("/livez").await, (200, "ok\n".to_owned()));
    assert_eq!(ask("/readyz").await, (200, "ok\n".to_owned()));
    let db = app.sql().await;
    db.execute_unprepared("DELETE FROM seaql_migrations WHERE version = '0002_indexes'").await.unwrap();
    let (status, text) = ask("/readyz").await;
    assert_eq!(status, 503);
    assert!(text.contains("0002_indexes") && text.contains("kinoteka migrate up"), "{text}");
    assert_eq!(ask("/livez").await.0, 200);
    // A newer program migrates while this one still serves.
    let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('0002_indexes', 0), ('9999_future', 0)";
    db.execute_unprepared(newer).await.unwrap();
    assert_eq!(ask("/readyz").await.0, 200);
}

async fn stopping_lets_running_requests_finish(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let query = "{ movies(first: 100) { nodes { title staff { nodes { person { lastName bio } } } } } }";
    let request = app.client.post(format!("{}/graphql", app.origin)).json(&json!({ "query": query }));
    let running = tokio::spawn(async move {
        let response = request.send().await.unwrap();
        response.json::<Value>().await.unwrap()
    });
    tokio::task::yield_now().await;
    let origin = app.origin.clone();
    let client = app.client.clone();
    // The request is in flight or answered; either way it gets its whole answer.
    tokio::time::timeout(std::time::Duration::from_secs(1), async {
        while client.get(format!("{origin}/livez")).send().await.is_err() {}
    })
    .await
    .unwrap();
    app.stop().await;
    let answer = running.await.unwrap();
    assert_eq!(answer["data"]["movies"]["nodes"].as_array().unwrap().len(), 100);
    assert!(client.get(format!("{origin}/livez")).send().await.is_err(), "nobody listens any more");
}
