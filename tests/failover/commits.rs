//! Commits that wait for an unresponsive standby.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::ConnectionTrait;

use crate::pair::{Client, Pair, READ, VIEWER, text, until};
use crate::support::database::connect_to;

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_wait_for_a_standby_block_nothing_else() {
    let pair = Pair::start().await;
    // Reads use another standby, as in a cluster of three.
    let other = pair.primary.standby();
    let (url, read_url) = (pair.url(), other.url("postgres"));
    let server = crate::process::Server::start(
        &[
            &["--database-url", &url, "--database-read-url", &read_url, "--request-timeout-ms", "3000"][..],
            crate::pair::HASHING,
        ]
        .concat(),
    );
    let user = Client::sign_up(&server, "anna").await;
    let primary = connect_to(&pair.primary.url("postgres")).await.unwrap();
    for sql in [
        // The session is due for an extension, which needs a commit too.
        "UPDATE sessions SET seen_at = seen_at - interval '10 days'",
        "ALTER SYSTEM SET synchronous_standby_names = 'ANY 2 (*)'",
        "ALTER SYSTEM SET synchronous_commit = 'on'",
        "SELECT pg_reload_conf()",
    ] {
        primary.execute_unprepared(sql).await.unwrap();
    }
    let waited_for = "SELECT count(*)::text FROM pg_stat_replication WHERE sync_state = 'quorum'";
    until("commits wait for both", async || text(&primary, waited_for).await == "2").await;
    pair.standby.signal("STOP");
    // More than the number of connections.
    let changes = join_all((0..12).map(|_| user.comment()));
    let others = async {
        let waiting = "SELECT count(*)::text FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        until("commits wait", async || text(&primary, waiting).await != "0").await;
        user.read_for(Duration::from_secs(3)).await;
        user.ready().await
    };
    let (changed, ready) = tokio::join!(changes, others);
    assert_eq!(ready.1, "full", "the leader must be known");
    assert!(changed.iter().any(|answer| answer.code() == "TIMEOUT" && answer.outcome() == "UNKNOWN"), "{changed:?}");
    for answer in changed {
        assert!(["UNKNOWN", "NOTHING"].contains(&answer.outcome()), "{answer:?}");
        assert!(["TIMEOUT", "UNAVAILABLE"].contains(&answer.code()), "{answer:?}");
        assert!(answer.took < Duration::from_secs(5), "{answer:?}");
    }
    pair.standby.signal("CONT");
    until("comments can be written", async || user.comment().await.is_good()).await;
    user.read(VIEWER).await;
    Client::of(&server).read(READ).await;
}

/// A request that timed out leaves its connection in use, and its write slot too.
#[tokio::test(flavor = "multi_thread")]
async fn abandoned_changes_leave_connections_for_reads() {
    let pair = Pair::start().await;
    let url = pair.url();
    let few = ["--database-url", &url, "--database-connections", "4", "--request-timeout-ms", "1000"];
    let server = crate::process::Server::start(&[&few[..], crate::pair::HASHING].concat());
    let user = Client::sign_up(&server, "anna").await;
    let primary = connect_to(&pair.primary.url("postgres")).await.unwrap();
    for sql in [
        "ALTER SYSTEM SET synchronous_standby_names = '*'",
        "ALTER SYSTEM SET synchronous_commit = 'on'",
        "SELECT pg_reload_conf()",
    ] {
        primary.execute_unprepared(sql).await.unwrap();
    }
    let waited_for = "SELECT count(*)::text FROM pg_stat_replication WHERE sync_state = 'sync'";
    until("commits wait for it", async || text(&primary, waited_for).await == "1").await;
    pair.standby.signal("STOP");
    for round in 0..3 {
        let changes = join_all((0..6).map(|_| user.comment())).await;
        assert!(changes.iter().all(|answer| !answer.is_good()), "{changes:?}");
        let answer = Client::of(&server).ask(READ).await;
        assert!(answer.is_good() && answer.took < Duration::from_secs(1), "round {round}: {answer:?}");
    }
    pair.standby.signal("CONT");
    until("comments can be written", async || user.comment().await.is_good()).await;
    let pool = "kinoteka_pool_connections_in_use{pool=\"write\"}";
    until("all turns are there again", async || {
        join_all((0..6).map(|_| user.comment())).await.iter().all(crate::pair::Answer::is_good)
    })
    .await;
    until("no connection is held", async || user.count(pool).await == 0.0).await;
}
