//! One client that uses as much as possible of shared resources, and another client at the same time.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::honest::Honest;
use crate::process::Server;
use crate::stranger::{self, Socket};
use crate::support::database::{Backend, TestDatabase};
use crate::usage::{Usage, sized};

on_both!(
    requests_leave_slots_and_database_connections_to_others,
    subscriptions_and_their_executions_are_bounded,
    new_idempotency_keys_are_bounded,
);

const MOVIE: &str = "{ movies(first: 1) { nodes { title } } }";

/// A few milliseconds of work.
const DEAR: &str =
    "{ movies(first: 40) { nodes { title staff(first: 10) { nodes { person { firstName lastName } } } } } }";

async fn serve(backend: Backend, args: &[&str]) -> (TestDatabase, Server) {
    let database = TestDatabase::seeded_with_accounts(backend).await;
    let server = Server::start(&[&["--database-url", &database.url], args, &stranger::QUIET].concat());
    (database, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_bodies_leave_capacity_for_others() {
    let (_database, server) = serve(Backend::Sqlite, &[]).await;
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ";
    let mut slow = Vec::new();
    // 64 MiB minus 4 bytes in total.
    for length in std::iter::repeat_n(1 << 20, 64).chain([64]) {
        let sent = if length == 64 { 60 } else { length - 1 };
        let part = format!("{head}{length}\r\n\r\n{}", " ".repeat(sent));
        let mut connection = stranger::connect(&server.url).await;
        // A refused connection is not read further.
        let _ = timeout(Duration::from_secs(2), connection.write_all(part.as_bytes())).await;
        slow.push(connection);
    }
    let honest = Honest::queries(server.url.clone(), MOVIE);
    // So long the honest client is watched.
    sleep(Duration::from_secs(sized(1, 5) as u64)).await;
    let felt = honest.stop().await;
    println!("{} of {} refused, {:?}; {:?}", felt.failed.len(), felt.asked, felt.longest, Usage::of(server.id()));
    assert!(felt.asked > 0 && felt.failed.is_empty(), "{:?}", felt.failed);
    assert!(felt.longest < Duration::from_secs(5), "{:?}", felt.longest);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_leave_some_to_others() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    let share = ["env", "KINOTEKA_LIMIT_CONNECTIONS_PER_CLIENT=10"];
    let args = ["--database-url", &database.url, "--limit-connections", "40", "--header-timeout-ms", "4000"];
    let server = Server::start_by(&share, &[&args[..], &stranger::QUIET].concat());
    let mut held = Vec::new();
    for _ in 0..40 {
        held.push(stranger::connect(&server.url).await);
    }
    let honest = Honest::fetches(server.url.replace("/graphql", "/livez"));
    // So long the honest client is watched.
    sleep(Duration::from_secs(1)).await;
    let felt = honest.stop().await;
    println!("{} of {} refused, {:?}", felt.failed.len(), felt.asked, felt.longest);
    assert!(felt.asked > 0 && felt.failed.is_empty(), "{:?}", felt.failed);
    assert!(felt.longest < Duration::from_secs(2), "{:?}", felt.longest);
}

async fn requests_leave_slots_and_database_connections_to_others(backend: Backend) {
    let (_database, server) = serve(backend, &[]).await;
    let honest = Honest::queries(server.url.clone(), MOVIE);
    let end = Instant::now() + Duration::from_secs(sized(3, 10) as u64);
    let mut attack = JoinSet::new();
    for _ in 0..300 {
        let (client, url) = (stranger::client(), server.url.clone());
        attack.spawn(async move {
            let mut refused = 0;
            while Instant::now() < end {
                let answer = client.post(&url).json(&json!({ "query": DEAR })).send().await.unwrap();
                refused += u32::from(answer.status() == 429);
            }
            refused
        });
    }
    let refused: u32 = attack.join_all().await.into_iter().sum();
    let (felt, used) = (honest.stop().await, Usage::of(server.id()));
    println!("{refused} refused; honest: {} of {}, {:?}; {used:?}", felt.failed.len(), felt.asked, felt.longest);
    assert!(felt.asked > 0 && felt.failed.is_empty(), "{:?}", felt.failed);
    assert!(refused > 0, "--limit-requests-per-client");
    assert!(felt.longest < Duration::from_secs(10), "{:?}", felt.longest);
}

/// Slow reads of one client cannot use all database connections.
#[tokio::test(flavor = "multi_thread")]
async fn slow_reads_leave_connections_to_others() {
    let (database, server) = serve(Backend::Postgres, &[]).await;
    let db = database.connect().await;
    let slow = "ALTER TABLE cinema_online RENAME TO cinemas;
        CREATE VIEW cinema_online AS SELECT cinemas.* FROM cinemas, pg_sleep(1)";
    db.execute_unprepared(slow).await.unwrap();
    let mut attack = JoinSet::new();
    for _ in 0..100 {
        let (client, url) = (stranger::client(), server.url.clone());
        let query = json!({ "query": "{ cinemas(first: 1) { nodes { title } } }" });
        attack.spawn(async move { client.post(&url).json(&query).send().await.unwrap().status().as_u16() });
    }
    let busy = "SELECT 1 AS one FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
        AND pid <> pg_backend_pid() AND query LIKE '%cinema_online%'";
    let deadline = Instant::now() + Duration::from_secs(30);
    while db.query_one_raw(Statement::from_string(DbBackend::Postgres, busy)).await.unwrap().is_none() {
        assert!(Instant::now() < deadline, "the attack does not start");
        sleep(Duration::from_millis(20)).await;
    }
    let honest = Honest::queries(server.url.clone(), MOVIE);
    // So long the honest client is watched.
    sleep(Duration::from_secs(3)).await;
    let felt = honest.stop().await;
    attack.abort_all();
    println!("{} of {} refused, {:?}", felt.failed.len(), felt.asked, felt.longest);
    assert!(felt.asked > 1 && felt.failed.is_empty(), "{:?}", felt.failed);
    assert!(felt.longest < Duration::from_millis(1_500), "{:?}", felt.longest);
}

async fn subscriptions_and_their_executions_are_bounded(backend: Backend) {
    let (database, server) = serve(backend, &[]).await;
    let mut sockets = Vec::new();
    for number in 0..sized(10, 40) {
        let mut socket = Socket::open(&server.url).await;
        for id in 0..50 {
            // Each has its own document with 1,700 values, so that nothing is shared.
            let query = format!(
                "subscription {{ commentAdded {{ a{number}x{id}: cursor comment {{ subject {{ ... on Movie {{ title
                staff(first: 50) {{ nodes {{ character person {{ firstName lastName birthday }} position {{ title }} }} }}
                awards(first: 50) {{ nodes {{ award {{ title }} nomination {{ title }} }} }}
                comments(first: 100) {{ nodes {{ text author {{ username }} }} }} }} }} }} }} }}"
            );
            socket.subscribe(id, &query).await;
        }
        // The response means that all earlier ones were accepted or refused.
        socket.say(json!({ "type": "ping", "payload": {} })).await;
        sockets.push(socket);
    }
    // Their startup is over, so that only the processor time of events counts.
    sleep(Duration::from_secs(sized(2, 6) as u64)).await;
    let before = Usage::of(server.id());
    let honest = Honest::queries(server.url.clone(), MOVIE);
    let db = database.connect().await;
    for _ in 0..3 {
        db.execute_unprepared("INSERT INTO comments (comment, movie_id) VALUES ('раз', 1)").await.unwrap();
    }
    let mut now = before;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(60) {
        sleep(Duration::from_secs(1)).await;
        let later = Usage::of(server.id());
        // The honest client's own requests use a little.
        let busy = later.processor - now.processor > Duration::from_millis(500);
        now = later;
        if !busy {
            break;
        }
    }
    let felt = honest.stop().await;
    let spent = now.processor - before.processor;
    let mut refused = 0;
    for socket in &mut sockets {
        while let Ok(Some(message)) = timeout(Duration::from_millis(20), socket.hear()).await {
            refused += u32::from(message["type"] == "error");
        }
    }
    println!("{refused} refused; {spent:?}; honest: {} of {}, {:?}", felt.failed.len(), felt.asked, felt.longest);
    assert!(felt.asked > 0 && felt.failed.is_empty(), "{:?}", felt.failed);
    assert!(refused > 0, "--limit-subscribed-complexity-per-client");
    assert!(felt.longest < Duration::from_secs(5), "{:?}", felt.longest);
    assert!(spent < Duration::from_secs(30), "{spent:?}");
}

