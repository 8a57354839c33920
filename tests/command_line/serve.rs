//! A running server: demo, signals, logs.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use crate::process::{Server, command, run};
use crate::support::client;
use crate::support::database::{Backend, TestDatabase};

/// Catches hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

on_both!(
    demo_fills_an_empty_database_once,
    the_demo_does_not_fill_a_database_emptied_by_hand,
    terminate_stops_cleanly,
    the_log_has_one_line_per_request,
);

pub async fn ask(url: &str, query: &str) -> Value {
    let response = client::new().post(url).json(&json!({ "query": query })).send().await.unwrap();
    response.json().await.unwrap()
}

async fn demo_fills_an_empty_database_once(backend: Backend) {
    let database = TestDatabase::empty(backend).await;
    let query = "{ movies(last: 1, orderBy: OLDEST) { totalCount nodes { id title } } }";
    let first = {
        let server = Server::start(&["--database-url", &database.url, "--demo"]);
        ask(&server.url, query).await
    };
    assert_eq!(first["data"]["movies"]["totalCount"], json!(500));
    let server = Server::start(&["--database-url", &database.url, "--demo"]);
    assert_eq!(ask(&server.url, query).await, first, "the second start must seed nothing");
}

async fn the_demo_does_not_fill_a_database_emptied_by_hand(backend: Backend) {
    let database = TestDatabase::seeded(backend).await;
    let db = database.connect().await;
    for step in seeding::steps::STEPS.iter().rev() {
        db.execute_unprepared(&format!("DELETE FROM {}", step.table)).await.unwrap();
    }
    let run = run(&["serve", "--demo", "--listen", "127.0.0.1:0", "--database-url", &database.url]);
    let message = run.failure();
    assert!(message.contains("emptied by hand") && message.contains("kinoteka migrate down"), "{message}");
}

/// The filter applies to all crates of the server.
#[tokio::test]
async fn a_log_filter_for_kinoteka_has_the_lines_of_requests() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    let server = Server::start(&["--database-url", &database.url, "--log-filter", "off,kinoteka=info"]);
    ask(&server.url, "{ __typename }").await;
    server.signal("TERM");
    let (_, log) = server.wait(PATIENCE);
    assert!(log.contains("POST /graphql"), "{log}");
}

async fn terminate_stops_cleanly(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    for signal in ["TERM", "INT"] {
        let server = Server::start(&["--database-url", &database.url]);
        assert!(ask(&server.url, "{ __typename }").await["data"].is_object());
        server.signal(signal);
        let (status, log) = server.wait(PATIENCE);
        assert!(status.success(), "{log}");
        assert!(log.lines().last().unwrap().contains("stopped"), "{log}");
    }
}

/// The time in which load balancers notice a stop.
#[tokio::test]
async fn a_draining_server_only_fails_readyz() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    let server = Server::start(&["--database-url", &database.url, "--drain-ms", "3000"]);
    let ready = || client::get(server.url.replace("/graphql", "/readyz"));
    assert_eq!(ready().await.unwrap().status(), 200);
    let signalled = Instant::now();
    server.signal("TERM");
    let told = async { while ready().await.unwrap().status() == 200 {} };
    client::in_time(told).await;
    // On new connections.
    assert!(ask(&server.url, "{ __typename }").await["data"].is_object());
    let refused = async { while client::get(&server.url).await.is_ok() {} };
    client::in_time(refused).await;
    assert!(signalled.elapsed() >= Duration::from_secs(3), "{:?}", signalled.elapsed());
    let (status, log) = server.wait(PATIENCE);
    assert!(status.success(), "{log}");
}

/// Like a crash: closing a terminal ends its programs.
#[tokio::test]
async fn a_hangup_ends_a_server_immediately_unless_it_is_ignored() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    // The environment of the tests may ignore hang-ups.
    let server = Server::start_by(&["env", "--default-signal=HUP"], &["--database-url", &database.url]);
    server.signal("HUP");
    let (status, log) = server.wait(PATIENCE);
    assert_eq!(status.signal(), Some(1), "{log}");
    // Started as by `nohup`.
    let nohup = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"];
    let server = Server::start_by(&nohup, &["--database-url", &database.url]);
    server.signal("HUP");
    assert!(ask(&server.url, "{ __typename }").await["data"].is_object());
    server.signal("TERM");
    let (status, log) = server.wait(PATIENCE);
    assert!(status.success() && log.lines().last().unwrap().contains("stopped"), "{log}");
}

