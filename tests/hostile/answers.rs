//! Large responses, and clients that do not read them.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use async_graphql::futures_util::{SinkExt, StreamExt};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;

use crate::honest::Honest;
use crate::process::Server;
use crate::stranger;
use crate::support::client::{self, in_time};
use crate::support::database::{Backend, TestDatabase};
use crate::usage::{Usage, sized};

/// A library with publications of the given number and length, which repeat `words`.
async fn library(publications: usize, words: &str, letters: usize) -> TestDatabase {
    library_with(publications, words, letters, "").await
}

/// The same, with other words at the end of each text.
pub async fn library_with(publications: usize, words: &str, letters: usize, end: &str) -> TestDatabase {
    let database = TestDatabase::seeded(Backend::Sqlite).await;
    let db = database.connect().await;
    let times = letters / words.chars().count();
    db.execute_unprepared(&format!(
        "DELETE FROM publications;
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {publications})
         INSERT INTO publications (title, text, author, category)
         SELECT 'Заметки ' || i, replace(hex(zeroblob({times})), '00', '{words}') || '{end}',
             (SELECT min(id) FROM users), (SELECT min(id) FROM publications_category) FROM n"
    ))
    .await
    .unwrap();
    db.close().await.unwrap();
    database
}

fn aliases(count: usize, field: &str) -> String {
    (0..count).map(|i| format!("a{i}: {field} ")).collect()
}

/// A query for the texts of `rows` publications, each `times` times.
fn texts(rows: usize, times: usize) -> String {
    format!("{{ publications(first: {rows}) {{ nodes {{ {} }} }} }}", aliases(times, "text"))
}

