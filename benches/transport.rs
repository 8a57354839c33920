//! Measures requests per second through our transport, and through a bare axum route that sends prepared JSON.
//!
//! `cargo bench --workspace --bench transport [-- SECONDS]`. Server, client and PostgreSQL share the
//! machine, so only the ratios are meaningful. Rounds are interleaved, and medians are printed.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at an unexpected error")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use clap::Parser;
use kinoteka::app::Application;
use kinoteka::config::Cli;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[expect(unused_macros, reason = "the tests' support has one for tests")]
#[path = "../tests/support/mod.rs"]
mod support;

use support::database::{Backend, TestDatabase};

const CONNECTIONS: usize = 32;
const ROUNDS: usize = 5;
/// `Movie:7`.
const MOVIE: &str = "TW92aWU6Nw";
/// The bare route's response, that of query (a).
const READY: &str = r#"{"data":{"movie":{"title":"A title of usual length","year":1999,"rating":4}}}"#;

#[tokio::main]
async fn main() {
    let seconds: f64 = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(2.0);
    let database = TestDatabase::seeded(Backend::Postgres).await;
    let line = ["kinoteka", "--database-url", &database.url, "--listen", "127.0.0.1:0"];
    let cli = Cli::try_parse_from(line).unwrap();
    let application = Application::build(&cli.serve, None).await.unwrap();
    let ours = application.address().unwrap();
    tokio::spawn(application.run(std::future::pending()));
    let ready = || async { ([("content-type", "application/json")], READY) };
    let bare = serve(Router::new().route("/graphql", post(ready))).await;

    println!("| query | ours, requests/s | bare route | ours / bare |");
    println!("|---|---|---|---|");
    let a = format!("{{ movie(id: \"{MOVIE}\") {{ title year rating }} }}");
    for (name, query) in [("`{ __typename }`", "{ __typename }"), ("(a) a movie by id", a.as_str())] {
        let body = json!({ "query": query }).to_string();
        let mut rates = [const { Vec::new() }; 2];
        for _ in 0..ROUNDS {
            for (rates, address) in rates.iter_mut().zip([ours, bare]) {
                rates.push(measure(address, &body, Duration::from_secs_f64(seconds)).await);
            }
        }
        let [ours, bare] = rates.map(|mut rates| {
            rates.sort_by(f64::total_cmp);
            rates[ROUNDS / 2]
        });
        println!("| {name} | {ours:.0} | {bare:.0} | {:.2} |", ours / bare);
    }
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// Requests per second over kept connections, with one request at a time on each.
async fn measure(address: SocketAddr, body: &str, time: Duration) -> f64 {
    let request: Arc<[u8]> = format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\naccept: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
    .into();
    let (count, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (request, count, stop) = (Arc::clone(&request), Arc::clone(&count), Arc::clone(&stop));
        clients.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut buffer = vec![0; 64 * 1024];
            while !stop.load(Ordering::Relaxed) {
                stream.write_all(&request).await.unwrap();
                let mut filled = 0;
                while !is_whole(&buffer[..filled]) {
                    let read = stream.read(&mut buffer[filled..]).await.unwrap();
                    assert!(read > 0, "the server closed the connection");
                    filled += read;
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    // Connecting and the first requests are not measured.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = count.load(Ordering::Relaxed);
    tokio::time::sleep(time).await;
    let done = count.load(Ordering::Relaxed) - before;
    stop.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    done as f64 / time.as_secs_f64()
}

/// Whether a response is complete. It must be successful and contain data.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = std::str::from_utf8(&answer[..end]).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let body = &answer[end + 4..];
    let whole = body.len() == length.trim().parse::<usize>().unwrap();
    assert!(!whole || body.starts_with(b"{\"data\""), "{}", String::from_utf8_lossy(body));
    whole
}
