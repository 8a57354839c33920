//! The leader is killed or frozen, and another one follows.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, TransactionTrait};

use crate::pair::{Client, PATIENCE, Pair, READ, VIEWER, text, until};
use crate::support::database::connect_to;

/// Disables waiting for a leader.
const AT_ONCE: &[&str] = &["--leader-wait-ms", "0"];

#[tokio::test(flavor = "multi_thread")]
async fn reads_continue_without_a_leader_and_changes_with_the_next_one() {
    let pair = Pair::start().await;
    let server = pair.serve(AT_ONCE);
    let user = Client::sign_up(&server, "anna").await;
    assert_eq!(user.ready().await, (200, "full".to_owned(), "full\n".to_owned()));
    assert!(user.comment().await.is_good());
    pair.settle().await;
    pair.primary.stop_at_once();
    user.read_for(Duration::from_secs(2)).await;
    let told = "read-only: no database accepts changes\n".to_owned();
    assert_eq!(user.ready().await, (200, "read-only".to_owned(), told));
    assert_eq!(user.count("kinoteka_leader_known").await, 0.0);
    let refused = user.comment().await;
    let (wait, extensions) = (refused.retry_after, &refused.body["errors"][0]["extensions"]);
    assert_eq!((refused.status.as_u16(), refused.code()), (503, "UNAVAILABLE"), "{refused:?}");
    assert!(wait.is_some() && extensions["retryAfterSeconds"].as_u64() == wait, "{refused:?}");
    assert_eq!(refused.outcome(), "NOTHING");
    assert!(refused.took < Duration::from_secs(1), "{refused:?}");
    pair.fail_over();
    user.wait_for("full").await;
    until("comments can be written", async || user.comment().await.is_good()).await;
    assert_eq!((user.count("kinoteka_leader_known").await, user.count("kinoteka_failovers_total").await), (1.0, 1.0));
    assert_eq!(user.count("kinoteka_leader_timeline").await, 2.0);
    assert_eq!(user.count("kinoteka_requests_refused_total").await, 0.0, "this counts only refusals for lack of slots");
    server.signal("TERM");
    let (status, log) = server.wait(PATIENCE);
    assert!(status.success(), "{log}");
    assert_eq!(log.matches("the leader (--database-url").count(), 2, "the leader must be lost and found once: {log}");
    assert!(log.matches("\"level\":\"ERROR\"").count() < 5, "{log}");
    assert!(!log.contains("INTERNAL") && !log.contains("internal error"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_leader_blocks_nothing() {
    let pair = Pair::start().await;
    let server = pair.serve(&["--request-timeout-ms", "4000"]);
    let user = Client::sign_up(&server, "anna").await;
    pair.settle().await;
    // Some of its connections are in use.
    let primary = connect_to(&pair.primary.url("postgres")).await.unwrap();
    let lock = primary.begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE comments IN EXCLUSIVE MODE").await.unwrap();
    let busy = async {
        loop {
            user.comment().await;
        }
    };
    let freeze = async {
        let waiting = "SELECT count(*)::text FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        until("a change is under way", async || text(&lock, waiting).await != "0").await;
        pair.primary.signal("STOP");
        user.read_for(Duration::from_secs(3)).await;
    };
    let started = Instant::now();
    tokio::select! {
        () = busy => {}
        () = freeze => {}
    }
    assert_eq!(user.ready().await.1, "read-only");
    let changed = user.comment().await;
    assert!(["UNAVAILABLE", "TIMEOUT"].contains(&changed.code()), "{changed:?}");
    assert!(changed.took < Duration::from_secs(6), "{changed:?}, {:?}", started.elapsed());
    // Another leader follows at the same address. The connections to the frozen one are abandoned.
    pair.fail_over();
    user.wait_for("full").await;
    until("comments can be written", async || user.comment().await.is_good()).await;
    user.read(VIEWER).await;
    pair.primary.signal("CONT");
}

/// A former leader still responds to pings.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_server_is_unavailable_and_its_connections_are_abandoned() {
    let pair = Pair::start().await;
    let server = pair.serve(AT_ONCE);
    let user = Client::sign_up(&server, "anna").await;
    assert!(user.comment().await.is_good());
    let primary = connect_to(&pair.primary.url("postgres")).await.unwrap();
    // Existing sessions too.
    primary.execute_unprepared("ALTER SYSTEM SET default_transaction_read_only = on").await.unwrap();
    primary.execute_unprepared("SELECT pg_reload_conf()").await.unwrap();
    until("it is read-only", async || !user.comment().await.is_good()).await;
    let refused = user.comment().await;
    assert_eq!((refused.status.as_u16(), refused.code()), (503, "UNAVAILABLE"), "{refused:?}");
    let told = "read-only: the database cannot be written: it is read-only\n";
    until("`/readyz` reports it", async || user.ready().await.2 == told).await;
    user.read(READ).await;
    primary.execute_unprepared("SET default_transaction_read_only = off").await.unwrap();
    primary.execute_unprepared("ALTER SYSTEM RESET default_transaction_read_only").await.unwrap();
    primary.execute_unprepared("SELECT pg_reload_conf()").await.unwrap();
    user.wait_for("full").await;
    assert!(user.comment().await.is_good());
}

/// Existing connections continue to work. Only new ones are refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_refuses_new_connections_is_not_down() {
    let pair = Pair::start().await;
    let primary = connect_to(&pair.primary.url("postgres")).await.unwrap();
    // Limits of roles do not apply to superusers.
    primary.execute_unprepared("CREATE ROLE app LOGIN IN ROLE kinoteka").await.unwrap();
    let url = pair.url().replace("kinoteka@", "app@");
    let server = crate::process::Server::start(&[&["--database-url", &url], crate::pair::HASHING].concat());
    let user = Client::sign_up(&server, "anna").await;
    let opened = "kinoteka_pool_connections_open{pool=\"write\"}";
    until("connections are open", async || {
        join_all((0..12).map(|_| user.read(VIEWER))).await;
        user.count(opened).await > 4.0
    })
    .await;
    primary.execute_unprepared("ALTER ROLE app CONNECTION LIMIT 0").await.unwrap();
    // The two connections of the health checks: of the server's state, and of its schema and rights.
    for looked_at in ["%pg_last_xact_replay_timestamp%", "%regclass%"] {
        let cut = format!(
            "SELECT count(pg_terminate_backend(pid))::text FROM pg_stat_activity
             WHERE usename = 'app' AND query LIKE '{looked_at}'"
        );
        until("a connection is closed", async || text(&primary, &cut).await != "0").await;
    }
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(6) {
        user.read(VIEWER).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let (changed, ready) = (user.comment().await, user.ready().await);
        assert!(changed.is_good() && ready.1 == "full", "{changed:?}, {ready:?} after {:?}", started.elapsed());
    }
}

/// Both are read only from the leader.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_with_a_cursor_is_refused_at_once_without_a_leader() {
    const JOINED: &str = "{ commentCursor movies(first: 1) { nodes { title } } persons(first: 1) { nodes { id } } }";
    let pair = Pair::start().await;
    let server = pair.serve(AT_ONCE);
    let user = Client::sign_up(&server, "anna").await;
    assert!(user.ask(JOINED).await.is_good());
    for signal in ["STOP", "KILL"] {
        pair.primary.signal(signal);
        // At first nobody knows that it is frozen.
        for at_most in [Duration::from_secs(4), Duration::from_secs(2)] {
            let refused = user.ask(JOINED).await;
            assert_eq!((refused.status.as_u16(), refused.code()), (503, "UNAVAILABLE"), "{refused:?}");
            assert!(refused.retry_after.is_some() && refused.took < at_most, "{refused:?}");
        }
    }
}

