//! Variables that fill memory: undeclared ones are dropped, and the others are limited, individually and in total.

use std::time::Duration;

use async_graphql::futures_util::future::join_all;
use async_graphql::futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::honest::Honest;
use crate::process::Server;
use crate::support::client;
use crate::support::database::{Backend, TestDatabase};
use crate::usage::{Usage, sized};

const PATIENCE: Duration = Duration::from_secs(30);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(server: &Server) -> Socket {
    let uri = server.url.replace("http://", "ws://").parse().unwrap();
    let request = ClientRequestBuilder::new(uri).with_sub_protocol("graphql-transport-ws");
    let (mut socket, _) = client::in_time(connect_async(request)).await.unwrap();
    say(&mut socket, &json!({ "type": "connection_init" })).await;
    assert_eq!(hear(&mut socket).await["type"], "connection_ack");
    socket
}

async fn say(socket: &mut Socket, message: &Value) {
    socket.send(Message::text(message.to_string())).await.unwrap();
}

async fn hear(socket: &mut Socket) -> Value {
    loop {
        let message = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
        if let Message::Text(text) = message {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

/// Opens subscriptions with different documents on a socket. Returns the number of refused ones.
async fn subscribe(socket: &mut Socket, count: usize, payload: impl Fn(usize) -> Value) -> Vec<Value> {
    for number in 0..count {
        let message = json!({ "type": "subscribe", "id": number.to_string(), "payload": payload(number) });
        say(socket, &message).await;
    }
    // A query whose response comes after all of them.
    let query = json!({ "query": "{ __typename }" });
    let mut refused = Vec::new();
    tokio::time::sleep(Duration::from_millis(500)).await;
    say(socket, &json!({ "type": "subscribe", "id": "end", "payload": query })).await;
    loop {
        let message = hear(socket).await;
        match message["type"].as_str().unwrap() {
            "error" if message["id"] == "end" => panic!("{message}"),
            "error" => refused.push(message["payload"][0]["extensions"].clone()),
            "complete" if message["id"] == "end" => return refused,
            _ => {}
        }
    }
}

fn feed(socket: usize, number: usize) -> String {
    format!("subscription S{socket}_{number} {{ commentAdded {{ cursor }} }}")
}

/// The maximum number of values in a request, and further undeclared ones.
fn undeclared(lists: usize) -> Value {
    json!({ "a": vec![vec![[0]; 450]; lists] })
}

#[tokio::test(flavor = "multi_thread")]
async fn undeclared_variables_are_not_kept() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    // Before an operation starts, all its variables count.
    let server = Server::start(&["--database-url", &database.url, "--limit-kept-bytes-per-client", "400000000"]);
    let warm = Usage::of(server.id());
    let mut sockets = Vec::new();
    for place in 0..sized(4, 16) {
        let mut socket = open(&server).await;
        let payload =
            |number| json!({ "query": feed(place, number), "variables": undeclared(11), "extensions": undeclared(50) });
        assert_eq!(subscribe(&mut socket, 49, payload).await, [Value::Null; 0]);
        sockets.push(socket);
    }
    let peak = Usage::of(server.id()).peak_mib - warm.memory_mib;
    eprintln!("undeclared variables of {} subscriptions: {peak} MiB", sockets.len() * 49);
    assert!(peak < 100, "{peak} MiB");
}

/// Large declared values are kept, up to a limit for each client.
#[tokio::test(flavor = "multi_thread")]
async fn memory_of_subscriptions_is_bounded() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    let limits = ["--limit-kept-bytes-per-client", "8000000"];
    let server = Server::start(&[&["--database-url", &database.url], &limits[..]].concat());
    let honest = Honest::fetches(server.url.replace("/graphql", "/livez"));
    let warm = Usage::of(server.id());
    let fields: String = (0..100).map(|i| format!("a{i:0>250}: cursor ")).collect();
    let query =
        |number: usize| format!("subscription S{number}($s: ID) {{ commentAdded(subjectId: $s) {{ {fields} }} }}");
    let subject = "TW92aWU6MQ";
    let payload = |number| json!({ "query": query(number), "variables": { "s": subject } });
    let mut sockets = Vec::new();
    let mut refused = Vec::new();
    for place in 0..sized(4, 16) {
        let mut socket = open(&server).await;
        refused.extend(subscribe(&mut socket, 49, |number| payload(1_000 * place + number)).await);
        sockets.push(socket);
    }
    let begun = sockets.len() * 49 - refused.len();
    let peak = Usage::of(server.id()).peak_mib - warm.memory_mib;
    eprintln!("plans of {begun} subscriptions, {} refused: {peak} MiB", refused.len());
    // 93 KB each.
    assert!((75..100).contains(&begun), "{begun}");
    let limit = json!({
        "code": "RATE_LIMITED", "limit": "limit-kept-bytes-per-client", "max": 8_000_000, "retryAfterSeconds": 5,
    });
    assert!(refused.iter().all(|refused| *refused == limit), "{:?}", refused[0]);
    assert!(peak < 150, "{peak} MiB");
    // Event streams count too, and ended subscriptions no longer count.
    let body = json!({ "query": query(99_999), "variables": { "s": subject } });
    let request = || client::new().post(&server.url).header("accept", "text/event-stream").json(&body);
    let answer = request().send().await.unwrap();
    assert_eq!(answer.status(), 429);
    assert!(answer.text().await.unwrap().contains("limit-kept-bytes-per-client"));
    drop(sockets);
    let stream = timeout(PATIENCE, async {
        loop {
            let answer = request().send().await.unwrap();
            if answer.status() == 200 {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    drop(stream.await.unwrap());
    let felt = honest.stop().await;
    assert!(felt.failed.is_empty() && felt.longest < Duration::from_secs(12), "{felt:?}");
}

/// A body must not become a tree of a hundred times its size, wherever its values are.
#[tokio::test(flavor = "multi_thread")]
async fn no_body_becomes_a_large_tree() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    let server = Server::start(&["--database-url", &database.url, "--limit-batch", "10"]);
    // Each list is below the limit.
    let grouped = |item: &str, count: usize| {
        let group = format!("[{}0],", item.repeat(400));
        format!("[{}0]", group.repeat(count / 400))
    };
    let lists = |bytes: usize| grouped("[0],", bytes / 4);
    let objects = grouped(r#"{"a":0},"#, 120_000);
    let (million, query) = (lists(1_000_000), r#""query":"{ __typename }""#);
    let client = client::new();
    let post = async |body: String| {
        let request = client.post(&server.url).header("content-type", "application/json").body(body);
        request.send().await.unwrap().text().await.unwrap()
    };
    // Warmed up with a body of the same length.
    post(format!("{{{query},\"other\":\"{}\"}}", "x".repeat(1_000_000))).await;
    let before = Usage::of(server.id());
    let too_many = "limit-input-values";
    for (body, part) in [
        (format!("{{{query},\"extensions\":{{\"a\":{million}}}}}"), "\"data\""),
        (format!("{{{query},\"other\":{million}}}"), "\"data\""),
        (format!("{{{query},\"variables\":{{\"a\":{million}}}}}"), too_many),
        (format!("{{{query},\"variables\":{{\"a\":{objects}}}}}"), too_many),
        (format!("{{\"query\":{million}}}"), "query: must be a string"),
        (format!("{{\"query\":1,\"other\":{million}}}"), "query: must be a string"),
        (format!("{{{query},\"variables\":{million}}}"), "variables: must be an object"),
        (format!("[{{{query},\"extensions\":{{\"a\":{}}}}}]", lists(900_000)), "\"data\""),
        (format!("[{}{{}}]", "[0],".repeat(250_000)), "250001 operations; the limit is 10"),
        (format!("{{{query},\"variables\":{{\"a\":{}}}}}", "[".repeat(1_000_000)), "BAD_USER_INPUT"),
        (format!("{{{query},\"extensions\":{{\"idempotencyKey\":{million}}}}}"), "\"data\""),
    ] {
        let answer = post(body).await;
        assert!(answer.contains(part), "{part}: {answer}");
    }
    // Several simultaneously.
    let bodies = (0..8).map(|_| post(format!("{{{query},\"variables\":{{\"a\":{million}}}}}")));
    assert!(join_all(bodies).await.iter().all(|answer| answer.contains(too_many)));
    let mut socket = open(&server).await;
    let message = lists(120_000);
    for text in [
        format!(r#"{{"type":"ping","payload":{{"a":{message}}}}}"#),
        format!(r#"{{"type":"subscribe","id":"1","payload":{{{query},"variables":{{"a":{message}}}}}}}"#),
    ] {
        socket.send(Message::text(text)).await.unwrap();
        let heard = hear(&mut socket).await;
        assert!(["pong", "error"].contains(&heard["type"].as_str().unwrap()), "{heard}");
    }
    let grown = Usage::of(server.id()).peak_mib - before.peak_mib;
    eprintln!("bodies of a megabyte: the peak grew by {grown} MiB");
    assert!(grown < 200, "{grown} MiB");
}
