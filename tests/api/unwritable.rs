//! A database that accepts no changes for a while, and transactions that continue after a failure.

use std::time::{Duration, Instant};

use kinoteka::kit::Rejection;
use kinoteka::kit::mutate::run_as_operator;
use migration::connect::{PoolSettings, open_writer};
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::app::TestApp;
use crate::movie::global_id;
use crate::support::database::{Backend, TestDatabase};

on_both!(a_transaction_that_continues_after_a_failed_statement_is_not_committed);

async fn ready(app: &TestApp) -> (u16, String) {
    let answer = app.client.get(format!("{}/readyz", app.origin)).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Waits until `/readyz` reports this state.
async fn wait_for(app: &TestApp, status: u16, text: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let (now, reason) = ready(app).await;
        if (now, reason.trim_end()) == (status, text) {
            return;
        }
        assert!(Instant::now() < deadline, "/readyz reports {now} {reason}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn wait_ready(app: &TestApp) {
    wait_for(app, 200, "full").await;
}

/// Simulates PostgreSQL's errors for a full or failing disk.
#[tokio::test(flavor = "multi_thread")]
async fn write_failures_of_postgres_are_unavailable() {
    let app = TestApp::seeded(Backend::Postgres).await;
    let user = app.sign_in("somebody", "member").await;
    let input = json!({ "subjectId": global_id("Movie", 1), "text": "Раз" });
    for (code, told, reason) in [
        ("53100", "be written", "its disk is full"),
        ("58030", "read or write its files", "its files cannot be read or written"),
    ] {
        // Without this trigger, the trial write succeeds.
        let sql = format!(
            "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               RAISE EXCEPTION 'as if' USING ERRCODE = '{code}'; END $$;
             CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON comments FOR EACH ROW EXECUTE FUNCTION fail();
             CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION fail()"
        );
        app.sql().await.execute_unprepared(&sql).await.unwrap();
        let failed = user.send("addComment", input.clone(), "").await.errors();
        assert_eq!(failed, [format!("UNAVAILABLE the database cannot {told} at the moment; try again later")]);
        wait_for(&app, 200, &format!("read-only: the database cannot be written: {reason}")).await;
        app.sql().await.execute_unprepared("DROP FUNCTION fail CASCADE").await.unwrap();
        wait_ready(&app).await;
        user.done("addComment", input.clone(), "comment { id }").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_is_read_only_is_unavailable_until_it_is_not() {
    let app = TestApp::seeded(Backend::Postgres).await;
    let user = app.sign_in("somebody", "member").await;
    let input = json!({ "subjectId": global_id("Movie", 1), "text": "Раз" });
    // New connections are read-only, and all connections are replaced.
    let switch = async |read_only: &str| {
        let db = app.sql().await;
        let sql = format!(
            "DO $$ BEGIN
               EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = {read_only}', current_database());
             END $$;
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()"
        );
        // The session that switches it back is read-only too.
        db.execute_unprepared("SET default_transaction_read_only = off").await.unwrap();
        db.execute_unprepared(&sql).await.unwrap();
    };
    switch("on").await;
    let told = "UNAVAILABLE the database cannot be written at the moment; try again later";
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        // The pool first finds closed connections.
        let failed = user.send("addComment", input.clone(), "").await.errors();
        assert!(failed[0].starts_with("UNAVAILABLE ") && Instant::now() < deadline, "{failed:?}");
        if failed == [told] {
            break;
        }
    }
    wait_for(&app, 200, "read-only: the database cannot be written: it is read-only").await;
    let read = app.query("{ movies(first: 1) { nodes { title } } }", json!({})).await;
    assert!(read.0["errors"].is_null(), "{read}");
    switch("off").await;
    wait_ready(&app).await;
    user.done("addComment", input, "comment { id }").await;
}

/// Reading clients also detect it.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_cannot_be_prolonged_shows_that_nothing_can_be_written() {
    let app = TestApp::seeded(Backend::Postgres).await;
    let user = app.sign_in("somebody", "member").await;
    let sql = "UPDATE sessions SET seen_at = now() - interval '5 days', expires_at = now() + interval '5 days';
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          RAISE EXCEPTION 'as if' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER fail BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION fail();
        CREATE TRIGGER fail BEFORE INSERT ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION fail()";
    app.sql().await.execute_unprepared(sql).await.unwrap();
    user.data("{ viewer { username } }", json!({})).await;
    wait_for(&app, 200, "read-only: the database cannot be written: its disk is full").await;
    app.sql().await.execute_unprepared("DROP FUNCTION fail CASCADE").await.unwrap();
    wait_ready(&app).await;
}

/// The trial write is a change like others, and must not use the connections reserved for reads.
#[tokio::test(flavor = "multi_thread")]
async fn the_trial_write_waits_for_a_connection() {
    let database = TestDatabase::seeded(Backend::Postgres).await;
    let patience = ["--database-connections", "2", "--lock-timeout-ms", "3000", "--acquire-timeout-ms", "1000"];
    let app = TestApp::start(database, &[&patience[..], &["--request-timeout-ms", "20000"]].concat()).await;
    let user = app.sign_in("somebody", "member").await;
    let db = app.sql().await;
    let sql = "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          RAISE EXCEPTION 'as if' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER fail BEFORE INSERT ON comments FOR EACH ROW EXECUTE FUNCTION fail()";
    db.execute_unprepared(sql).await.unwrap();
    // Both the trial write and a rating now wait for a lock, one after the other.
    db.execute_unprepared("BEGIN; LOCK TABLE idempotency_keys, users_rating IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let subject = global_id("Movie", 1);
    let failed = user.send("addComment", json!({ "subjectId": subject, "text": "Раз" }), "").await.errors();
    assert!(failed[0].starts_with("UNAVAILABLE the database cannot be written"), "{failed:?}");
    let end = Instant::now() + Duration::from_secs(5);
    let rates = async {
        while Instant::now() < end {
            user.send("rate", json!({ "subjectId": subject, "rating": 3 }), "").await;
        }
    };
    let reads = async {
        let mut longest = Duration::ZERO;
        while Instant::now() < end {
            let started = Instant::now();
            app.data("{ movies(first: 1) { nodes { title } } }", json!({})).await;
            longest = longest.max(started.elapsed());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        longest
    };
    let ((), longest) = tokio::join!(rates, reads);
    db.execute_unprepared("ROLLBACK").await.unwrap();
    assert!(longest < Duration::from_millis(900), "{longest:?}");
}

async fn a_transaction_that_continues_after_a_failed_statement_is_not_committed(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let pool = PoolSettings { connections_max: 1, acquire_timeout: Duration::from_secs(5) };
    let writer = open_writer(&database.url.parse().unwrap(), pool, None).await.unwrap();
    let insert = "INSERT INTO tags (title) VALUES ('Раз')";
    let done = run_as_operator(&writer, "test", &insert, |work, insert| {
        Box::pin(async {
            work.txn().execute_unprepared(insert).await?;
            // PostgreSQL refuses all following statements, and responds to COMMIT with ROLLBACK, without an error.
            let _ = work.txn().execute_unprepared("INSERT INTO nowhere VALUES (1)").await;
            let _ = work.txn().execute_unprepared("INSERT INTO tags (title) VALUES ('Два')").await;
            Ok(())
        })
    });
    assert!(matches!(done.await, Err(Rejection::Failed(_))));
    let rows = writer.db.query_one_raw(sea_orm::Statement::from_string(
        writer.db.get_database_backend(),
        "SELECT CAST(count(*) AS integer) FROM tags",
    ));
    assert_eq!(rows.await.unwrap().unwrap().try_get_by_index::<i32>(0).unwrap(), 0);
    run_as_operator(&writer, "test", &insert, |work, insert| {
        Box::pin(async {
            work.txn().execute_unprepared(insert).await?;
            Ok(())
        })
    })
    .await
    .unwrap();
}
