//! Limits of one client or user, which do not affect others.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::limits::limited;
use crate::support::client;
use crate::support::database::{Backend, TestDatabase};
use crate::transport::{code, post, send};

/// A client at another address.
fn stranger() -> reqwest::Client {
    client::builder().local_address(Some([127, 0, 0, 2].into())).build().unwrap()
}

/// The limit in a response, and its value.
fn limit_of(answer: &Value) -> (&str, &Value) {
    let extensions = &answer["errors"][0]["extensions"];
    (extensions["limit"].as_str().unwrap_or("none"), &extensions["max"])
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_one_client_are_bounded() {
    let app = limited("limit-bodies-bytes-per-client", 20_000).await;
    let body = |length: usize| format!("{:length$}", json!({ "query": "{ __typename }" }).to_string());
    assert_eq!(send(post(&app, body(20_000))).await.0, 200);
    let (status, headers, answer) = send(post(&app, body(20_001))).await;
    assert_eq!(
        (status, code(&answer), headers["retry-after"].as_bytes()),
        (429, "RATE_LIMITED", &b"1"[..]),
        "{answer}"
    );
    assert_eq!(limit_of(&answer), ("limit-bodies-bytes-per-client", &json!(20_000)));
    // Small bodies do not count.
    let app = limited("limit-bodies-bytes-per-client", 1).await;
    assert_eq!(send(post(&app, body(16 << 10))).await.0, 200);
    assert_eq!(send(post(&app, body((16 << 10) + 1))).await.0, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_one_client_are_bounded() {
    let app = limited("limit-requests-per-client", 2).await;
    let db = app.sql().await;
    for statement in [
        "ALTER TABLE cinema_online RENAME TO hidden",
        "CREATE VIEW cinema_online AS WITH RECURSIVE forever(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM forever)
            SELECT hidden.* FROM hidden WHERE id < (SELECT max(n) FROM forever)",
    ] {
        sea_orm::ConnectionTrait::execute_unprepared(&db, statement).await.unwrap();
    }
    let query = |query: &str| json!({ "query": query }).to_string();
    let hanging = tokio::spawn(post(&app, query("{ cinemas { nodes { title } } }")).send());
    for _ in 0..20 {
        assert_eq!(send(post(&app, query("{ __typename }"))).await.0, 200, "the second is within the limit");
    }
    let second = tokio::spawn(post(&app, query("{ cinemas { nodes { id } } }")).send());
    let started = std::time::Instant::now();
    let (status, _, answer) = loop {
        let outcome = send(post(&app, query("{ __typename }"))).await;
        if outcome.0 != 200 || started.elapsed() > std::time::Duration::from_secs(5) {
            break outcome;
        }
    };
    assert_eq!((status, code(&answer)), (429, "RATE_LIMITED"), "{answer}");
    assert_eq!(limit_of(&answer), ("limit-requests-per-client", &json!(2)));
    let other = stranger().post(format!("{}/graphql", app.origin)).json(&json!({ "query": "{ __typename }" }));
    assert_eq!(other.send().await.unwrap().status(), 200);
    hanging.abort();
    second.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_one_client_are_bounded() {
    let flags = ["--limit-connections-per-client", "2", "--trusted-proxies", "127.0.0.3/32"];
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &flags).await;
    let ask = async |address: [u8; 4]| {
        let client = client::builder().local_address(Some(address.into())).pool_max_idle_per_host(0).build();
        let answer = client.unwrap().get(format!("{}/livez", app.origin)).send().await;
        answer.map(|answer| answer.status().as_u16())
    };
    let connect = async |address: [u8; 4]| {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        socket.connect(app.origin.trim_start_matches("http://").parse().unwrap()).await.unwrap()
    };
    let first = connect([127, 0, 0, 2]).await;
    assert_eq!(ask([127, 0, 0, 2]).await.unwrap(), 200, "the second is within the limit");
    // The connection may take a moment to close.
    let mut second = connect([127, 0, 0, 2]).await;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while ask([127, 0, 0, 2]).await.is_ok() {
        assert!(std::time::Instant::now() < deadline, "a third is within the limit");
        second = connect([127, 0, 0, 2]).await;
    }
    assert_eq!(ask([127, 0, 0, 1]).await.unwrap(), 200, "another client");
    // A proxy holds the connections of all its clients.
    let _proxied = [connect([127, 0, 0, 3]).await, connect([127, 0, 0, 3]).await, connect([127, 0, 0, 3]).await];
    assert_eq!(ask([127, 0, 0, 3]).await.unwrap(), 200, "a trusted proxy");
    drop((first, second));
    while ask([127, 0, 0, 2]).await.is_err() {
        assert!(std::time::Instant::now() < deadline, "connections are counted until they close");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_are_bounded() {
    let listen = |app: &TestApp, client: &reqwest::Client, fields: &str| {
        let query = format!("subscription {{ commentAdded {{ {fields} }} }}");
        let request = client.post(format!("{}/graphql", app.origin)).json(&json!({ "query": query }));
        request.header("accept", "text/event-stream").send()
    };
    for (limit, max, status) in [
        ("limit-subscriptions", 2, 503),
        ("limit-subscriptions-per-client", 2, 429),
        // Two subscriptions to commentAdded with one field.
        ("limit-subscribed-complexity-per-client", 4, 429),
    ] {
        let app = limited(limit, max).await;
        let held = [listen(&app, &app.client, "cursor").await, listen(&app, &app.client, "cursor").await];
        assert!(held.iter().all(|answer| answer.as_ref().unwrap().status() == 200), "{limit}: {held:?}");
        let answer = listen(&app, &app.client, "cursor").await.unwrap();
        assert_eq!(answer.status(), status, "{limit}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(limit_of(&answer), (limit, &json!(max)));
        let other = listen(&app, &stranger(), "cursor").await.unwrap();
        assert_eq!(other.status() == 200, status == 429, "{limit}: another client");
        // Ended subscriptions no longer count.
        drop((held, other));
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while listen(&app, &app.client, "cursor").await.unwrap().status() != 200 {
            assert!(std::time::Instant::now() < deadline, "{limit}: an ended subscription still counts");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ups_of_one_client_are_bounded() {
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &["--signups-per-address", "2"]).await;
    app.sign_up("anna", "tram number 47").await;
    // A refused sign-up counts too.
    let input = crate::app::new_account("boris", "short");
    assert_eq!(app.anonymous().refused("signUp", input).await.len(), 1);
    let answer = app.anonymous().send("signUp", crate::app::new_account("boris", "tram number 47"), "token").await.0;
    assert_eq!((code(&answer), limit_of(&answer)), ("RATE_LIMITED", ("signups-per-address", &json!(2))), "{answer}");
    let wait = answer["errors"][0]["extensions"]["retryAfterSeconds"].as_u64().unwrap();
    assert!((3_500..=3_600).contains(&wait), "{wait}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mutations_of_one_user_are_bounded() {
    let app = TestApp::start(TestDatabase::seeded(Backend::Sqlite).await, &["--mutations-per-user", "2"]).await;
    let rate = async |user: &crate::app::User| {
        let input = json!({ "subjectId": crate::movie::global_id("Movie", 1), "rating": 3 });
        user.send("rate", input, "").await.0
    };
    let (anna, boris, editor) =
        (app.sign_in("anna", "member").await, app.sign_in("boris", "member").await, app.sign_in("ed", "editor").await);
    for _ in 0..2 {
        assert!(rate(&anna).await["errors"].is_null());
    }
    let answer = rate(&anna).await;
    assert_eq!((code(&answer), limit_of(&answer)), ("RATE_LIMITED", ("mutations-per-user", &json!(2))), "{answer}");
    assert!(rate(&boris).await["errors"].is_null());
    for _ in 0..3 {
        assert!(rate(&editor).await["errors"].is_null(), "editors are not counted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_idempotency_keys_of_one_user_are_bounded() {
    let app = TestApp::start(TestDatabase::seeded(Backend::Sqlite).await, &["--idempotency-keys-per-user", "2"]).await;
    let anna = app.sign_in("anna", "member").await;
    let rate = async |key: &str| {
        let input = json!({ "subjectId": crate::movie::global_id("Movie", 1), "rating": 3 });
        anna.send_keyed(key, "rate", input, "").await.0
    };
    // A repeated mutation already has its row.
    for key in ["a", "a", "b"] {
        assert!(rate(key).await["errors"].is_null());
    }
    let answer = rate("c").await;
    let limit = ("idempotency-keys-per-user", &json!(2));
    assert_eq!((code(&answer), limit_of(&answer)), ("RATE_LIMITED", limit), "{answer}");
    assert!(rate("a").await["errors"].is_null(), "a repeated mutation still gets its response");
    let input = json!({ "subjectId": crate::movie::global_id("Movie", 1), "rating": 3 });
    anna.done("rate", input, "").await;
}
