//! Loads that read acknowledged changes back.

use std::process::Stdio;
use std::time::{Duration, Instant};

use entity::users_rating;
use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait};
use serde_json::Value;

use crate::program::{Running, Served, load, message, report, wait_for_unread};
use crate::support::database::Backend;

on_both!(
    a_load_of_twenty_seconds_is_verified,
    more_users_are_read_back_than_fit_into_one_query,
    a_server_that_is_killed_loses_nothing,
    faults_are_found,
    the_rate_is_kept,
    listeners_continue_after_their_cursors_expired,
);

const ACTIONS: [&str; 11] = [
    "create-user",
    "delete-user",
    "create-publication",
    "update-publication",
    "delete-publication",
    "comment-movie",
    "comment-publication",
    "change-presences",
    "order-movie",
    "rate-movie",
    "rate-publication",
];

async fn a_load_of_twenty_seconds_is_verified(backend: Backend) {
    let served = Served::start(backend).await;
    let report = report(&served.url(), &["--duration=20", "--rng-seed=1", "--verify", "--listeners=3"]);
    let lines = report["actions"].as_array().unwrap();
    for name in ACTIONS {
        let line = lines.iter().find(|line| line["action"] == name).unwrap();
        assert!(line["done"].as_u64().unwrap() > 0, "{line:#}");
        // The only errors are conflicts of concurrent actions, and movies that were already ordered.
        let codes: Vec<_> = line["errors"].as_object().unwrap().keys().collect();
        assert!(codes.iter().all(|code| matches!(code.as_str(), "CONFLICT" | "NOT_FOUND")), "{line:#}");
    }
    let of = |name: &str| lines.iter().find(|line| line["action"] == name).unwrap()["done"].as_u64().unwrap();
    let comments = of("comment-movie") + of("comment-publication");
    assert!(report["listeners"]["events"].as_u64().unwrap() >= 3 * comments, "{report:#}");
    assert!(report["readBack"].as_u64().unwrap() > comments, "{report:#}");
}

async fn more_users_are_read_back_than_fit_into_one_query(backend: Backend) {
    let served = Served::start(backend).await;
    let report = report(&served.url(), &["--duration=3", "--workers=40", "--mix=create-user", "--verify"]);
    assert!(report["readBack"].as_u64().unwrap() > 20, "{report:#}");
}

async fn a_server_that_is_killed_loses_nothing(backend: Backend) {
    let mut served = Served::start(backend).await;
    let mut running =
        Running::start(&served.url(), &["--verify", "--listeners=3", "--workers=2", "--retry-for=120", "--rng-seed=1"]);
    let lines = running.read(100);
    for action in ["create comment publication (child=False)", "set user rating on movie"] {
        assert!(lines.iter().any(|line| *line == format!("Action: {action}")), "{lines:?}");
    }
    // The server is stopped until it has an unread request, and then killed.
    served.node.signal("STOP");
    wait_for_unread(served.node.address());
    served.node.restart("KILL");
    running.read(100);
    running.signal("INT");
    let output = running.end();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{text}\n{output:?}");
    assert!(text.contains("requests were sent again") && text.contains("no answers "), "{text}");
    assert!(text.contains(" 0 faults"), "{text}");
}

async fn faults_are_found(backend: Backend) {
    let served = Served::start(backend).await;
    let db = served.database.connect().await;
    let args = ["--verify", "--listeners=2", "--mix=comment-movie,rate-movie"];
    let mut running = Running::start(&served.url(), &args);
    running.read(40);
    // Acknowledged changes disappear or change, and unsent ones appear with the mark of a sent one.
    for statement in [
        "INSERT INTO comments (user_id, comment, movie_id)
             SELECT user_id, replace(comment, ']', '000]'), movie_id FROM comments WHERE id =
                 (SELECT max(id) FROM comments WHERE comment LIKE '%-%]' AND parent_id IS NULL)",
        "DELETE FROM comments WHERE id = (SELECT max(id) FROM comments AS last WHERE comment LIKE '%-%]'
             AND comment NOT LIKE '%000]' AND NOT EXISTS (SELECT 1 FROM comments WHERE parent_id = last.id))",
        "UPDATE users_rating SET rating = 6 - rating WHERE id > 6000 AND rating <> 3",
    ] {
        db.execute_unprepared(statement).await.unwrap();
    }
    running.read(40);
    running.signal("INT");
    let output = running.end();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(message(&output).contains("faults were found"), "{text}");
    let faults: Vec<_> = text.lines().filter(|line| line.starts_with("fault: ")).collect();
    for part in [
        "was acknowledged and is missing",
        "which is not what was acknowledged last",
        "was never sent and is there",
        "which was refused",
    ] {
        assert!(faults.iter().any(|fault| fault.contains(part)), "{part}: {text}");
    }
}