async fn ask(server: &Server, query: &str) -> (u16, Value) {
    let client = client::builder().timeout(Duration::from_secs(60)).build().unwrap();
    let answer = client.post(&server.url).json(&json!({ "query": query })).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

fn address(server: &Server) -> SocketAddr {
    server.url.trim_start_matches("http://").trim_end_matches("/graphql").parse().unwrap()
}

/// A connection from 127.0.0.`client` with a small receive buffer.
async fn connect(server: &Server, client: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    socket.bind(SocketAddr::new(IpAddr::from([127, 0, 0, client]), 0)).unwrap();
    socket.connect(address(server)).await.unwrap()
}

async fn post(stream: &mut TcpStream, query: &str, headers: &str) {
    let body = json!({ "query": query }).to_string();
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let request = format!("{head}{headers}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
}

/// Formerly a response of 394 MB, and the tree from which it was written.
#[tokio::test(flavor = "multi_thread")]
async fn aliases_of_wide_texts_are_stopped() {
    let database = library(100, "Кино и мы. ", 50_000).await;
    let dear = Server::start(&["--database-url", &database.url]);
    let (_, answer) = ask(&dear, &texts(100, 45)).await;
    assert_eq!(answer["errors"][0]["extensions"]["limit"], "limit-complexity", "{answer}");
    // With a limit of complexity that does not stop it.
    let server = Server::start(&["--database-url", &database.url, "--limit-complexity", "100000000"]);
    let honest = Honest::queries(server.url.clone(), "{ movies(first: 1) { nodes { title } } }");
    let (_, answer) = ask(&server, &texts(5, 10)).await;
    assert!(answer["data"].is_object(), "{answer}");
    let before = Usage::of(server.id());
    let (status, answer) = ask(&server, &texts(100, sized(45, 90))).await;
    let after = Usage::of(server.id());
    let felt = honest.stop().await;
    eprintln!("aliases: peak {} MiB, before {} MiB, honest {:?}", after.peak_mib, before.memory_mib, felt.longest);
    assert_eq!(status, 200);
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!((&extensions["code"], &extensions["limit"]), (&json!("TOO_COMPLEX"), &json!("limit-answer-bytes")));
    assert_eq!(answer.get("data"), None);
    assert!(felt.failed.is_empty() && felt.longest < Duration::from_secs(5), "{felt:?}");
    let grown = after.peak_mib - before.memory_mib;
    // About 20 to 160 MiB, depending on the number of concurrent responses. The whole response would have 394 MB.
    assert!(grown < 300, "a response must be stopped while it is written: {grown} MiB");
}

/// Formerly each response stayed in memory while its client read a byte now and then.
#[tokio::test(flavor = "multi_thread")]
async fn slow_readers_use_little_memory() {
    let database = library(100, "Кино и мы. ", 50_000).await;
    let args = ["--limit-unsent-bytes", "67108864", "--limit-unsent-bytes-per-client", "33554432"];
    let args = [&["--database-url", &database.url, "--limit-complexity", "100000000"], &args[..]].concat();
    let server = Server::start(&args);
    let before = Usage::of(server.id());
    // Not one of the attackers.
    let honest = Honest::queries(server.url.clone(), "{ movies(first: 5) { nodes { title plot } } }");
    let mut held = Vec::new();
    for number in 0..sized(20, 100) {
        let mut stream = connect(&server, 2 + u8::try_from(number % 4).unwrap()).await;
        post(&mut stream, &texts(100, 1), "").await;
        held.push(stream);
    }
    let mut most = 0;
    // How long the memory is watched.
    for _ in 0..30 {
        sleep(Duration::from_millis(200)).await;
        most = most.max(Usage::of(server.id()).memory_mib);
    }
    let mut refused = 0;
    for stream in &mut held {
        let mut start = [0; 12];
        in_time(stream.read_exact(&mut start)).await.unwrap();
        refused += u32::from([&b"HTTP/1.1 429"[..], b"HTTP/1.1 503"].contains(&&start[..]));
    }
    let felt = honest.stop().await;
    eprintln!(
        "slow readers: {most} MiB, before {} MiB, refused {refused}, honest {:?}",
        before.memory_mib, felt.longest
    );
    assert!(refused > 0, "some must be told to try again");
    assert!(felt.failed.is_empty() && felt.longest < Duration::from_secs(30), "{felt:?}");
    // 64 MiB, twice while responses are written, and the trees of concurrent ones.
    assert!(most - before.memory_mib < 400, "{most} MiB");
    // Their memory is freed.
    drop(held);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let (_, answer) = ask(&server, &texts(100, 1)).await;
        if answer["data"].is_object() {
            break;
        }
        assert!(Instant::now() < deadline, "{answer}");
    }
}

/// Formerly a client that read a byte every half minute kept its response in memory.
#[tokio::test(flavor = "multi_thread")]
async fn only_clients_that_read_too_slowly_are_disconnected() {
    let database = library(100, "Кино и мы. ", 50_000).await;
    let args = ["--write-timeout-ms", "2000", "--min-send-rate-bytes", "65536", "--limit-complexity", "100000000"];
    let server = Server::start(&[&["--database-url", &database.url], &args[..]].concat());
    let ask = texts(100, 1);
    let mut modest = connect(&server, 2).await;
    post(&mut modest, &ask, "connection: close\r\n").await;
    let modest = tokio::spawn(async move {
        let mut piece = vec![0; 64 << 10];
        let mut read = 0;
        loop {
            let size = modest.read(&mut piece).await.unwrap();
            read += size;
            if size == 0 {
                return read;
            }
            // At most 1.5 MB per second.
            sleep(Duration::from_millis(1000 * size as u64 / (1536 << 10))).await;
        }
    });
    let mut slow = connect(&server, 3).await;
    post(&mut slow, &ask, "").await;
    let started = Instant::now();
    let ended = timeout(Duration::from_secs(30), async {
        let mut byte = [0; 1];
        while slow.read_exact(&mut byte).await.is_ok() {
            // Buffered bytes are read after the close too.
            if started.elapsed() > Duration::from_secs(8) {
                let mut rest = Vec::new();
                let outcome = slow.read_to_end(&mut rest).await;
                return (outcome, rest.len());
            }
            sleep(Duration::from_millis(500)).await;
        }
        (Err(std::io::ErrorKind::ConnectionReset.into()), 0)
    })
    .await
    .expect("the connection must be closed");
    eprintln!("one byte at a time: {ended:?}");
    assert!(ended.1 < 6 << 20, "it must not get the whole response: {ended:?}");
    let read = timeout(Duration::from_secs(60), modest).await.unwrap().unwrap();
    assert!(read > 8_000_000, "it must get the whole response: {read}");
}

async fn open_socket(server: &Server, client: u8) -> tokio_tungstenite::WebSocketStream<TcpStream> {
    let request = ClientRequestBuilder::new(server.url.replace("http://", "ws://").parse().unwrap())
        .with_sub_protocol("graphql-transport-ws");
    let (mut socket, _) = in_time(client_async(request, connect(server, client).await)).await.unwrap();
    socket.send(Message::text(json!({ "type": "connection_init" }).to_string())).await.unwrap();
    assert!(in_time(socket.next()).await.unwrap().unwrap().to_text().unwrap().contains("connection_ack"));
    socket
}

/// Formerly the results of 50 operations waited for a client that did not read.
#[tokio::test(flavor = "multi_thread")]
async fn an_unread_socket_uses_little_memory() {
    let database = library(100, "Кино и мы. ", 50_000).await;
    let args = ["--limit-unsent-bytes-per-client", "33554432", "--limit-complexity", "100000000"];
    let server = Server::start(&[&["--database-url", &database.url], &args[..]].concat());
    let before = Usage::of(server.id());
    let honest = Honest::queries(server.url.clone(), "{ movies(first: 5) { nodes { title plot } } }");
    let mut socket = open_socket(&server, 2).await;
    for number in 0..sized(40, 50) {
        let payload = json!({ "query": texts(100, 1) });
        let message = json!({ "id": number.to_string(), "type": "subscribe", "payload": payload });
        // The server reads nothing from a client that does not read.
        let sent = timeout(Duration::from_secs(5), socket.send(Message::text(message.to_string()))).await;
        if !matches!(sent, Ok(Ok(()))) {
            break;
        }
    }
    let mut most = 0;
    // How long the memory is watched.
    for _ in 0..30 {
        sleep(Duration::from_millis(200)).await;
        most = most.max(Usage::of(server.id()).memory_mib);
    }
    let felt = honest.stop().await;
    eprintln!("unread socket: {most} MiB, before {} MiB, honest {:?}", before.memory_mib, felt.longest);
    assert!(felt.failed.is_empty() && felt.longest < Duration::from_secs(30), "{felt:?}");
    // About 125 MiB. All results would have 315 MiB, plus their trees.
    assert!(most - before.memory_mib < 300, "{most} MiB");
}

/// An event stream from one of the loopback addresses.
async fn listen(server: &Server, client: u8, query: &str) -> TcpStream {
    let mut stream = connect(server, client).await;
    post(&mut stream, query, "accept: text/event-stream\r\n").await;
    let mut start = [0; 15];
    in_time(stream.read_exact(&mut start)).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200 OK");
    stream
}

/// Formerly 128 results of any size were kept for each subscribed document.
#[tokio::test(flavor = "multi_thread")]
async fn unread_event_streams_use_little_memory() {
    let database = library(3, "Кино и мы. ", 50_000).await;
    let server = Server::start(&["--database-url", &database.url]);
    let before = Usage::of(server.id());
    let dear = format!("{{ comment {{ subject {{ ... on Publication {{ {} }} }} }} }}", aliases(30, "text"));
    let mut unread = Vec::new();
    for number in 0..sized(4, 20) {
        // Each with its own document.
        unread.push(listen(&server, 2, &format!("subscription {{ a{number}: commentAdded {dear} }}")).await);
    }
    let mut honest = listen(&server, 3, "subscription { commentAdded { comment { text } } }").await;
    let told = sized(60, 200);
    let heard = tokio::spawn(async move {
        let (mut text, mut piece) = (Vec::new(), vec![0; 64 << 10]);
        while String::from_utf8_lossy(&text).matches("проба").count() < told {
            let size = honest.read(&mut piece).await.unwrap();
            assert!(size > 0, "it must continue");
            text.extend_from_slice(&piece[..size]);
        }
    });
    let db = database.connect().await;
    let mut most = 0;
    for _ in 0..told {
        db.execute_unprepared(
            "INSERT INTO comments (comment, user_id, publication_id)
             SELECT 'проба', (SELECT min(id) FROM users), (SELECT min(id) FROM publications)",
        )
        .await
        .unwrap();
        sleep(Duration::from_millis(50)).await;
        most = most.max(Usage::of(server.id()).memory_mib);
    }
    timeout(Duration::from_secs(30), heard).await.expect("readers must get everything").unwrap();
    most = most.max(Usage::of(server.id()).peak_mib);
    eprintln!("unread streams: {most} MiB, before {} MiB", before.memory_mib);
    assert!(most - before.memory_mib < 400, "{most} MiB");
    drop(unread);
}

/// Adds a comment on a publication.
async fn tell(db: &DatabaseConnection, text: &str) {
    db.execute_unprepared(&format!(
        "INSERT INTO comments (comment, user_id, publication_id)
         SELECT '{text}', (SELECT min(id) FROM users), (SELECT min(id) FROM publications)"
    ))
    .await
    .unwrap();
}

/// How often a limit was hit, from the metrics.
async fn met(server: &Server, limit: &str) -> u64 {
    let text = client::get(server.url.replace("/graphql", "/metrics")).await.unwrap().text().await.unwrap();
    let name = format!("kinoteka_limits_hit_total{{limit=\"{limit}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}

/// Formerly all results counted as one client. When the limit was reached, events had an error instead of the
/// comment.
#[tokio::test(flavor = "multi_thread")]
async fn unread_event_streams_do_not_cost_others_comments() {
    let database = library(3, "Кино и мы. ", 50_000).await;
    let limit = "limit-unsent-bytes-per-client";
    let server = Server::start(&["--database-url", &database.url, &format!("--{limit}"), "8388608"]);
    let wide = "subscription { commentAdded { comment { text subject { ... on Publication { it: text } } } } }";
    let mut honest = stranger::Socket::open_honest(&server.url).await;
    honest.subscribe(1, wide).await;
    let mut unread = Vec::new();
    for number in 0..8 {
        let dear = format!("{{ comment {{ subject {{ ... on Publication {{ {} }} }} }} }}", aliases(30, "text"));
        unread.push(listen(&server, 2, &format!("subscription {{ a{number}: commentAdded {dear} }}")).await);
    }
    // The attacker also subscribes like the honest client.
    unread.push(listen(&server, 2, wide).await);
    let (cursor, told) = (ask(&server, "{ commentCursor }").await.1["data"]["commentCursor"].clone(), sized(20, 100));
    let db = database.connect().await;
    for number in 0..told {
        let text = format!("проба {number}");
        tell(&db, &text).await;
        let heard = timeout(Duration::from_secs(60), honest.hear()).await.expect("it must continue").unwrap();
        let payload = &heard["payload"];
        assert_eq!(payload["errors"], json!(null), "{number}");
        let comment = &payload["data"]["commentAdded"]["comment"];
        assert_eq!(comment["text"], json!(text));
        assert!(comment["subject"]["it"].as_str().unwrap().len() > 80_000);
    }
    assert!(met(&server, limit).await > 0, "the attack must reach its limit");
    // The attacker's missed events wait until it is below its limit.
    let mut again = stranger::Socket::open(&server.url).await;
    again.subscribe(1, &wide.replace("commentAdded", &format!("commentAdded(after: {cursor})"))).await;
    // Nothing arrives meanwhile, because it is at its limit.
    sleep(Duration::from_secs(1)).await;
    drop(unread);
    for number in 0..told {
        let heard = timeout(Duration::from_secs(60), again.hear()).await.expect("it must continue").unwrap();
        let comment = &heard["payload"]["data"]["commentAdded"]["comment"];
        assert_eq!((&heard["payload"]["errors"], &comment["text"]), (&json!(null), &json!(format!("проба {number}"))));
    }
}

/// Formerly it ended all subscriptions with the document.
#[tokio::test(flavor = "multi_thread")]
async fn a_too_large_result_is_an_error_and_the_next_one_arrives() {
    let database = library(3, "Кино и мы. ", 100).await;
    let server = Server::start(&["--database-url", &database.url, "--limit-answer-bytes", "2000"]);
    let mut socket = stranger::Socket::open_honest(&server.url).await;
    socket.subscribe(1, "subscription { commentAdded { comment { text } } }").await;
    socket.say(json!({ "type": "ping" })).await;
    assert_eq!(socket.hear().await.unwrap()["type"], "pong");
    let db = database.connect().await;
    // The first doubles its size when it is written, and the second is too large from the start.
    for text in ["\"".repeat(1_500), "x".repeat(2_500)] {
        tell(&db, &text).await;
        let heard = timeout(Duration::from_secs(60), socket.hear()).await.expect("it must continue").unwrap();
        let comment = &heard["payload"]["data"]["commentAdded"]["comment"];
        assert_eq!((&heard["type"], comment), (&json!("next"), &json!(null)), "{heard}");
        assert_eq!(heard["payload"]["errors"][0]["extensions"]["code"], "TOO_COMPLEX", "{heard}");
    }
    tell(&db, "раз").await;
    let heard = timeout(Duration::from_secs(60), socket.hear()).await.expect("it must continue").unwrap();
    assert_eq!(heard["payload"]["data"]["commentAdded"]["comment"]["text"], "раз", "{heard}");
    assert_eq!(met(&server, "limit-answer-bytes").await, 2);
    // A query is counted only once too.
    let (_, answer) =
        ask(&server, "{ publications(first: 3) { nodes { a: text b: text c: text d: text e: text f: text } } }").await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "TOO_COMPLEX", "{answer}");
    assert_eq!(met(&server, "limit-answer-bytes").await, 3);
}

/// Formerly it closed the socket with all its operations.
#[tokio::test(flavor = "multi_thread")]
async fn a_socket_stays_open_if_a_response_exceeds_the_limit() {
    let database = library(5, "Кино и мы. ", 50_000).await;
    let server = Server::start(&["--database-url", &database.url, "--limit-unsent-bytes", "100000"]);
    let mut socket = stranger::Socket::open_honest(&server.url).await;
    socket.subscribe(1, &texts(5, 1)).await;
    let heard = socket.hear().await.expect("it must stay open");
    assert_eq!((&heard["type"], &heard["id"]), (&json!("error"), &json!("1")), "{heard}");
    assert_eq!(heard["payload"][0]["extensions"]["code"], "UNAVAILABLE", "{heard}");
    socket.subscribe(2, "{ __typename }").await;
    assert_eq!(socket.hear().await.unwrap()["payload"]["data"]["__typename"], "Query");
}
