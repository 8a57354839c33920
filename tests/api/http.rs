//! Headers of every response, and the health checks of orchestrators.

use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::TestApp;
use crate::support::client::in_time;
use crate::support::database::{Backend, TestDatabase};

on_both!(every_response_has_a_request_id, liveness_and_readiness_differ, stopping_lets_running_requests_finish);

/// Requests a missing path and checks the status and the words of the response.
async fn expect_not_found(app: &TestApp, path: &str, words: &[&str], missing: &[&str]) {
    let answer = app.client.get(format!("{}{path}", app.origin)).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (404, &"application/json; charset=utf-8".parse().unwrap()),
        "{path}"
    );
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["errors"][0]["extensions"]["code"], "NOT_FOUND", "{body}");
    let message = body["errors"][0]["message"].as_str().unwrap();
    assert!(words.iter().all(|word| message.contains(word)), "{path}: {message}");
    assert!(!missing.iter().any(|word| message.contains(word)), "{path}: {message}");
}

#[tokio::test]
async fn the_response_to_an_unknown_path_lists_the_paths() {
    let database = || TestDatabase::migrated(Backend::Sqlite);
    let app = TestApp::start(database().await, &[]).await;
    expect_not_found(
        &app,
        "/nothing",
        &["\"/nothing\"", "/graphql", "/livez", "/readyz", "/plain", "/status.json", "/metrics"],
        &[],
    )
    .await;
    expect_not_found(&app, "/graphql/", &["did you mean /graphql?"], &[]).await;
    expect_not_found(&app, "/api/GraphQL", &["did you mean /graphql?"], &[]).await;
    let long = format!("/{}", "x".repeat(5_000));
    let answer = app.client.get(format!("{}{long}", app.origin)).send().await.unwrap();
    assert!(answer.text().await.unwrap().len() < 500);
    let refused = app.client.post(format!("{}/livez", app.origin)).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["allow"]), (405, &"GET,HEAD".parse().unwrap()));
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["errors"][0]["message"], "POST is not allowed here; use GET");
    let bare = TestApp::start(database().await, &["--production", "--metrics-listen", "127.0.0.1:0"]).await;
    expect_not_found(&bare, "/", &["/graphql", "/livez"], &["/plain", "/metrics"]).await;
}

async fn every_response_has_a_request_id(backend: Backend) {
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
    // Ids that could break or bloat a log line are replaced.
    let long = "x".repeat(65);
    for insane in ["", "a b", "a\"b", "a=b", &long] {
        assert_eq!(ask(Some(insane)).await.len(), 32, "{insane:?}");
    }
}

/// RFC 9112, section 3.2.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_must_have_one_host() {
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &[]).await;
    for (version, hosts, status) in [
        ("1.1", "", 400),
        ("1.1", "host: a\r\nhost: b\r\n", 400),
        ("1.1", "host: a\r\nhost: a\r\n", 400),
        ("1.1", "host: a b\r\n", 400),
        ("1.1", "host: user@a\r\n", 400),
        ("1.1", "host: http://a/\r\n", 400),
        ("1.1", "host:\r\n", 200),
        ("1.1", "host: a_b.example:8000\r\n", 200),
        ("1.1", "host: [::1]:8000\r\n", 200),
        ("1.0", "", 200),
        ("1.0", "host: a\r\nhost: b\r\n", 400),
    ] {
        for path in ["/livez", "/graphql?query=%7B__typename%7D"] {
            let request = format!("GET {path} HTTP/{version}\r\n{hosts}connection: close\r\n\r\n");
            let mut socket = TcpStream::connect(app.origin.trim_start_matches("http://")).await.unwrap();
            socket.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            in_time(socket.read_to_string(&mut answer)).await.unwrap();
            let found = answer.split(' ').nth(1).unwrap();
            assert_eq!(found, status.to_string(), "{request}{answer}");
            assert!(answer.contains("\r\nx-request-id: "), "{answer}");
        }
    }
}

async fn liveness_and_readiness_differ(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let ask = async |path: &str| {
        let response = app.client.get(format!("{}{path}", app.origin)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(ask("/livez").await, (200, "ok\n".to_owned()));
    // `/readyz` reports the state with a short delay.
    let told = async |status: u16, text: &str| {
        let seen = async {
            while ask("/readyz").await != (status, format!("{text}\n")) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        in_time(seen).await;
    };
    assert_eq!(ask("/readyz").await, (200, "full\n".to_owned()));
    let db = app.sql().await;
    db.execute_unprepared("DELETE FROM seaql_migrations WHERE version = '0002_indexes'").await.unwrap();
    let started = Instant::now();
    let (status, text) = loop {
        let (status, text) = ask("/readyz").await;
        if status != 200 {
            break (status, text);
        }
        assert!(started.elapsed() < Duration::from_secs(30), "still {text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(status, 503);
    assert!(text.contains("0002_indexes") && text.contains("kinoteka migrate up"), "{text}");
    assert_eq!(ask("/livez").await.0, 200);
    // A newer version migrates while this one is still running.
    let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('0002_indexes', 0), ('9999_future', 0)";
    db.execute_unprepared(newer).await.unwrap();
    told(200, "full").await;
    // Without these triggers, events and counts would be silently lost.
    db.execute_unprepared("DELETE FROM seaql_migrations WHERE version = '9999_future'").await.unwrap();
    let mut reason = "comments_tell_added is missing";
    if backend == Backend::Postgres {
        db.execute_unprepared("ALTER TABLE comments DISABLE TRIGGER comments_tell_added").await.unwrap();
        told(503, "down: triggers do not fire: comments_tell_added is disabled").await;
        db.execute_unprepared("ALTER TABLE comments ENABLE TRIGGER USER").await.unwrap();
        told(200, "full").await;
        db.execute_unprepared("DROP TRIGGER comments_tell_added ON comments").await.unwrap();
    } else {
        db.execute_unprepared("DROP TRIGGER comments_tell_added").await.unwrap();
        db.execute_unprepared("DROP TRIGGER movies_list_tags_updated").await.unwrap();
        reason = "movies_list_tags_updated is missing, comments_tell_added is missing";
    }
    told(503, &format!("down: triggers do not fire: {reason}")).await;
}

async fn stopping_lets_running_requests_finish(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let address = app.origin.trim_start_matches("http://").to_owned();
    let body = json!({ "query": "{ movies(first: 100) { nodes { title } } }" }).to_string();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: kinoteka\r\ncontent-type: application/json\r\nconnection: close\r\n\
         expect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut socket = TcpStream::connect(&address).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut buffer = [0; 1024];
    let length = in_time(socket.read(&mut buffer)).await.unwrap();
    assert!(buffer[..length].starts_with(b"HTTP/1.1 100"), "the server must wait for the request's body");
    let stopping = tokio::spawn(app.stop());
    let refused = async {
        while TcpStream::connect(&address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    in_time(refused).await;
    socket.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    in_time(socket.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(answer.matches("\"title\"").count(), 100, "the whole answer");
    in_time(stopping).await.unwrap();
}
