//! Keep-alive: connections outlive those of proxies, slow heads get no more time, and idle connections make room.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::nginx::Nginx;
use crate::process::Server;
use crate::support::address::own_address;
use crate::support::client;
use crate::support::database::{Backend, TestDatabase};
use crate::usage::sized;

/// Catches hangs.
const PATIENCE: Duration = Duration::from_secs(30);

const REQUEST: &str = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";

struct Target {
    server: Server,
    address: String,
    _database: TestDatabase,
}

impl Target {
    async fn start(args: &[&str]) -> Self {
        let database = TestDatabase::migrated(Backend::Sqlite).await;
        let mut server = Server::start(&[&["--database-url", &database.url], args].concat());
        // A full pipe would block the server.
        server.stop_reading();
        let address = server.url.trim_start_matches("http://").trim_end_matches("/graphql").to_owned();
        Self { server, address, _database: database }
    }

    async fn connect(&self) -> Kept {
        Kept(TcpStream::connect(&self.address).await.unwrap())
    }

    /// The number of requests for `/livez` with a response.
    async fn answered(&self) -> u64 {
        let url = self.server.url.replace("/graphql", "/metrics");
        let text = client::get(url).await.unwrap().text().await.unwrap();
        let series = "kinoteka_http_requests_total{path=\"/livez\",status=\"200\"} ";
        text.lines().find_map(|line| line.strip_prefix(series)).map_or(0, |count| count.parse().unwrap())
    }
}

/// A kept connection of a client.
struct Kept(TcpStream);

