//! Clients that send everything before they read still get the response to a request whose body is not read.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::TestApp;
use crate::support::client;
use crate::support::database::{Backend, TestDatabase};

/// More than sockets hold.
const BYTES: usize = 3 << 20;

/// The number of repetitions, because a reset overtakes the response only sometimes.
const TIMES: usize = 8;

const JSON: (&str, &str) = ("content-type", "application/json");

fn post(headers: &[(&str, &str)], is_chunked: bool) -> Value {
    request("POST", "/graphql", headers, is_chunked)
}

fn request(method: &str, target: &str, headers: &[(&str, &str)], is_chunked: bool) -> Value {
    let headers: serde_json::Map<_, _> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({ "method": method, "target": target, "headers": headers, "bytes": BYTES, "chunked": is_chunked })
}

/// Sends a request with real clients, and returns the statuses that they received.
pub async fn send(url: &str, request: &Value) -> Vec<String> {
    let work = json!({ "url": url, "times": TIMES, "requests": [request] }).to_string();
    let programs = [("python3", "upload.py"), ("node", "upload.mjs")];
    let runs = programs.map(|(program, script)| {
        let work = work.clone();
        tokio::task::spawn_blocking(move || {
            let script = format!("{}/tests/api/{script}", env!("CARGO_MANIFEST_DIR"));
            let mut command = Command::new("timeout");
            command.args(["120", program, &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap_or_else(|error| panic!("{program} is missing: {error}"));
            child.stdin.take().unwrap().write_all(work.as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{program}: {}", output.status);
            String::from_utf8(output.stdout).unwrap()
        })
    });
    let mut statuses = Vec::new();
    for run in runs {
        statuses.extend(run.await.unwrap().lines().map(str::to_owned));
    }
    assert!(statuses.len() >= 2 * TIMES, "{statuses:?}");
    statuses
}

/// Asserts that each client always receives this status.
pub async fn expect(url: &str, status: u16, request: &Value) {
    let statuses = send(url, request).await;
    assert!(statuses.iter().all(|seen| *seen == status.to_string()), "{status} {request}: {statuses:?}");
}

/// Requests that are refused before their body is read, with the status of the response.
pub fn unread() -> Vec<(u16, Value)> {
    vec![
        (413, post(&[JSON], false)),
        (413, post(&[JSON], true)),
        (401, post(&[JSON, ("authorization", "Basic YTpi")], false)),
        (401, post(&[JSON, ("authorization", "Basic YTpi")], true)),
        (400, post(&[JSON, ("idempotency-key", "a b")], false)),
        (405, request("PUT", "/graphql", &[JSON], false)),
        (405, request("POST", "/livez", &[], false)),
        (404, request("POST", "/nothing", &[JSON], false)),
        (406, post(&[JSON, ("accept", "text/html")], false)),
        (415, post(&[("content-type", "text/csv")], false)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_to_an_unread_body_reaches_its_client() {
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &[]).await;
    for (status, request) in unread() {
        expect(&app.origin, status, &request).await;
    }
    let long = "x".repeat(100_000);
    expect(&app.origin, 431, &post(&[("x-long", &long)], false)).await;
    app.stop().await;
}

/// A client cannot keep a connection open by sending more.
#[tokio::test(flavor = "multi_thread")]
async fn discarding_a_body_has_a_timeout() {
    let args = ["--body-timeout-ms", "500"];
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &args).await;
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ncontent-length: 1000000000000\r\n\r\n";
    for sends in [true, false] {
        let mut stream = TcpStream::connect(app.origin.trim_start_matches("http://")).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let begun = Instant::now();
        let (mut reader, mut writer) = stream.into_split();
        let mut response = String::new();
        client::in_time(reader.read_to_string(&mut response)).await.unwrap();
        assert!(response.starts_with("HTTP/1.1 415"), "{response}");
        while sends && client::in_time(writer.write_all(&[b'x'; 65_536])).await.is_ok() {}
        assert!(!sends || begun.elapsed() >= Duration::from_millis(500), "{:?}", begun.elapsed());
    }
    // The server waits for the end of all connections.
    client::in_time(app.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_in_the_middle_of_a_body_reaches_its_client() {
    for (status, limit) in [(503, "--limit-bodies-bytes"), (429, "--limit-bodies-bytes-per-client")] {
        let args = ["--limit-body-bytes", "8000000", limit, "100000"];
        let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &args).await;
        for is_chunked in [false, true] {
            expect(&app.origin, status, &post(&[JSON], is_chunked)).await;
        }
        app.stop().await;
    }
}
