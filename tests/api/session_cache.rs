//! The session cache of an instance: for how long, and where sessions are read.

use std::time::{Duration, Instant};

use sea_orm::Statement;
use serde_json::json;

use crate::app::{GraphqlResponse, TestApp, User};
use crate::movie::global_id;
use crate::session::{PASSWORD, log_in};
use crate::support::database::{Backend, TestDatabase};

/// The statements that look up a token.
fn look_ups(statements: &[Statement]) -> usize {
    statements.iter().filter(|statement| statement.sql.contains("token_hash")).count()
}

/// Sends requests until the session is cached. The next request then does not look it up, unless the machine is busy.
async fn make_known(app: &TestApp, user: &User) {
    let begun = Instant::now();
    while look_ups(&app.statements_while(async || drop(viewer(user).await)).await) > 0 {
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
}

async fn viewer(user: &User) -> GraphqlResponse {
    user.query("{ viewer { role } }", json!({})).await
}

/// The time in which another instance may miss a change: `--session-cache-ms`.
const KNOWN_MAX: Duration = Duration::from_secs(1);

/// Sends requests to another instance until it knows of a change whose response has just arrived.
async fn until_known(answered: Instant, is_known: impl AsyncFn() -> bool) {
    loop {
        let asked = Instant::now();
        if is_known().await {
            return;
        }
        assert!(asked - answered < KNOWN_MAX, "still unknown after {:?}", asked - answered);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_instances_notice_an_end_within_a_second() {
    let app = TestApp::seeded(Backend::Postgres).await;
    let other = TestApp::start_on(&app, &[]).await;
    let admin = app.sign_in("admin", "admin").await;
    let anna = app.sign_up("anna", PASSWORD).await;
    let elsewhere = |user: &User| other.bearer(user.id, user.token.as_ref().unwrap());
    let is_refused = |answer: GraphqlResponse| answer.0.get("errors").is_some();

    // A role.
    let id = json!(global_id("User", anna.id));
    for (mutation, expected) in [("grantRole", true), ("revokeRole", false)] {
        make_known(&app, &anna).await;
        make_known(&other, &elsewhere(&anna)).await;
        admin.done(mutation, json!({ "userId": id, "role": "EDITOR" }), "").await;
        let answered = Instant::now();
        let may = async |user: &User| {
            let answer = user.send("createTag", json!({ "title": " " }), "").await;
            answer.0["data"]["it"].is_object()
        };
        assert_eq!(may(&anna).await, expected, "{mutation} must take effect immediately on its own instance");
        until_known(answered, async || may(&elsewhere(&anna)).await == expected).await;
    }

    // A password, which ends the other sessions, and a session.
    let again = log_in(&app, "anna").await;
    for (user, mutation) in [(&again, "changePassword"), (&anna, "logOut")] {
        make_known(&app, user).await;
        make_known(&other, &elsewhere(user)).await;
        match mutation {
            "logOut" => drop(anna.data("mutation { logOut { endedSessions } }", json!({})).await),
            _ => {
                let input = json!({ "currentPassword": PASSWORD, "newPassword": "совсем другой" });
                drop(anna.done("changePassword", input, "").await);
            }
        }
        let answered = Instant::now();
        assert!(is_refused(viewer(user).await), "{mutation} must take effect immediately on its own instance");
        until_known(answered, async || is_refused(viewer(&elsewhere(user)).await)).await;
    }

    // An account.
    let boris = app.sign_up("boris", PASSWORD).await;
    make_known(&app, &boris).await;
    make_known(&other, &elsewhere(&boris)).await;
    admin.done("deleteUser", json!({ "id": global_id("User", boris.id) }), "").await;
    let answered = Instant::now();
    assert!(is_refused(viewer(&boris).await));
    until_known(answered, async || is_refused(viewer(&elsewhere(&boris)).await)).await;
}

/// A replica may lag and still have an ended session.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_read_from_the_leader_if_there_is_one() {
    let (primary, replica) =
        (TestDatabase::seeded(Backend::Postgres).await, TestDatabase::seeded(Backend::Postgres).await);
    let app = TestApp::start(primary, &["--database-read-url", &replica.url]).await;
    let user = app.sign_in("somebody", "member").await;
    let only_there = TestApp::start(replica, &[]).await;
    let copy = only_there.sign_in("somebody", "member").await;
    assert_eq!((copy.id, &copy.token), (user.id, &user.token));
    assert!(viewer(&user).await.0.get("errors").is_none());
    user.data("mutation { logOut { endedSessions } }", json!({})).await;
    for _ in 0..3 {
        assert_eq!(viewer(&user).await.errors().len(), 1, "the replica still has the session");
    }
    assert!(viewer(&copy).await.0.get("errors").is_none());
}
