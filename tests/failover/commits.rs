//! Commits that wait for a standby which does not answer.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::ConnectionTrait;

use crate::pair::{Client, Pair, READ, VIEWER, until};
use crate::support::database::connect_to;

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_wait_for_a_standby_hold_up_nothing_else() {
    let pair = Pair::start().await;
    // Reads by another standby, as in a cluster of three.
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
        "ALTER SYSTEM SET synchronous_standby_names = 'ANY 2 (*)'",
        "ALTER SYSTEM SET synchronous_commit = 'on'",
        "SELECT pg_reload_conf()",
    ] {
        primary.execute_unprepared(sql).await.unwrap();
    }
    pair.standby.signal("STOP");
    // More than there are connections.
    let changes = join_all((0..12).map(|_| user.comment()));
    let others = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        user.read_for(Duration::from_secs(3)).await;
        user.ready().await
    };
    let (changed, ready) = tokio::join!(changes, others);
    assert_eq!(ready.1, "full", "the leader is there");
    for answer in changed {
        assert!(["TIMEOUT", "UNAVAILABLE"].contains(&answer.code()), "{answer:?}");
        assert!(answer.took < Duration::from_secs(5), "{answer:?}");
    }
    pair.standby.signal("CONT");
    until("comments can be written", async || user.comment().await.is_good()).await;
    user.read(VIEWER).await;
    Client::of(&server).read(READ).await;
}
