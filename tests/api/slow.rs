//! Timeouts of statements and clients, and too many requests.

use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::app::TestApp;
use crate::support::client;
use crate::support::database::{Backend, TestDatabase};
use crate::transport::{code, post, send};

/// Catches hangs.
const PATIENCE: Duration = Duration::from_secs(60);

on_both!(slow_requests_are_stopped_and_their_statements_too, a_busy_server_refuses_requests);

/// Makes every read of cinemas take ten minutes.
async fn hang_cinemas(app: &TestApp, backend: Backend) {
    let db = app.sql().await;
    db.execute_unprepared("ALTER TABLE cinema_online RENAME TO hidden").await.unwrap();
    let view = match backend {
        Backend::Postgres => "SELECT hidden.* FROM hidden CROSS JOIN (SELECT pg_sleep(600)) AS sleep(nothing)",
        Backend::Sqlite => {
            "WITH RECURSIVE forever(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM forever)
            SELECT hidden.* FROM hidden WHERE id < (SELECT max(n) FROM forever)"
        }
    };
    db.execute_unprepared(&format!("CREATE VIEW cinema_online AS {view}")).await.unwrap();
}

const HANGING: &str = r#"{"query":"{ cinemas { nodes { title } } }"}"#;

async fn slow_requests_are_stopped_and_their_statements_too(backend: Backend) {
    let args = ["--request-timeout-ms", "300", "--database-connections", "1"];
    let app = TestApp::start(TestDatabase::seeded(backend).await, &args).await;
    hang_cinemas(&app, backend).await;
    let started = Instant::now();
    let (status, _, answer) = send(post(&app, HANGING)).await;
    assert_eq!((status, code(&answer)), (504, "TIMEOUT"), "{answer}");
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("300 ms"), "{answer}");
    assert!(started.elapsed() < PATIENCE, "the statement would take ten minutes: {:?}", started.elapsed());
    // The only connection is free again: the database has stopped the statement.
    loop {
        let (_, _, answer) = send(post(&app, r#"{"query":"{ movies(first: 1) { totalCount } }"}"#)).await;
        if answer["data"].is_object() {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{answer}");
    }
    if backend == Backend::Postgres {
        let active = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() \
            AND state = 'active' AND pid <> pg_backend_pid()";
        let db = app.sql().await;
        // The server's own statements are short.
        loop {
            let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, active)).await.unwrap();
            if row.unwrap().try_get::<i64>("", "n").unwrap() == 0 {
                break;
            }
            assert!(started.elapsed() < PATIENCE, "the statement is still running");
        }
    }
}

async fn a_busy_server_refuses_requests(backend: Backend) {
    let args = ["--limit-requests", "1", "--request-timeout-ms", "20000"];
    let app = TestApp::start(TestDatabase::seeded(backend).await, &args).await;
    hang_cinemas(&app, backend).await;
    let ask = || async { send(post(&app, json!({ "query": "{ __typename }" }).to_string())).await };
    assert_eq!(ask().await.0, 200, "one is within the limit");
    let request = post(&app, HANGING);
    // It is refused while one of those below is running.
    let hanging =
        tokio::spawn(async move { while request.try_clone().unwrap().send().await.unwrap().status() == 503 {} });
    let started = Instant::now();
    let (status, headers, answer) = loop {
        let outcome = ask().await;
        if outcome.0 != 200 || started.elapsed() > PATIENCE {
            break outcome;
        }
    };
    assert_eq!(status, 503, "{answer}");
    assert_eq!(code(&answer), "UNAVAILABLE");
    assert_retry_after(&headers, &answer, 1);
    assert_eq!(answer["errors"][0]["extensions"]["max"], json!(1));
    let alive = app.client.get(format!("{}/livez", app.origin)).send().await.unwrap();
    assert_eq!(alive.status().as_u16(), 200);
    // The client disconnects and frees the slot.
    hanging.abort();
    while ask().await.0 != 200 {
        assert!(started.elapsed() < PATIENCE, "the slot must be free again");
    }
}

