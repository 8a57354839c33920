//! The replica dies, freezes or stands still.

use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;

use crate::pair::{Client, Pair, READ, READ_MAX, VIEWER, text, until};
use crate::support::database::connect_to;

#[tokio::test(flavor = "multi_thread")]
async fn without_a_replica_the_leader_is_read_and_without_both_nothing_hangs() {
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
    // Not too many connections: those to the leader are not the replica's as well.
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
    // The schema is read a moment later.
    user.wait_for("read-only").await;
    pair.primary.start_again();
    user.wait_for("full").await;
}

/// It would not know that a session was ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_lags_tells_nobodys_session() {
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
    // Of what it does not know, the leader may know more.
    until("the session is gone", async || text(&standby, "SELECT count(*)::text FROM sessions").await == "0").await;
    assert_eq!(user.ask(VIEWER).await.status, 503);
    pair.primary.start_again();
    until("the session is known as ended", async || user.ask(VIEWER).await.status == 401).await;
}
