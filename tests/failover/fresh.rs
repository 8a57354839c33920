//! A session sees its own changes on every replica.

use std::time::{Duration, Instant};

use crate::front::Front;
use crate::pair::{Client, HASHING, Pair, READ, VIEWER, until};
use crate::process::Server as Kinoteka;

/// The number of changes in each test.
const CHANGES: usize = 20;

/// An instance that reads from this address.
fn serve(pair: &Pair, read_url: &str, args: &[&str]) -> Kinoteka {
    let url = pair.url();
    let common = ["--database-url", &url, "--database-read-url", read_url, "--mutations-per-user", "100000"];
    Kinoteka::start(&[&common[..], HASHING, args].concat())
}

/// The same user on another instance.
fn at(user: &Client, server: &Kinoteka) -> Client {
    Client { token: user.token.clone(), ..Client::of(server) }
}

/// Adds a comment. Returns the query that finds it, and the position that queries must see.
async fn comment(user: &Client) -> (String, Option<String>) {
    let answer = user.comment().await;
    let id = answer.body["data"]["it"]["comment"]["id"].as_str().unwrap_or_else(|| panic!("{answer:?}"));
    (format!("{{ node(id: \"{id}\") {{ id }} }}"), answer.after)
}

async fn finds(user: &Client, query: &str, after: Option<&str>) -> bool {
    let answer = user.ask_after(query, after).await;
    assert!(answer.is_good() && !answer.is_stale, "{answer:?}");
    !answer.body["data"]["node"].is_null()
}

