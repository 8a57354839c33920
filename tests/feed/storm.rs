//! An instance is killed, and all its listeners reconnect to another one simultaneously.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;
use serde_json::json;
use tokio::task::JoinSet;

use crate::instance::{database, say};
use crate::node::{Node, Socket};
use crate::support::client;
use crate::support::database::Backend;

on_both![a_storm_costs_no_more_for_more_listeners];

const SUBSCRIPTION: &str = "subscription ($after: String) {
    commentEvents(after: $after) { cursor kind comment { text author { username } } } }";

/// All clients of the test have the same address.
const LIMITS: [&str; 10] = [
    "--limit-sockets-per-client",
    "16000",
    "--limit-connections-per-client",
    "20000",
    "--limit-subscriptions-per-client",
    "16000",
    "--limit-subscribed-complexity-per-client",
    "100000000",
    "--limit-kept-bytes-per-client",
    "536870912",
];

/// The number of comments that each listener has missed.
const MISSED: usize = 100;

/// The number of listeners. `KINOTEKA_LONG` has more and needs 10,500 open files.
fn listeners() -> usize {
    if std::env::var_os("KINOTEKA_LONG").is_some() { 10_000 } else { 200 }
}

async fn metric(node: &Node, name: &str) -> f64 {
    let text = client::get(format!("http://{}/metrics", node.address())).await.unwrap().text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}:\n{text}"));
    line.trim().parse().unwrap()
}

const EXECUTIONS: &str = "kinoteka_feed_executions_total";
const STATEMENTS: &str = "kinoteka_statement_duration_seconds_count";

/// Reads the given number of events. Returns the socket and the last cursor. A listener without a slot retries, as clients
/// do.
async fn take(node: SocketAddr, begin: String, count: usize) -> (Socket, String) {
    let (mut cursor, mut taken) = (begin, 0);
    loop {
        let Some(mut socket) = Socket::subscribe(node, SUBSCRIPTION, json!({ "after": cursor })).await else {
            continue;
        };
        while taken < count
            && let Some(result) = socket.next().await
        {
            assert!(result.get("errors").is_none(), "{result:#}");
            cursor = result["data"]["commentEvents"]["cursor"].as_str().unwrap().to_owned();
            taken += 1;
        }
        if taken == count {
            return (socket, cursor);
        }
    }
}

async fn a_storm_costs_no_more_for_more_listeners(backend: Backend) {
    let (database, db) = database(backend).await;
    let (one, other) = (Node::start_with(&database.url, &LIMITS), Node::start_with(&database.url, &LIMITS));
    let begin = client::new().get(format!("http://{}/graphql?query=%7BcommentCursor%7D", one.address()));
    let begin: serde_json::Value = begin.send().await.unwrap().json().await.unwrap();
    let begin = begin["data"]["commentCursor"].as_str().unwrap().to_owned();
    say(&db, 1, "до того").await;
    let mut before = JoinSet::new();
    for _ in 0..listeners() {
        let (address, begin) = (one.address(), begin.clone());
        before.spawn(async move { take(address, begin, 1).await });
    }
    let (sockets, cursors): (Vec<_>, Vec<_>) = before.join_all().await.into_iter().unzip();
    one.signal("KILL");
    let values: Vec<_> = (0..MISSED).map(|i| format!("(1, 'c{i}', 1)")).collect();
    let insert = format!("INSERT INTO comments (user_id, comment, movie_id) VALUES {}", values.join(", "));
    db.execute_unprepared(&insert).await.unwrap();
    drop(sockets);
    let counts = [metric(&other, EXECUTIONS).await, metric(&other, STATEMENTS).await];
    let begun = Instant::now();
    let mut back = JoinSet::new();
    for cursor in cursors {
        let address = other.address();
        back.spawn(async move { take(address, cursor, MISSED).await });
    }
    let (sockets, mut cursors): (Vec<_>, Vec<_>) = back.join_all().await.into_iter().unzip();
    let took = begun.elapsed();
    cursors.dedup();
    assert_eq!((sockets.len(), cursors.len()), (listeners(), 1), "all must have the same position");
    let executions = metric(&other, EXECUTIONS).await - counts[0];
    let statements = metric(&other, STATEMENTS).await - counts[1];
    println!("{} listeners: {took:?}, {executions} executions, {statements} statements", sockets.len());
    // Results are shared for two seconds. Executions repeat at the start: the group executes the events too, and a
    // listener that reads them later needs newer results. Without sharing, each listener would need its own round.
    let rounds = 6.0 + took.as_secs_f64() / 2.0;
    assert!(executions <= MISSED as f64 * rounds, "{executions} executions in {took:?}");
    // A batch has up to 32 events and two statements.
    assert!(statements <= 40.0 * rounds, "{statements} statements in {took:?}");
    assert!(took < Duration::from_secs(60), "{took:?}");
}
