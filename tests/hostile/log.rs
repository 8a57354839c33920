//! The reader of the log keeps the pipe open and reads nothing.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use async_graphql::futures_util::future::join_all;
use serde_json::json;

use crate::ask::metric;
use crate::honest::Honest;
use crate::process::Server;
use crate::support::client;
use crate::support::database::{Backend, TestDatabase};
use crate::usage::Usage;

const DROPPED: &str = "kinoteka_log_lines_dropped_total";

/// The time limit for filling the log.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server with a verbose log, of which only the first lines were read.
fn start_unread(database: &TestDatabase) -> Server {
    Server::start(&["--database-url", &database.url, "--log-filter", "trace"])
}

/// Sends requests until the pipe and the server's buffer are full.
async fn fill_log(server: &Server) {
    let deadline = Instant::now() + PATIENCE;
    while metric(&server.url, DROPPED).await == 0.0 {
        assert!(Instant::now() < deadline, "no line was dropped");
        ask_often(server).await;
    }
}

/// Logs more than the pipe holds.
async fn ask_often(server: &Server) {
    let client = client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let asks = (0..8).map(async |_| {
        for _ in 0..25 {
            let query = json!({ "query": "{ movies(first: 5) { nodes { title } } }" });
            assert!(client.post(&server.url).json(&query).send().await.unwrap().status().is_success());
        }
    });
    join_all(asks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unread_log_blocks_neither_requests_nor_the_stop() {
    let database = TestDatabase::seeded(Backend::Sqlite).await;
    let server = start_unread(&database);
    let honest = Honest::queries(server.url.clone(), "{ movies(first: 1) { totalCount } }");
    fill_log(&server).await;
    let felt = honest.stop().await;
    assert!(felt.failed.is_empty() && felt.longest < Duration::from_secs(5), "{felt:?}");
    let peak = Usage::of(server.id()).peak_mib;
    assert!(peak < 500, "the log must not be kept in memory: {peak} MiB");
    server.signal("TERM");
    let (status, _) = server.wait(Duration::from_secs(10));
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_does_not_wait_for_the_log() {
    let database = TestDatabase::seeded(Backend::Sqlite).await;
    let mut server = start_unread(&database);
    ask_often(&server).await;
    // A request that waits for its body delays a graceful stop.
    let address = server.url.trim_start_matches("http://").trim_end_matches("/graphql");
    let mut request = TcpStream::connect(address).unwrap();
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n";
    request.write_all(head.as_bytes()).unwrap();
    assert!(client::get(server.url.replace("/graphql", "/livez")).await.unwrap().status().is_success());
    server.signal("TERM");
    // Without the request, the server would have stopped by then.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(server.is_running(), "a request is still running");
    let second = Instant::now();
    server.signal("TERM");
    let (status, _) = server.wait(Duration::from_secs(5));
    assert_eq!(status.code(), Some(1), "{status}");
    assert!(second.elapsed() < Duration::from_secs(3), "{:?}", second.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_returning_reader_learns_how_many_lines_were_dropped() {
    let database = TestDatabase::seeded(Backend::Sqlite).await;
    let mut server = start_unread(&database);
    fill_log(&server).await;
    let dropped = metric(&server.url, DROPPED).await;
    let told = loop {
        let line: serde_json::Value = serde_json::from_str(&server.read_line()).unwrap();
        if let Some(told) = line["dropped"].as_f64() {
            break told;
        }
    };
    assert!(told >= dropped, "{told} of {dropped}");
    // After that, no lines are missing.
    let after = client::new().get(&server.url).header("x-request-id", "after").send();
    assert_eq!(after.await.unwrap().status(), 400);
    while !server.read_line().contains("\"after\"") {}
}