impl Kept {
    /// The head and body of a response, or the part that arrived before the connection was closed.
    async fn ask(&mut self) -> String {
        // An error shows in the read bytes.
        drop(self.0.write_all(REQUEST.as_bytes()).await);
        let mut answer = Vec::new();
        let read = async {
            while !answer.ends_with(b"ok\n") {
                match self.0.read_buf(&mut answer).await {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
            }
        };
        assert!(timeout(PATIENCE, read).await.is_ok(), "the server must respond or close the connection");
        String::from_utf8(answer).unwrap()
    }

    /// Sends a part of a request byte by byte until the server closes the connection. Returns the time.
    async fn trickle(&mut self, part: &str) -> Duration {
        let begun = Instant::now();
        let sent = async {
            for byte in part.bytes() {
                if self.0.write_all(&[byte]).await.is_err() {
                    return;
                }
                let mut nothing = [0; 1];
                if let Ok(read) = timeout(Duration::from_millis(100), self.0.read(&mut nothing)).await {
                    assert!(matches!(read, Ok(0) | Err(_)), "a part of a head must get no response");
                    return;
                }
            }
            panic!("the server does not stop waiting for a head");
        };
        timeout(PATIENCE, sent).await.unwrap();
        begun.elapsed()
    }

    /// Waits until the server closes the connection. Returns the time.
    async fn closed(&mut self) -> Duration {
        let begun = Instant::now();
        let read = timeout(PATIENCE, self.0.read(&mut [0; 1])).await;
        assert!(matches!(read, Ok(Ok(0) | Err(_))), "the server must close the connection: {read:?}");
        begun.elapsed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_may_be_idle_longer_than_a_head_may_take() {
    let target = Target::start(&["--header-timeout-ms", "300", "--idle-timeout-ms", "2000"]).await;
    let mut kept = target.connect().await;
    for _ in 0..2 {
        let answer = kept.ask().await;
        let head = answer.to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{answer}");
        assert!(head.contains("\r\nkeep-alive: timeout=2\r\n") && head.contains("\r\nconnection: keep-alive\r\n"));
        // Longer than the timeout of heads, shorter than that of idle connections.
        sleep(Duration::from_millis(1_500)).await;
    }
    kept.ask().await;
    // The header says two seconds, which begin for the client with the response.
    let rest = kept.closed().await;
    assert!(rest >= Duration::from_secs(2), "{rest:?}");
    // Clients without keep-alive do not get the header.
    for head in
        ["GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "GET /livez HTTP/1.0\r\nhost: x\r\n\r\n"]
    {
        let mut once = target.connect().await;
        once.0.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, once.0.read_to_string(&mut answer)).await.unwrap().unwrap();
        let answer = answer.to_ascii_lowercase();
        assert!(answer.ends_with("ok\n") && !answer.contains("keep-alive"), "{answer}");
    }
}

/// A response before the whole body was read closes its connection. All other connections stay open.
#[tokio::test(flavor = "multi_thread")]
async fn a_response_to_an_unread_body_closes_the_connection() {
    let json = "content-type: application/json\r\n";
    let asked = |headers: &str, body: &str| format!("POST /graphql HTTP/1.1\r\nhost: x\r\n{headers}\r\n{body}");
    // Small bodies do not count.
    let (long, chunk) = ("content-length: 20000\r\n", format!("4e20\r\n{}\r\n", "x".repeat(20_000)));
    let unread = [
        (413, "--limit-body-bytes", asked(&format!("{json}{long}"), "{")),
        (413, "--limit-body-bytes", asked(&format!("{json}transfer-encoding: chunked\r\n"), &chunk)),
        (429, "--limit-bodies-bytes-per-client", asked(&format!("{json}transfer-encoding: chunked\r\n"), &chunk)),
        (503, "--limit-bodies-bytes", asked(&format!("{json}transfer-encoding: chunked\r\n"), &chunk)),
        (415, "--limit-body-bytes", asked("content-type: text/csv\r\ncontent-length: 9\r\n", "{")),
        (200, "--limit-body-bytes", "GET /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{".to_owned()),
    ];
    for (status, limit, request) in unread {
        let target = Target::start(&[limit, "1000", "--body-timeout-ms", "20000"]).await;
        let mut once = target.connect().await;
        once.0.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // Unread bytes may reset the connection.
        drop(timeout(PATIENCE, once.0.read_to_end(&mut answer)).await.expect("the connection must close"));
        let answer = String::from_utf8(answer).unwrap().to_ascii_lowercase();
        assert!(answer.starts_with(&format!("http/1.1 {status}")), "{status}: {answer}");
        assert!(answer.contains("\r\nconnection: close\r\n") && !answer.contains("keep-alive"), "{answer}");
    }
    let target = Target::start(&[]).await;
    let mut kept = target.connect().await;
    for (status, headers, body) in [
        (200, "content-length: 24\r\n", "{\"query\":\"{__typename}\"}"),
        (200, "transfer-encoding: chunked\r\n", "18\r\n{\"query\":\"{__typename}\"}\r\n0\r\n\r\n"),
        (400, "content-length: 1\r\n", "{"),
    ] {
        kept.0.write_all(asked(&format!("{json}{headers}"), body).as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            let read = timeout(PATIENCE, kept.0.read_buf(&mut answer)).await.unwrap().unwrap();
            assert!(read > 0, "it must stay open");
        }
        let answer = String::from_utf8(answer).unwrap().to_ascii_lowercase();
        assert!(answer.starts_with(&format!("http/1.1 {status}")), "{answer}");
        assert!(answer.contains("\r\nconnection: keep-alive\r\n"), "{answer}");
    }
    assert!(kept.ask().await.ends_with("ok\n"));
}

/// The timeout of a head begins with its first byte, also on a kept connection.
#[tokio::test(flavor = "multi_thread")]
async fn idle_time_does_not_extend_the_timeout_of_a_head() {
    let target = Target::start(&["--header-timeout-ms", "1000", "--idle-timeout-ms", "600000"]).await;
    let part = format!("GET /livez HTTP/1.1\r\nx-slow: {}", "x".repeat(500));
    let silent = target.connect().await.closed().await;
    let mut slow = target.connect().await;
    let first = slow.trickle(&part).await;
    let mut kept = target.connect().await;
    assert!(kept.ask().await.ends_with("ok\n"));
    // Longer than the timeout of heads.
    sleep(Duration::from_millis(1_500)).await;
    let later = kept.trickle(&part).await;
    for (what, time) in [("silent", silent), ("first", first), ("later", later)] {
        // The server accepts a connection shortly after the client has opened it.
        assert!(time > Duration::from_millis(800) && time < Duration::from_secs(6), "{what}: {time:?}");
    }
}

/// Nearly all connections are in use: those idle for the longest time are closed for new clients.
#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_make_room() {
    let args = ["--limit-connections", "8", "--idle-timeout-ms", "600000", "--body-timeout-ms", "600000"];
    let target = Target::start(&args).await;
    // One has a running request, and is older than all idle ones.
    let mut busy = target.connect().await;
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 26\r\n\r\n{";
    busy.0.write_all(head.as_bytes()).await.unwrap();
    let mut kept = Vec::new();
    for _ in 0..7 {
        let mut connection = target.connect().await;
        assert!(connection.ask().await.ends_with("ok\n"));
        kept.push(connection);
    }
    let begun = Instant::now();
    let mut new = Vec::new();
    for _ in 0..3 {
        let mut connection = target.connect().await;
        assert!(connection.ask().await.ends_with("ok\n"), "a new client must be accepted");
        new.push(connection);
    }
    println!("three came in within {:?}", begun.elapsed());
    // On a busy machine, the order is not exact.
    let mut closing: JoinSet<_> =
        kept.into_iter().map(|mut connection| async move { connection.closed().await }).collect();
    for _ in 0..3 {
        closing.join_next().await.unwrap().unwrap();
    }
    busy.0.write_all(b"\"query\":\"{__typename}\"  }").await.unwrap();
    let mut answer = vec![0; 12];
    timeout(PATIENCE, busy.0.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, b"HTTP/1.1 200");
}

/// A request at the moment of closing gets a complete response, or is never read.
#[tokio::test(flavor = "multi_thread")]
async fn closed_connections_have_no_read_requests() {
    let target = Target::start(&["--idle-timeout-ms", "500"]).await;
    let mut lanes = JoinSet::new();
    for number in 0..sized(200, 1_000) {
        let mut kept = target.connect().await;
        lanes.spawn(async move {
            assert!(kept.ask().await.ends_with("ok\n"));
            // The server closes it a second later than announced.
            sleep(Duration::from_micros(1_490_000 + number as u64 % 200 * 100)).await;
            let answer = kept.ask().await;
            assert!(answer.is_empty() || answer.ends_with("ok\n"), "{answer}");
            1 + u64::from(!answer.is_empty())
        });
    }
    let answers: u64 = lanes.join_all().await.into_iter().sum();
    assert_eq!(target.answered().await, answers, "every read request must get a response");
    println!("{answers} answers on {} connections", sized(200, 1_000));
}

/// nginx keeps connections to the server and closes them first, so that no request uses a closing one. `KINOTEKA_LONG`
/// uses the default timeouts of both.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_with_kept_connections_uses_no_closed_one() {
    let is_long = sized(0, 1) == 1;
    let (idle, keepalive, pause_ms) = if is_long { ("120000", "60s", 60_000) } else { ("3000", "2s", 2_000) };
    let target = Target::start(&["--idle-timeout-ms", idle, "--header-timeout-ms", "1000"]).await;
    let (upstream, address) = (&target.address, own_address());
    let nginx = Nginx::start(
        address,
        &format!(
            "keepalive_requests 1000000;
             upstream kinoteka {{ server {upstream}; keepalive 1000; keepalive_timeout {keepalive};
               keepalive_requests 1000000; }}
             server {{ listen {address};
               location / {{ proxy_pass http://kinoteka; proxy_http_version 1.1; proxy_set_header Connection '';
                 proxy_next_upstream off; }} }}"
        ),
    );
    let url = format!("{}/graphql", nginx.url);
    let mut lanes = JoinSet::new();
    for lane in 0..60_u64 {
        let (url, client) = (url.clone(), client::builder().pool_max_idle_per_host(0).build().unwrap());
        lanes.spawn(async move {
            let mut failures = Vec::new();
            for round in 0..6 {
                // nginx does not retry a POST.
                let request = client.post(&url).header("content-type", "application/json").timeout(PATIENCE);
                match request.body("{\"query\":\"{ __typename }\"}").send().await {
                    Ok(answer) if answer.status() == 200 => {}
                    Ok(answer) => failures.push(answer.status().to_string()),
                    Err(error) => failures.push(format!("{error:?}")),
                }
                // From 0.1 s before nginx closes to 0.1 s after, at another moment in each lane and round.
                sleep(Duration::from_millis(pause_ms - 100 + (lane * 7 + round * 31) % 200)).await;
            }
            failures
        });
    }
    let failures: Vec<_> = lanes.join_all().await.into_iter().flatten().collect();
    let log = nginx.log();
    assert!(failures.is_empty(), "{} of 360 failed: {failures:?}\n{log}", failures.len());
    assert!(!log.contains("prematurely closed") && !log.contains("reset by peer"), "{log}");
}