/// As after a failover that lost events.
async fn listeners_continue_after_their_cursors_expired(backend: Backend) {
    let served = Served::start(backend).await;
    let db = served.database.connect().await;
    let mut running =
        Running::start(&served.url(), &["--verify", "--listeners=2", "--workers=4", "--mix=comment-movie"]);
    running.read(30);
    db.execute_unprepared("UPDATE comment_feed SET epoch = '0123456789ab'").await.unwrap();
    running.read(60);
    running.signal("INT");
    let output = running.end();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{text}\n{output:?}");
    assert!(text.contains("connections, 2 times anew") && text.contains(" 0 faults"), "{text}");
}

/// More than one batch of users.
#[tokio::test(flavor = "multi_thread")]
async fn many_users_are_read_back() {
    let served = Served::start(Backend::Sqlite).await;
    let args = ["--workers=40", "--duration=4", "--rng-seed=1", "--verify", "--mix=create-user"];
    let report = report(&served.url(), &args);
    assert!(report["total"]["done"].as_u64().unwrap() > 20, "{report:#}");
    assert_eq!(report["passed"], true, "{report:#}");
}

async fn the_rate_is_kept(backend: Backend) {
    let served = Served::start(backend).await;
    // Low enough for a busy machine.
    let args = ["--rate=5", "--duration=6", "--rng-seed=1", "--verify", "--mix=rate-movie,comment-movie"];
    let report = report(&served.url(), &args);
    let rate = report["total"]["perSecond"].as_f64().unwrap();
    assert!((2.5..7.5).contains(&rate), "{rate}");
    // No server is this fast.
    let args = ["--rate=200000", "--duration=2", "--in-flight-max=4", "--quiet", "--mix=rate-movie"];
    let text = message(&load(&served.url(), &args).output().unwrap());
    assert!(text.contains("200000 actions/s were not reached"), "{text}");
}

/// Actions that were due while the server was stopped count from then, although at most two were
/// running.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_of_the_server_shows_in_all_delayed_actions() {
    let served = Served::start(Backend::Sqlite).await;
    let args = ["--rate=50", "--duration=8", "--in-flight-max=2", "--mix=rate-movie", "--json"];
    let db = served.database.connect().await;
    let ratings = async || users_rating::Entity::find().count(&db).await.unwrap();
    let before = ratings().await;
    let load = load(&served.url(), &args).stdout(Stdio::piped()).spawn().unwrap();
    // The load has finished its preparations and sends actions.
    let begun = Instant::now();
    while ratings().await < before + 10 {
        assert!(begun.elapsed() < Duration::from_secs(120), "the load does not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    served.node.signal("STOP");
    // The pause that must show in the report.
    tokio::time::sleep(Duration::from_secs(2)).await;
    served.node.signal("CONT");
    let output = load.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let counts =
        report["actions"].as_array().unwrap().iter().flat_map(|line| line["histogramMicros"].as_array().unwrap());
    let late = counts.filter(|count| count[0].as_u64().unwrap() > 500_000).map(|count| count[1].as_u64().unwrap());
    // A hundred actions were due, and three quarters of them waited for more than half a second.
    assert!(late.sum::<u64>() >= 40, "{report:#}");
}

/// On one database only, since this test is about the client.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stays_down_is_reported() {
    let served = Served::start(Backend::Sqlite).await;
    let mut running = Running::start(&served.url(), &["--duration=20", "--retry-for=1"]);
    running.read(20);
    drop(served.node);
    let text = message(&running.end());
    assert!(text.contains("the server has been down for the last"), "{text}");
}