/// Header and error have the same value: at least this long, and not much longer at the beginning of an outage.
pub fn assert_retry_after(headers: &HeaderMap, answer: &Value, min_s: u64) {
    let header: u64 = headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert_eq!(answer["errors"][0]["extensions"]["retryAfterSeconds"], json!(header), "{answer}");
    assert!((min_s..=2 * min_s.max(4)).contains(&header), "{header}");
}

/// The server's response to a client that sends `part` of a request and then nothing.
async fn stall(app: &TestApp, part: &str) -> String {
    let mut socket = TcpStream::connect(app.origin.trim_start_matches("http://")).await.unwrap();
    socket.write_all(part.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(PATIENCE, socket.read_to_string(&mut answer)).await;
    read.expect("the server must close the connection").unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_disconnected() {
    let args = ["--header-timeout-ms", "300", "--body-timeout-ms", "300", "--idle-timeout-ms", "300"];
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &args).await;
    for part in ["", "POST /graphql HTTP/1.1\r\n", "POST /graphql HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        assert_eq!(stall(&app, part).await, "", "{part}");
    }
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    for part in [
        "content-length: 26\r\n\r\n",
        "content-length: 26\r\n\r\n{\"query\":",
        "transfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
    ] {
        let answer = stall(&app, &format!("{head}{part}")).await;
        assert!(
            answer.starts_with("HTTP/1.1 408") && answer.contains("TIMEOUT") && answer.contains("300 ms"),
            "{answer}"
        );
    }
    // Between requests, too.
    let answer = stall(&app, "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// The client sends requests and reads no responses.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_read_nothing_are_disconnected() {
    let app = TestApp::start(TestDatabase::seeded(Backend::Sqlite).await, &["--write-timeout-ms", "300"]).await;
    // Otherwise the system would buffer megabytes of responses.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut socket = socket.connect(app.origin.trim_start_matches("http://").parse().unwrap()).await.unwrap();
    let body = json!({ "query": "{ movies(first: 100) { nodes { title plot } } }" }).to_string();
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    let ask = async { while socket.write_all(request.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, ask).await.expect("the server must close the connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_together_are_bounded() {
    let args = ["--limit-bodies-bytes", "30000", "--body-timeout-ms", "600000"];
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &args).await;
    let body = json!({ "query": "{ __typename }" }).to_string() + &" ".repeat(17_000);
    let ask = || async { send(post(&app, body.clone())).await };
    let mut held = TcpStream::connect(app.origin.trim_start_matches("http://")).await.unwrap();
    assert_eq!(ask().await.0, 200, "{} bytes fit", body.len());
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 20000\r\n\r\n";
    held.write_all(format!("{head}{}", " ".repeat(17_000)).as_bytes()).await.unwrap();
    let started = Instant::now();
    let (status, headers, answer) = loop {
        let outcome = ask().await;
        if outcome.0 != 200 || started.elapsed() > PATIENCE {
            break outcome;
        }
    };
    assert_eq!((status, code(&answer)), (503, "UNAVAILABLE"), "{answer}");
    assert_eq!(answer["errors"][0]["extensions"]["max"], json!(30_000));
    assert_retry_after(&headers, &answer, 1);
    drop(held);
    while ask().await.0 != 200 {
        assert!(started.elapsed() < 2 * PATIENCE, "the bytes must be free again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_bounded() {
    let args = ["--limit-connections", "1", "--body-timeout-ms", "600000"];
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &args).await;
    let mut held = TcpStream::connect(app.origin.trim_start_matches("http://")).await.unwrap();
    // An idle connection would be closed to make room.
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 90\r\n\r\n";
    held.write_all(head.as_bytes()).await.unwrap();
    let client = client::builder().pool_max_idle_per_host(0).build().unwrap();
    let ask = |patience| client.get(format!("{}/livez", app.origin)).timeout(patience).send();
    // The held connection may be accepted after one of these.
    let started = Instant::now();
    while ask(Duration::from_millis(300)).await.is_ok() {
        assert!(started.elapsed() < PATIENCE, "two connections must be within the limit");
    }
    drop(held);
    assert_eq!(ask(PATIENCE).await.unwrap().status().as_u16(), 200);
}
