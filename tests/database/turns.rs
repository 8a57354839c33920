//! An abandoned read leaves a statement that still runs on its connection. Its turn lasts as long.

use std::time::{Duration, Instant};

use kinoteka::db::{Db, ReadPool};
use kinoteka::telemetry::RequestContext;
use migration::connect::{PoolSettings, Timeouts};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, Statement};

use crate::support::client::PATIENCE;
use crate::support::database::{Backend, TestDatabase, read_texts};

on_both!(reads_that_were_given_up_keep_their_turns, snapshots_that_were_given_up_keep_their_turns);

/// The timeout of statements.
const STATEMENT: Duration = Duration::from_secs(5);

/// A shorter time means that a read did not wait for the statement.
const SOON: Duration = Duration::from_secs(1);

/// There are two connections. One client may use one of them, and snapshots may use one.
async fn open(database: &TestDatabase, read_url: Option<&str>) -> Db {
    let pool = PoolSettings { connections_max: 2, acquire_timeout: Duration::from_secs(30) };
    let timeouts = Timeouts { statement: STATEMENT, lock: STATEMENT };
    let read_url = read_url.map(|url| url.parse().unwrap());
    Db::open(&database.url.parse().unwrap(), read_url.as_ref(), pool, timeouts, None).await.unwrap()
}

/// A statement that runs until its timeout.
fn slow(backend: Backend) -> Statement {
    let sql = match backend {
        Backend::Postgres => "SELECT 1 FROM pg_sleep(60)",
        Backend::Sqlite => {
            "WITH RECURSIVE n (i) AS (SELECT id FROM comment_feed UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        }
    };
    Statement::from_string(backend.into(), sql)
}

/// Whether the slow statement is running.
async fn is_running(plain: &DatabaseConnection, backend: Backend) -> bool {
    let sql = match backend {
        Backend::Postgres => {
            "SELECT state FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND datname = current_database()
                AND wait_event = 'PgSleep'"
        }
        Backend::Sqlite => {
            // While the statement reads, the log cannot be reset past its snapshot.
            for sql in ["PRAGMA busy_timeout = 0", "UPDATE comment_feed SET epoch = lower(hex(randomblob(6)))"] {
                plain.execute_unprepared(sql).await.unwrap();
            }
            let log = Statement::from_string(backend.into(), "PRAGMA wal_checkpoint(RESTART)");
            let row = plain.query_one_raw(log).await.unwrap().unwrap();
            return row.try_get_by_index::<i32>(0).unwrap() == 1;
        }
    };
    !read_texts(plain, sql).await.is_empty()
}

/// Abandons the query as soon as the database executes it.
async fn give_up(database: &TestDatabase, backend: Backend, asking: impl Future) {
    let plain = database.connect().await;
    let begun = Instant::now();
    let running = async {
        while !is_running(&plain, backend).await {
            assert!(begun.elapsed() < PATIENCE, "the statement does not run");
        }
    };
    tokio::select! {
        _ = asking => panic!("a slow statement has ended"),
        () = running => {}
    }
    plain.close().await.unwrap();
}

async fn took<T>(read: impl Future<Output = Result<T, DbErr>>) -> Duration {
    let begun = Instant::now();
    read.await.map(drop).unwrap();
    begun.elapsed()
}

async fn read(pool: ReadPool) -> Duration {
    took(pool.query_one_raw(Statement::from_string(pool.get_database_backend(), "SELECT 1"))).await
}

/// The second connection is left to other clients; this client waits for the first.
async fn assert_turn_kept(db: &Db) {
    let request = RequestContext::new("other".to_owned(), None, "a read".to_owned());
    request.client.set([192, 0, 2, 1].into()).unwrap();
    let others = request.scope(read(db.read.clone())).await;
    let own = read(db.read.clone()).await;
    assert!(others < SOON && own > SOON, "others' read took {others:?}, the client's own {own:?}");
    let again = read(db.read.clone()).await;
    assert!(again < SOON, "nobody has the turn any more: {again:?}");
}

async fn reads_that_were_given_up_keep_their_turns(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let db = open(&database, None).await;
    give_up(&database, backend, db.read.query_one_raw(slow(backend))).await;
    assert_turn_kept(&db).await;
}

async fn snapshots_that_were_given_up_keep_their_turns(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let db = open(&database, None).await;
    let snapshot = db.snapshot();
    give_up(&database, backend, snapshot.query_one_raw(slow(backend))).await;
    drop(snapshot);
    let next = read(db.snapshot()).await;
    assert!(next > SOON, "a snapshot has begun beside one that has not ended, after {next:?}");
    let again = read(db.snapshot()).await;
    assert!(again < SOON, "one that was read has ended: {again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_whose_look_up_on_a_replica_was_given_up_keep_their_turns() {
    let database = TestDatabase::migrated(Backend::Postgres).await;
    let db = open(&database, Some(&database.url)).await;
    let ask = async |txn: DatabaseTransaction| txn.query_one_raw(slow(Backend::Postgres)).await;
    give_up(&database, Backend::Postgres, db.resolve_on_replica(ask)).await;
    assert_turn_kept(&db).await;
}