/// The server's own work has no client that could leave.
#[tokio::test(flavor = "multi_thread")]
async fn the_servers_own_changes_are_given_up_with_a_frozen_leader() {
    let pair = Pair::start().await;
    let (url, standby) = (pair.url(), pair.standby_url());
    let urls = ["--database-url", &url, "--database-read-url", &standby, "--lock-timeout-ms", "60000"];
    let hashing = ["--password-memory-kib", "64", "--password-passes", "1"];
    let server = crate::process::Server::start(&[&urls[..], &hashing, AT_ONCE].concat());
    let user = Client::sign_up(&server, "anna").await;
    pair.settle().await;
    let primary = connect_to(&pair.primary.url("postgres")).await.unwrap();
    primary.execute_unprepared("ALTER SYSTEM SET default_transaction_read_only = on").await.unwrap();
    primary.execute_unprepared("SELECT pg_reload_conf()").await.unwrap();
    until("it is read-only", async || !user.comment().await.is_good()).await;
    user.wait_for("read-only").await;
    // From now on, the server tests regularly whether writes succeed again.
    primary.execute_unprepared("SET default_transaction_read_only = off").await.unwrap();
    let lock = primary.begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE idempotency_keys IN EXCLUSIVE MODE").await.unwrap();
    let other = connect_to(&pair.primary.url("postgres")).await.unwrap();
    other.execute_unprepared("SET default_transaction_read_only = off").await.unwrap();
    other.execute_unprepared("ALTER SYSTEM RESET default_transaction_read_only").await.unwrap();
    other.execute_unprepared("SELECT pg_reload_conf()").await.unwrap();
    let waiting = "SELECT count(*)::text FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    until("it tries", async || text(&other, waiting).await != "0").await;
    pair.primary.signal("STOP");
    pair.fail_over();
    user.wait_for("full").await;
    pair.primary.signal("CONT");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_stops_beside_a_frozen_leader() {
    let pair = Pair::start().await;
    let server = pair.serve(AT_ONCE);
    let user = Client::sign_up(&server, "anna").await;
    pair.primary.signal("STOP");
    user.wait_for("read-only").await;
    server.signal("TERM");
    let (status, log) = server.wait(Duration::from_secs(20));
    assert!(status.success() && log.contains("stopped"), "{log}");
    pair.primary.signal("CONT");
}
