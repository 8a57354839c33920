//! A foreign transaction locks rows that many changes need.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_graphql::futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::{Value, json};

use crate::ask::{Asker, CHEAP_PASSWORDS};
use crate::honest::Honest;
use crate::process::Server;
use crate::support::database::{Backend, TestDatabase, connect_to};
use crate::support::postgres::Server as PostgresServer;
use crate::usage::sized;

on_both!(waiting_writers_leave_connections_for_readers, writers_of_one_address_leave_write_slots_to_others);

const RATE: &str = "mutation($it: RateInput!) { rate(input: $it) { errors { message } } }";
const COMMENT: &str = "mutation($it: AddCommentInput!) { addComment(input: $it) { errors { message } } }";
const MOVIE: &str = "{ movies(first: 1) { nodes { id title userRating { average } } } }";
const LOCKED: &str = "another transaction holds a lock that this request needs; try again";
const WAITING: &str = "too many changes are waiting for the database; try again";

fn start(database: &TestDatabase, args: &[&str]) -> Server {
    Server::start(&[&["--database-url", &database.url], &CHEAP_PASSWORDS[..], args].concat())
}

async fn run(db: &DatabaseConnection, sql: &str) {
    db.execute_unprepared(sql).await.unwrap();
}

fn error(answer: &Value) -> (&str, &str) {
    let error = &answer["errors"][0];
    (error["extensions"]["code"].as_str().unwrap_or_default(), error["message"].as_str().unwrap_or_default())
}

async fn waiting_writers_leave_connections_for_readers(backend: Backend) {
    let database = TestDatabase::seeded(backend).await;
    // A change waits for a write slot, for the key and for the row.
    let patience = ["--request-timeout-ms", "6000", "--acquire-timeout-ms", "1500", "--lock-timeout-ms", "1000"];
    let server = start(&database, &patience);
    let anna = Asker::sign_up(&server.url, "anna").await;
    let movie = anna.ask(MOVIE, json!({})).await["data"]["movies"]["nodes"][0]["id"].clone();
    let foreign = database.connect().await;
    match backend {
        Backend::Postgres => run(&foreign, "BEGIN; SELECT id FROM rating_totals FOR UPDATE").await,
        Backend::Sqlite => run(&foreign, "BEGIN IMMEDIATE").await,
    }
    let honest =
        Honest::queries(server.url.clone(), "{ movies(first: 20) { nodes { title staff { nodes { id } } } } }");
    let input = json!({ "it": { "subjectId": movie, "rating": 4 } });
    let writers = (0..sized(20, 200)).map(async |number| {
        // Half of them repeat one request.
        let key = (number % 2 == 0).then_some("the-same");
        anna.ask_with_key(RATE, input.clone(), key).await
    });
    let reads = async {
        let mut longest = Duration::ZERO;
        for _ in 0..20 {
            let started = Instant::now();
            let answer = anna.ask("{ viewer { username } }", json!({})).await;
            assert_eq!(answer["data"]["viewer"]["username"], "anna", "{answer}");
            longest = longest.max(started.elapsed());
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        longest
    };
    let (answers, longest) = tokio::join!(join_all(writers), reads);
    let felt = honest.stop().await;
    run(&foreign, "ROLLBACK").await;
    assert!(longest < Duration::from_secs(2), "a member's query took {longest:?}");
    assert!(felt.failed.is_empty() && felt.longest < Duration::from_secs(2), "{felt:?}");
    for answer in &answers {
        match error(answer) {
            ("UNAVAILABLE", LOCKED | WAITING) => {}
            _ => panic!("{answer}"),
        }
    }
    // Neither connections nor keys are left in use.
    let answer = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let answer = anna.ask_with_key(RATE, input.clone(), Some("the-same")).await;
            if error(&answer).0.is_empty() {
                break answer;
            }
        }
    });
    assert_eq!(answer.await.unwrap()["data"]["rate"]["errors"], json!([]));
}

