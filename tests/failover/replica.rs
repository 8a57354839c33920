//! The replica is killed, frozen or does not replay.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sea_orm::ConnectionTrait;

use crate::front::Front;
use crate::pair::{Client, HASHING, PATIENCE, Pair, READ, READ_MAX, VIEWER, text, until};
use crate::process::Server as Kinoteka;
use crate::support::address::own_address;
use crate::support::database::connect_to;

#[tokio::test(flavor = "multi_thread")]
async fn without_a_replica_the_leader_serves_reads_and_without_both_nothing_hangs() {
    let pair = Pair::start().await;
    let server = pair.serve(&[]);
    let user = Client::sign_up(&server, "anna").await;
    user.read(READ).await;
    pair.standby.signal("STOP");
    user.read_for(Duration::from_secs(2)).await;
    assert_eq!(user.ready().await.1, "full");
    assert!(user.comment().await.is_good());
    pair.standby.signal("CONT");
    pair.standby.stop_at_once();
    user.read_for(Duration::from_secs(1)).await;
    assert!(user.count("kinoteka_read_retries_total").await >= 1.0);
    // The leader must not get additional connections for the replica's reads.
    pair.primary.stop_at_once();
    let (started, anonymous) = (Instant::now(), Client::of(&server));
    while started.elapsed() < Duration::from_secs(3) {
        for client in [&anonymous, &user] {
            let answer = client.ask(READ).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (503, "UNAVAILABLE"), "{answer:?}");
            assert!(answer.took < READ_MAX && answer.retry_after.is_some(), "{answer:?}");
        }
        user.ready().await;
    }
    assert_eq!(user.ready().await, (503, "down".to_owned(), "down: the database does not answer\n".to_owned()));
    pair.standby.start_again();
    until("the replica is read again", async || anonymous.ask(READ).await.is_good()).await;
    until("sessions are known again", async || user.ask(VIEWER).await.is_good()).await;
    // The schema is checked a moment later.
    user.wait_for("read-only").await;
    pair.primary.start_again();
    user.wait_for("full").await;
}

/// A server with a replica behind a front, without a leader.
async fn without_a_leader(pair: &Pair) -> (Front, Kinoteka, Client) {
    let replica = Front::to(pair.standby.address()).await;
    let (url, read_url) = (pair.url(), format!("postgres://kinoteka@{}/postgres", replica.address));
    let urls = ["--database-url", &url, "--database-read-url", &read_url, "--session-cache-ms", "0"];
    let server = Kinoteka::start(&[&urls[..], HASHING].concat());
    let user = Client::sign_up(&server, "anna").await;
    pair.settle().await;
    pair.front.lead_to(own_address());
    pair.front.cut();
    user.wait_for("read-only").await;
    user.read(VIEWER).await;
    (replica, server, user)
}

/// As when another replica becomes the leader and HAProxy closes its connections.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_during_a_session_look_up_causes_no_error() {
    let pair = Pair::start().await;
    let (replica, _server, user) = without_a_leader(&pair).await;
    replica.mute_at("BEGIN");
    let cut = async {
        until("the replica is asked", async || replica.has_muted()).await;
        replica.cut();
    };
    tokio::join!(user.read(VIEWER), cut);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_returns_during_a_session_look_up_is_used() {
    let pair = Pair::start().await;
    let (replica, _server, user) = without_a_leader(&pair).await;
    replica.mute_at("BEGIN");
    let come_back = async {
        until("the replica is asked", async || replica.has_muted()).await;
        pair.front.lead_to(pair.primary.address());
        until("the leader is seen", async || user.count("kinoteka_leader_known").await == 1.0).await;
        replica.mute_at("BEGIN");
        replica.cut();
        until("the replica is asked again", async || replica.has_muted()).await;
        replica.cut();
    };
    tokio::join!(user.read(VIEWER), come_back);
}

