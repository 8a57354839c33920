//! Connections after transactions that were abandoned, refused or rolled back by the database.

use std::time::Duration;

use migration::begin;
use migration::connect::{DatabaseUrl, PoolSettings, Timeouts, Writer, open_writer};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};

use crate::support::database::{Backend, TestDatabase};

on_both!(
    an_abandoned_transaction_leaves_nothing,
    an_abandoned_begin_leaves_no_transaction,
    a_connection_is_closed_if_its_transaction_cannot_be_rolled_back,
);

const POOL: PoolSettings = PoolSettings { connections_max: 1, acquire_timeout: Duration::from_secs(10) };

/// The write pool of a migrated database, with one connection.
async fn open(backend: Backend, timeout: Option<Duration>) -> (TestDatabase, Writer) {
    let database = TestDatabase::migrated(backend).await;
    let url: DatabaseUrl = database.url.parse().unwrap();
    let timeouts = timeout.map(|statement| Timeouts { statement, lock: Duration::from_secs(10) });
    let writer = open_writer(&url, POOL, timeouts).await.unwrap();
    (database, writer)
}

async fn add_tag(db: &impl ConnectionTrait, title: &str) -> Result<(), sea_orm::DbErr> {
    db.execute_unprepared(&format!("INSERT INTO tags (title) VALUES ('{title}')")).await.map(drop)
}

/// The rows that another connection sees.
async fn tags(database: &TestDatabase) -> Vec<String> {
    let db = database.connect().await;
    let rows = db.query_all_raw(statement(&db, "SELECT title FROM tags ORDER BY title")).await.unwrap();
    db.close().await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

fn statement(db: &impl ConnectionTrait, sql: &str) -> Statement {
    Statement::from_string(db.get_database_backend(), sql)
}

/// Asserts that others see the next writes, with and without a transaction.
async fn assert_writes(database: &TestDatabase, db: &DatabaseConnection) {
    add_tag(db, "alone").await.unwrap();
    let txn = begin(db).await.unwrap();
    add_tag(&txn, "together").await.unwrap();
    txn.commit().await.unwrap();
    assert_eq!(tags(database).await, ["alone", "together"]);
}

async fn an_abandoned_transaction_leaves_nothing(backend: Backend) {
    let (database, writer) = open(backend, None).await;
    let txn = begin(&writer.db).await.unwrap();
    add_tag(&txn, "given up").await.unwrap();
    // PostgreSQL accepts no more statements in this transaction.
    add_tag(&txn, "given up").await.unwrap_err();
    drop(txn);
    assert_writes(&database, &writer.db).await;
}

async fn an_abandoned_begin_leaves_no_transaction(backend: Backend) {
    let (database, writer) = open(backend, None).await;
    for us in (0..400).step_by(5) {
        // Some end before the response, some after it.
        let _ = tokio::time::timeout(Duration::from_micros(us), begin(&writer.db)).await;
        // It commits by itself, unless a transaction is open.
        add_tag(&writer.db, &format!("{us:03}")).await.unwrap();
        assert_eq!(tags(&database).await.last().unwrap(), &format!("{us:03}"));
    }
}

async fn a_connection_is_closed_if_its_transaction_cannot_be_rolled_back(backend: Backend) {
    let (database, writer) = open(backend, None).await;
    let txn = begin(&writer.db).await.unwrap();
    add_tag(&txn, "lost").await.unwrap();
    match backend {
        Backend::Sqlite => {
            // Without the driver's knowledge, as SQLite does it.
            txn.execute_unprepared("ROLLBACK").await.unwrap();
            // Outside a transaction, it would be committed.
            add_tag(&txn, "alone").await.unwrap_err();
        }
        Backend::Postgres => {
            let row = txn.query_one_raw(statement(&txn, "SELECT pg_backend_pid()")).await.unwrap().unwrap();
            let process: i32 = row.try_get_by_index(0).unwrap();
            let admin = database.connect().await;
            admin.execute_unprepared(&format!("SELECT pg_terminate_backend({process})")).await.unwrap();
        }
    }
    txn.rollback().await.unwrap_err();
    assert_writes(&database, &writer.db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_interrupted_statement_sqlite_commits_nothing_of_the_transaction() {
    let (database, writer) = open(Backend::Sqlite, Some(Duration::from_millis(200))).await;
    let txn = begin(&writer.db).await.unwrap();
    let receipt = writer.commits.receipt();
    let slow = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
        INSERT INTO tags (title) SELECT 'slow' || i FROM n";
    let interrupted = txn.execute_unprepared(slow).await.unwrap_err();
    assert!(interrupted.to_string().contains("interrupted"), "{interrupted}");
    add_tag(&txn, "alone").await.unwrap_err();
    txn.commit().await.unwrap_err();
    receipt.confirm().unwrap_err();
    assert_eq!(tags(&database).await, [""; 0]);
    assert_writes(&database, &writer.db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_shows_what_sqlite_has_committed() {
    let (_database, writer) = open(Backend::Sqlite, None).await;
    // A transaction without writes counts as committed too.
    for sql in ["SELECT 1", "INSERT INTO tags (title) VALUES ('Раз')"] {
        let txn = begin(&writer.db).await.unwrap();
        let receipt = writer.commits.receipt();
        txn.execute_unprepared(sql).await.unwrap();
        receipt.confirm().unwrap_err();
        txn.commit().await.unwrap();
        receipt.confirm().unwrap();
    }
    // The driver's transaction is a savepoint here.
    writer.db.execute_unprepared("BEGIN").await.unwrap();
    let receipt = writer.commits.receipt();
    writer.db.execute_unprepared("ROLLBACK").await.unwrap();
    receipt.confirm().unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_waits_for_the_disk_if_configured() {
    let database = TestDatabase::empty(Backend::Sqlite).await;
    let url: DatabaseUrl = database.url.parse().unwrap();
    for (url, level) in [(url.clone(), 1), (url.synchronous(), 2)] {
        let writer = open_writer(&url, POOL, None).await.unwrap();
        let row = writer.db.query_one_raw(statement(&writer.db, "PRAGMA synchronous")).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<i32>(0).unwrap(), level);
    }
}