/// Also during startup.
#[tokio::test]
async fn terminate_stops_a_server_that_waits_for_the_migration_lock() {
    use std::process::Stdio;
    let database = TestDatabase::empty(Backend::Postgres).await;
    let holder = database.connect().await;
    let lock = "SELECT pg_advisory_lock(7739551076318374753)";
    holder.execute_unprepared(lock).await.unwrap();
    let mut child = command(&["serve", "--migrate", "--listen", "127.0.0.1:0", "--database-url", &database.url])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let waits = "SELECT 1 AS one FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let begun = Instant::now();
    while holder.query_one_raw(Statement::from_string(DbBackend::Postgres, waits)).await.unwrap().is_none() {
        assert!(child.try_wait().unwrap().is_none() && begun.elapsed() < PATIENCE, "the server must wait for the lock");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < PATIENCE, "the server does not stop");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const HALF: &[u8] = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\
    expect: 100-continue\r\n\r\n";

/// A client with an open connection cannot prevent a stop.
#[tokio::test]
async fn grace_period_ends_open_connections() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    let server = Server::start(&["--database-url", &database.url, "--shutdown-grace-ms", "300"]);
    let address = server.url.trim_start_matches("http://").trim_end_matches("/graphql").to_owned();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    // Half a request: the server waits for the rest.
    socket.write_all(HALF).await.unwrap();
    let mut asked = [0; 12];
    client::in_time(socket.read_exact(&mut asked)).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100");
    let started = Instant::now();
    server.signal("TERM");
    let (status, log) = server.wait(PATIENCE);
    assert!(status.success(), "{log}");
    assert!(log.contains("the grace period is over"), "{log}");
    assert!(started.elapsed() >= Duration::from_millis(300));
}

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

async fn the_log_has_one_line_per_request(backend: Backend) {
    let database = TestDatabase::seeded(backend).await;
    let server = Server::start(&["--database-url", &database.url]);
    let body = json!({ "query": "query Titles { movies(first: 2) { nodes { title staff { totalCount } } } }" });
    let client = client::new();
    client
        .post(&server.url)
        .header("x-request-id", "log-probe")
        .header("traceparent", TRACE)
        .json(&body)
        .send()
        .await
        .unwrap();
    server.signal("TERM");
    let (_, log) = server.wait(PATIENCE);
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let about: Vec<_> = lines.iter().filter(|line| line["request_id"] == json!("log-probe")).collect();
    assert_eq!(about.len(), 1, "{log}");
    let line = about[0];
    assert_eq!(line["operation"], json!("Titles"));
    assert_eq!(line["status"], json!(200));
    assert_eq!(line["trace_id"], json!("4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_eq!(line["statements"], json!(3), "movies, staff pages, staff counts");
    assert!(line["duration_ms"].as_f64().unwrap() > 0.0);
}

/// The request ends immediately, without waiting for its statement. The line counts the finished statements.
#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_request_is_logged_with_its_statements() {
    let database = TestDatabase::seeded(Backend::Postgres).await;
    let db = database.connect().await;
    db.execute_unprepared("ALTER TABLE cinema_online RENAME TO hidden").await.unwrap();
    let slow =
        "CREATE VIEW cinema_online AS SELECT hidden.* FROM hidden CROSS JOIN (SELECT pg_sleep(5)) AS sleep(nothing)";
    db.execute_unprepared(slow).await.unwrap();
    let mut server = Server::start(&["--database-url", &database.url]);
    let query = "{ movies(first: 3) { nodes { availability { nodes { cinema { title } } } } } }";
    let request = client::new().post(&server.url).json(&json!({ "query": query }));
    let abandoned = tokio::spawn(request.send());
    // The statement is running and takes five seconds.
    let sleeps = "SELECT 1 AS one FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
        AND query LIKE '%cinema_online%' AND wait_event = 'PgSleep'";
    let begun = Instant::now();
    while db.query_one_raw(Statement::from_string(DbBackend::Postgres, sleeps)).await.unwrap().is_none() {
        assert!(begun.elapsed() < PATIENCE, "the statement does not start");
    }
    abandoned.abort();
    let line = loop {
        let line: Value = serde_json::from_str(&server.read_line()).unwrap();
        if line["request_id"].is_string() {
            break line;
        }
    };
    assert_eq!((&line["status"], &line["statements"]), (&json!(499), &json!(2)), "{line}");
    assert!(line["duration_ms"].as_f64().unwrap() < 5_000.0, "{line}");
}