/// Formerly the order did not depend on the client.
async fn writers_of_one_address_leave_write_slots_to_others(backend: Backend) {
    let database = TestDatabase::seeded(backend).await;
    let patience = ["--request-timeout-ms", "30000", "--acquire-timeout-ms", "30000", "--lock-timeout-ms", "10000"];
    let server = start(&database, &patience);
    let (anna, boris) =
        (Asker::sign_up(&server.url, "anna").await.strange(), Asker::sign_up(&server.url, "boris").await);
    let movie = anna.ask(MOVIE, json!({})).await["data"]["movies"]["nodes"][0]["id"].clone();
    let foreign = database.connect().await;
    match backend {
        Backend::Postgres => run(&foreign, "BEGIN; SELECT id FROM rating_totals FOR UPDATE").await,
        Backend::Sqlite => run(&foreign, "BEGIN IMMEDIATE").await,
    }
    let done = AtomicUsize::new(0);
    let attack = (0..100).map(async |_| {
        let answer = anna.ask(RATE, json!({ "it": { "subjectId": movie, "rating": 4 } })).await;
        assert_eq!(answer["data"]["rate"]["errors"], json!([]), "{answer}");
        done.fetch_add(1, Ordering::Relaxed);
    });
    let honest = async {
        // After all attackers, because a first request would be served first in any case.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let answer = boris.ask(COMMENT, json!({ "it": { "subjectId": movie, "text": "Раз" } })).await;
        assert_eq!(answer["data"]["addComment"]["errors"], json!([]), "{answer}");
        done.load(Ordering::Relaxed)
    };
    let release = async {
        // How long all wait.
        tokio::time::sleep(Duration::from_secs(2)).await;
        run(&foreign, "ROLLBACK").await;
    };
    let (_, before, ()) = tokio::join!(join_all(attack), honest, release);
    println!("{before} before");
    match backend {
        // One address cannot use all write slots.
        Backend::Postgres => assert_eq!(before, 0),
        Backend::Sqlite => assert!(before < 20, "{before} requests of another address were first"),
    }
}

/// A change waits only once for the lock of another process, and for less than half of its timeout.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_file_is_reported_before_the_timeout() {
    let database = TestDatabase::seeded(Backend::Sqlite).await;
    let server = start(&database, &["--request-timeout-ms", "8000", "--lock-timeout-ms", "1000"]);
    let anna = Asker::sign_up(&server.url, "anna").await;
    let movie = anna.ask(MOVIE, json!({})).await["data"]["movies"]["nodes"][0]["id"].clone();
    let input = json!({ "it": { "subjectId": movie, "rating": 4 } });
    let foreign = database.connect().await;
    run(&foreign, "BEGIN IMMEDIATE").await;
    for _ in 0..2 {
        let started = Instant::now();
        let answer = anna.ask(RATE, input.clone()).await;
        assert_eq!(error(&answer), ("UNAVAILABLE", LOCKED), "{answer}");
        let time = started.elapsed();
        assert!(time >= Duration::from_millis(900) && time < Duration::from_secs(4), "{time:?}");
    }
    run(&foreign, "ROLLBACK").await;
    assert_eq!(anna.ask(RATE, input).await["data"]["rate"]["errors"], json!([]));
}

/// The next request that finds the session unlocked extends it.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_session_is_read_without_waiting() {
    let database = TestDatabase::migrated(Backend::Postgres).await;
    let server = start(&database, &["--session-cache-ms", "0"]);
    let anna = Asker::sign_up(&server.url, "anna").await;
    let foreign = database.connect().await;
    run(&foreign, "UPDATE sessions SET seen_at = seen_at - interval '5 days'").await;
    run(&foreign, "BEGIN; SELECT id FROM sessions FOR UPDATE").await;
    let started = Instant::now();
    let asks = (0..20).map(async |_| anna.ask("{ viewer { username } }", json!({})).await);
    for answer in join_all(asks).await {
        assert_eq!(answer["data"]["viewer"]["username"], "anna", "{answer}");
    }
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    run(&foreign, "ROLLBACK").await;
    anna.ask("{ viewer { username } }", json!({})).await;
    let now = "SELECT FROM sessions WHERE seen_at > now() - interval '1 day'";
    assert!(foreign.query_one_raw(Statement::from_string(DbBackend::Postgres, now)).await.unwrap().is_some());
}

/// The message distinguishes a pool without free connections from an unreachable database.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_pool_differs_from_an_unreachable_database() {
    let server = PostgresServer::start(false);
    let url = server.url("postgres");
    let db = connect_to(&url).await.unwrap();
    migration::up(&db, None).await.unwrap();
    let database_args = ["--database-url", &url, "--database-connections", "2", "--acquire-timeout-ms", "700"];
    let kinoteka = Server::start(&[&database_args[..], &["--request-timeout-ms", "20000"]].concat());
    let nobody = Asker::nobody(&kinoteka.url);
    let ask = || async { nobody.ask("{ persons { totalCount } }", json!({})).await };
    assert!(ask().await["errors"].is_null());
    // Reads wait for the lock of a schema change, and use both connections.
    run(&db, "BEGIN; LOCK TABLE persons IN ACCESS EXCLUSIVE MODE").await;
    let answers = join_all((0..6).map(|_| ask())).await;
    run(&db, "ROLLBACK").await;
    let count = |text: &str| answers.iter().filter(|answer| error(answer) == ("UNAVAILABLE", text)).count();
    let in_use = count("all database connections are in use; try again");
    assert!(in_use > 0 && in_use + count(LOCKED) == answers.len(), "{answers:?}");
    assert!(ask().await["errors"].is_null());
    db.close().await.unwrap();
    server.stop_at_once();
    for answer in join_all((0..6).map(|_| ask())).await {
        assert_eq!(error(&answer), ("UNAVAILABLE", "the database cannot be reached at the moment; try again"));
    }
}