/// The other connections still work.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_does_not_affect_others() {
    let pair = Pair::start().await;
    let server = pair.serve(&[]);
    let anonymous = Client::of(&server);
    let standby = connect_to(&pair.standby_url()).await.unwrap();
    let pids = async || {
        let sql = "SELECT coalesce(string_agg(pid::text, ' '), '') FROM pg_stat_activity
            WHERE application_name = 'kinoteka' AND query LIKE '%movies%'";
        text(&standby, sql).await.split_whitespace().map(str::to_owned).collect::<HashSet<_>>()
    };
    until("there are several connections", async || {
        join_all((0..20).map(|_| anonymous.read(READ))).await;
        pids().await.len() >= 4
    })
    .await;
    let before = pids().await;
    let (started, mut ended) = (Instant::now(), 0);
    // A broken connection may also be found when it is released, without a retry.
    while anonymous.count("kinoteka_read_retries_total").await < 1.0 {
        assert!(started.elapsed() < PATIENCE, "no request has used a broken connection");
        let left = pids().await;
        let broken = left.intersection(&before).next().unwrap();
        let end = format!("SELECT pg_terminate_backend({broken})");
        // Repeatedly, so that no connection is tested because it was idle.
        let reads = async {
            for _ in 0..5 {
                join_all((0..20).map(|_| anonymous.read(READ))).await;
            }
        };
        let (outcome, ()) = tokio::join!(standby.execute_unprepared(&end), reads);
        outcome.unwrap();
        ended += 1;
    }
    for _ in 0..5 {
        join_all((0..20).map(|_| anonymous.read(READ))).await;
    }
    let kept = pids().await.intersection(&before).count();
    assert_eq!(kept, before.len() - ended, "{before:?}, without {ended} of them");
}

/// The replica would not know that a session has ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_lagging_replica_is_not_used_for_sessions() {
    let pair = Pair::start().await;
    let server = pair.serve(&[]);
    let user = Client::sign_up(&server, "anna").await;
    pair.settle().await;
    let standby = connect_to(&pair.standby_url()).await.unwrap();
    Pair::pause(&pair.standby).await;
    let primary = connect_to(&pair.primary.url("postgres")).await.unwrap();
    primary.execute_unprepared("DELETE FROM sessions").await.unwrap();
    until("the lag is seen", async || user.count("kinoteka_replica_lag_seconds").await > 5.5).await;
    pair.primary.stop_at_once();
    user.wait_for("read-only").await;
    let refused = user.ask(VIEWER).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (503, "UNAVAILABLE"), "{refused:?}");
    Client::of(&server).read(READ).await;
    standby.execute_unprepared("SELECT pg_wal_replay_resume()").await.unwrap();
    // The leader may know sessions that the replica lacks.
    until("the session is gone", async || text(&standby, "SELECT count(*)::text FROM sessions").await == "0").await;
    assert_eq!(user.ask(VIEWER).await.status, 503);
    pair.primary.start_again();
    until("the session is known as ended", async || user.ask(VIEWER).await.status == 401).await;
}

/// A session known only from a replica may have ended, so it may only read.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_only_a_replica_knows_changes_nothing() {
    let pair = Pair::start().await;
    let server = pair.serve(&["--session-cache-ms", "0"]);
    let [ended, user] = [Client::sign_up(&server, "anna").await, Client::sign_up(&server, "boris").await];
    pair.settle().await;
    Pair::pause(&pair.standby).await;
    let primary = connect_to(&pair.primary.url("postgres")).await.unwrap();
    let sign_out = "DELETE FROM sessions WHERE user_id = (SELECT id FROM users WHERE username = 'anna')";
    primary.execute_unprepared(sign_out).await.unwrap();
    pair.primary.stop_at_once();
    user.wait_for("read-only").await;
    ended.read(VIEWER).await;
    let later = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        pair.primary.start_again();
    };
    let (refused, written, ()) = tokio::join!(ended.comment(), user.comment(), later);
    assert_eq!((refused.code(), refused.outcome()), ("UNAUTHENTICATED", "none"), "{refused:?}");
    assert!(written.is_good(), "{written:?}");
}