/// Counts the changes that an instance did not find immediately, with and without the header.
async fn stale(users: &[Client]) -> usize {
    let mut stale = 0;
    for change in 0..CHANGES {
        let (query, after) = comment(&users[change % users.len()]).await;
        assert!(after.is_some(), "the response to a change must contain the position for queries");
        let mut seen = Vec::new();
        for _ in 0..2 {
            for user in users {
                // Requests without the header come first, because the instance remembers the header's position.
                seen.push(finds(user, &query, None).await);
                seen.push(finds(user, &query, after.as_deref()).await);
            }
        }
        stale += usize::from(seen.contains(&false));
    }
    stale
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_sees_its_changes_on_every_instance_while_a_replica_does_not_replay() {
    let pair = Pair::start().await;
    let other = pair.primary.standby();
    let both = Front::among(vec![pair.standby.address(), other.address()]).await;
    let both = format!("postgres://kinoteka@{}/postgres", both.address);
    let servers = [pair.standby_url(), other.url("postgres"), both].map(|url| serve(&pair, &url, &[]));
    let anna = Client::sign_up(&servers[0], "anna").await;
    let users: Vec<_> = servers.iter().map(|server| at(&anna, server)).collect();
    assert!(users[1].ask(VIEWER).await.body["data"]["viewer"].is_object(), "just signed up");
    assert_eq!(stale(&users).await, 0, "all replicas replay");
    let of_leader = async |user: &Client| user.count("kinoteka_leader_fallbacks_total").await;
    assert!(of_leader(&users[1]).await < CHANGES as f64, "replicas must serve reads");
    pair.settle().await;
    Pair::pause(&pair.standby).await;
    assert_eq!(stale(&users).await, 0, "one replica does not replay");
    assert!(of_leader(&users[0]).await > CHANGES as f64, "its instance must read from the leader");
    assert!(users[2].count("kinoteka_replica_wait_seconds_count").await > 0.0);
    // Requests without a position may get old rows, but without waiting.
    let waits = users[0].count("kinoteka_replica_wait_seconds_count").await;
    for _ in 0..10 {
        Client::of(&servers[0]).read(READ).await;
    }
    assert_eq!(users[0].count("kinoteka_replica_wait_seconds_count").await, waits, "other requests must not wait");
    Pair::pause(&other).await;
    assert_eq!(stale(&users).await, 0, "both replicas do not replay");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_lags_too_much_serves_no_reads() {
    let pair = Pair::start().await;
    let server = serve(&pair, &pair.standby_url(), &["--replica-lag-max-ms", "1000"]);
    let user = Client::sign_up(&server, "anna").await;
    pair.settle().await;
    Pair::pause(&pair.standby).await;
    let (query, _) = comment(&user).await;
    let anonymous = Client::of(&server);
    assert!(!finds(&anonymous, &query, None).await, "the replica must not have the comment");
    until("the leader is read from", async || {
        comment(&user).await;
        finds(&anonymous, &query, None).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_leader_a_response_says_that_it_may_be_stale() {
    let pair = Pair::start().await;
    let server = serve(&pair, &pair.standby_url(), &[]);
    let user = Client::sign_up(&server, "anna").await;
    let (_, before) = comment(&user).await;
    pair.settle().await;
    Pair::pause(&pair.standby).await;
    let (query, after) = comment(&user).await;
    // Long enough for the instance to check the leader.
    until("the change is there", async || finds(&user, &query, after.as_deref()).await).await;
    pair.primary.stop_at_once();
    user.wait_for("read-only").await;
    let anonymous = Client::of(&server);
    for (client, after, is_stale) in [
        (&user, &None, true),
        (&user, &after, true),
        (&anonymous, &after, true),
        (&anonymous, &before, false),
        (&anonymous, &None, false),
    ] {
        let answer = client.ask_after(&query, after.as_deref()).await;
        assert!(answer.is_good() && answer.is_stale == is_stale, "{after:?}: {answer:?}");
        assert!(answer.body["data"]["node"].is_null() && answer.took < Duration::from_secs(1), "{answer:?}");
    }
    assert_eq!(user.count("kinoteka_stale_answers_total").await, 3.0);
}

/// New connections may lead to another replica.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_leader_older_data_on_a_new_connection_is_marked_stale() {
    let pair = Pair::start().await;
    let late = pair.primary.standby();
    let reads = Front::to(pair.standby.address()).await;
    let server = serve(&pair, &format!("postgres://kinoteka@{}/postgres", reads.address), &[]);
    let user = Client::sign_up(&server, "anna").await;
    pair.settle().await;
    Pair::pause(&late).await;
    let (query, after) = comment(&user).await;
    pair.settle().await;
    pair.primary.stop_at_once();
    user.wait_for("read-only").await;
    let anonymous = Client::of(&server);
    assert!(finds(&anonymous, &query, after.as_deref()).await);
    reads.lead_to(late.address());
    reads.cut();
    for _ in 0..3 {
        let answer = anonymous.ask_after(&query, after.as_deref()).await;
        assert!(answer.is_good(), "{answer:?}");
        assert!(answer.is_stale && answer.body["data"]["node"].is_null(), "{answer:?}");
    }
}

/// The minimum number of statements of requests with this operation name.
fn statements(log: &str, operation: &str) -> u64 {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let counts = lines.filter(|line| line["operation"] == operation).filter_map(|line| line["statements"].as_u64());
    counts.min().unwrap_or_else(|| panic!("no {operation} in {log}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_saves_the_look_up() {
    let pair = Pair::start().await;
    let server = serve(&pair, &pair.standby_url(), &[]);
    let user = Client::sign_up(&server, "anna").await;
    let after = user.comment().await.after;
    assert!(after.is_some());
    for _ in 0..5 {
        let query = |name: &str| format!("query {name} {READ}");
        assert!(user.ask(&query("Asks")).await.is_good());
        assert!(user.ask_after(&query("Tells"), after.as_deref()).await.is_good());
        assert!(Client::of(&server).ask(&query("Nobody")).await.is_good());
    }
    server.signal("TERM");
    let (_, log) = server.wait(Duration::from_secs(30));
    let [asks, tells, nobody] = ["Asks", "Tells", "Nobody"].map(|name| statements(&log, name));
    assert_eq!((asks, tells), (nobody + 1, nobody), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_in_the_future_blocks_nothing() {
    let pair = Pair::start().await;
    let server = serve(&pair, &pair.standby_url(), &["--replica-wait-ms", "1000"]);
    let user = Client::sign_up(&server, "anna").await;
    for wrong in ["", "1", "x/1", "0/123456789", "80000000/0", "-1/0"] {
        let refused = user.ask_after(READ, Some(wrong)).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (400, "BAD_USER_INPUT"), "{refused:?}");
        assert_eq!(refused.body["errors"][0]["extensions"]["field"], "x-kinoteka-after");
    }
    pair.settle().await;
    let started = Instant::now();
    for client in [&user, &Client::of(&server)] {
        for _ in 0..10 {
            let answer = client.ask_after(READ, Some("7FFFFFFF/FFFFFFFF")).await;
            assert!(answer.is_good() && !answer.is_stale, "{answer:?}");
        }
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(user.count("kinoteka_leader_fallbacks_total").await, 0.0);
}

/// Otherwise, the client would use the position of an earlier change.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_without_a_known_position_is_seen() {
    const ASKS: &str = "SELECT \n    CASE WHEN pg_is_in_recovery() THEN NULL";
    let pair = Pair::start().await;
    let server = serve(&pair, &pair.standby_url(), &[]);
    // Each connection sends the statement's text once, and gets no response to it.
    pair.front.mute_at(ASKS);
    let anna = Client::sign_up(&server, "anna").await;
    assert!(pair.front.has_muted());
    pair.settle().await;
    Pair::pause(&pair.standby).await;
    pair.front.mute_at(ASKS);
    let (query, after) = comment(&anna).await;
    assert!(pair.front.has_muted());
    assert_eq!(after.as_deref(), Some("7FFFFFFF/FFFFFFFF"));
    assert!(finds(&anna, &query, after.as_deref()).await);
}
