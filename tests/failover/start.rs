//! Starting without a leader, and URLs that do not lead to one.

use std::time::Duration;

use crate::pair::{Client, HASHING, Pair, READ, VIEWER, until};
use crate::process::{Server, run};

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_starts_without_a_leader_and_becomes_full_later() {
    let pair = Pair::start().await;
    let token = Client::sign_up(&pair.serve(&[]), "anna").await.token;
    pair.settle().await;
    pair.primary.stop_at_once();
    let server = pair.serve(&[]);
    let user = Client { token, ..Client::of(&server) };
    assert_eq!(user.ready().await.1, "read-only");
    Client::of(&server).read(READ).await;
    user.read(VIEWER).await;
    pair.fail_over();
    user.wait_for("full").await;
    until("comments can be written", async || user.comment().await.is_good()).await;
    until("the feed is read", async || user.count("kinoteka_feed_connected").await == 1.0).await;
    server.signal("TERM");
    let (_, log) = server.wait(Duration::from_secs(30));
    assert!(log.contains("the server is ready again"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_starts_without_a_replica_and_reads_from_the_leader() {
    let pair = Pair::start().await;
    pair.standby.stop_at_once();
    let server = pair.serve(&[]);
    let user = Client::sign_up(&server, "anna").await;
    assert_eq!(user.ready().await.1, "full");
    user.read(VIEWER).await;
    pair.standby.start_again();
    user.read_for(Duration::from_secs(1)).await;
    // A wrong database name is not an unreachable server.
    let url = "postgres://kinoteka@leader.invalid/postgres";
    let refused = run(&[
        &["serve", "--listen", "127.0.0.1:0", "--database-url", url, "--database-read-url", &pair.url()][..],
        HASHING,
    ]
    .concat());
    assert!(refused.failure().contains("--database-url"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_without_a_leader_is_refused_with_the_remedy() {
    let pair = Pair::start().await;
    let serve = |url: &str| run(&[&["serve", "--listen", "127.0.0.1:0", "--database-url", url][..], HASHING].concat());
    let standby = serve(&pair.standby_url());
    assert!(standby.failure().ends_with("name the leader, or an address that leads to it"), "{standby:?}");
    let migrate = run(&["migrate", "up", "--database-url", &pair.standby_url()]);
    assert!(migrate.failure().contains("is a standby"), "{migrate:?}");
    for several in ["postgres://kinoteka@one,two/postgres", "postgres://kinoteka@/postgres?host=one,two"] {
        let refused = serve(several);
        assert!(refused.failure().contains("several hosts in one URL"), "{refused:?}");
    }
    drop(Server::start(&[&["--database-url", &pair.url()][..], HASHING].concat()));
}