async fn new_idempotency_keys_are_bounded(backend: Backend) {
    // Otherwise the limit of mutations would be reached first.
    let args = ["--mutations-per-user", "1000000", "--idempotency-keys-per-user", "500"];
    let (database, server) = serve(backend, &args).await;
    let client = stranger::client();
    let log_in = r#"mutation { logIn(input: { login: "load1", password: "kinoteka-demo" }) { token } }"#;
    let answer: Value =
        client.post(&server.url).json(&json!({ "query": log_in })).send().await.unwrap().json().await.unwrap();
    let token = answer["data"]["logIn"]["token"].as_str().unwrap().to_owned();
    let rate = r#"mutation { rate(input: { subjectId: "TW92aWU6MQ", rating: 3 }) { errors { message } } }"#;
    let mut attack = JoinSet::new();
    for number in 0..10 {
        let (client, url, token) = (client.clone(), server.url.clone(), token.clone());
        attack.spawn(async move {
            for key in 0..sized(80, 300) {
                let request =
                    client.post(&url).bearer_auth(&token).header("idempotency-key", format!("{number}-{key}"));
                request.json(&json!({ "query": rate })).send().await.unwrap();
            }
        });
    }
    attack.join_all().await;
    let db = database.connect().await;
    let count = Statement::from_string(db.get_database_backend(), "SELECT count(*) AS n FROM idempotency_keys");
    let rows: i64 = db.query_one_raw(count).await.unwrap().unwrap().try_get("", "n").unwrap();
    println!("{rows} rows");
    // More are only allowed in the next hour.
    assert_eq!(rows, 500, "--idempotency-keys-per-user");
}

/// Turns do not depend on the number of waiting operations of a client.
#[tokio::test(flavor = "multi_thread")]
async fn operations_on_sockets_wait_in_turns() {
    let database = TestDatabase::seeded(Backend::Sqlite).await;
    let share = ["env", "KINOTEKA_LIMIT_REQUESTS_PER_CLIENT=4"];
    let args = ["--database-url", &database.url, "--limit-requests", "8"];
    let server = Server::start_by(&share, &[&args[..], &stranger::QUIET].concat());
    let mut sockets = Vec::new();
    for _ in 0..sized(10, 40) {
        let mut socket = Socket::open(&server.url).await;
        for id in 0..50 {
            socket.subscribe(id, DEAR).await;
        }
        sockets.push(socket);
    }
    let mut honest = Socket::open_honest(&server.url).await;
    let mut longest = Duration::ZERO;
    for id in 0..5 {
        let started = Instant::now();
        honest.subscribe(id, MOVIE).await;
        let message = honest.hear().await.unwrap();
        assert_eq!(
            (&message["type"], honest.hear().await.unwrap()["type"].as_str()),
            (&json!("next"), Some("complete"))
        );
        longest = longest.max(started.elapsed());
    }
    println!("{longest:?}");
    assert!(longest < Duration::from_secs(3), "{longest:?}");
}
