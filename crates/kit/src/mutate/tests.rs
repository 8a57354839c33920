//! What is retried, how often, and what earlier runs leave behind.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use migration::connect::{PoolSettings, Timeouts, open_writer};
use sea_orm::{ConnectionTrait, RuntimeErr};
use serde_json::json;
use sqlx::error::{DatabaseError, ErrorKind};
use tempfile::TempDir;

use super::*;
use crate::problem::UserError;
use crate::reason::UserErrorReason;

/// An error of a database, by its code.
#[derive(Debug)]
struct CodedError(&'static str);

impl fmt::Display for CodedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for CodedError {}

impl DatabaseError for CodedError {
    fn message(&self) -> &str {
        self.0
    }

    fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some(self.0.into())
    }

    fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

fn coded(code: &'static str) -> Rejection {
    let error = sqlx::Error::Database(Box::new(CodedError(code)));
    DbErr::Exec(RuntimeErr::SqlxError(Arc::new(error))).into()
}

/// Stores the number of its run, and fails in its first runs.
struct Failing {
    runs: AtomicU32,
    times: u32,
    with: fn() -> Rejection,
}

impl Failing {
    fn new(times: u32, with: fn() -> Rejection) -> Self {
        Self { runs: AtomicU32::new(0), times, with }
    }
}

impl Job for Failing {
    fn run<'w>(&'w self, work: &'w Work) -> BoxFuture<'w, Result<Json, Rejection>> {
        Box::pin(async move {
            let run = self.runs.fetch_add(1, Ordering::Relaxed) + 1;
            work.txn().execute_unprepared(&format!("INSERT INTO runs VALUES ({run})")).await?;
            if run <= self.times { Err((self.with)()) } else { Ok(json!(run)) }
        })
    }
}

struct Database {
    writer: Writer,
    url: String,
    _folder: TempDir,
}

const POOL: PoolSettings = PoolSettings { connections_max: 1, acquire_timeout: Duration::from_secs(30) };

/// How long SQLite waits for the write lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

impl Database {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("runs.db").display());
        let timeouts = Timeouts { statement: Duration::from_secs(30), lock: LOCK_TIMEOUT };
        let writer = open_writer(&url.parse().unwrap(), POOL, Some(timeouts)).await.unwrap();
        writer.db.execute_unprepared("CREATE TABLE runs (run INTEGER NOT NULL)").await.unwrap();
        Self { writer, url, _folder: folder }
    }

    async fn run(&self, job: &Failing) -> ApiResult<Outcome> {
        let call = MutationCall { mutation: "run", rule: Rule::Anyone, viewer: None };
        run(&self.writer, &call, None, job, &SentCommits::default()).await
    }

    /// The runs whose rows remain.
    async fn stored(&self) -> Vec<i32> {
        let rows = self.writer.db.query_all_raw(sea_orm::Statement::from_string(
            sea_orm::DbBackend::Sqlite,
            "SELECT run FROM runs ORDER BY run",
        ));
        rows.await.unwrap().iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    }
}

#[tokio::test]
async fn a_conflicting_transaction_is_retried_and_leaves_one_run() {
    // Not serializable, a deadlock, and SQLite's busy.
    let database = Database::new().await;
    let mut all = Vec::new();
    for (times, with) in [(0, (|| coded("40001")) as fn() -> _), (1, || coded("40P01")), (4, || coded("5"))] {
        let job = Failing::new(times, with);
        let outcome = database.run(&job).await.unwrap();
        assert!(matches!(outcome.ending, Ending::Done(run) if run == json!(times + 1)));
        assert_eq!(job.runs.into_inner(), times + 1);
        all.push(i32::try_from(times + 1).unwrap());
        assert_eq!(database.stored().await, all);
    }
}

#[tokio::test]
async fn a_transaction_that_always_conflicts_fails() {
    let database = Database::new().await;
    let job = Failing::new(u32::MAX, || coded("40001"));
    assert!(matches!(database.run(&job).await, Err(ApiError::Database(_))));
    assert_eq!((job.runs.into_inner(), database.stored().await), (TRIES_MAX, Vec::new()));
}

#[tokio::test]
async fn other_failures_are_not_retried() {
    let database = Database::new().await;
    // An unexplained unique violation, a full disk, and a session that has ended.
    for with in [(|| coded("23505")) as fn() -> Rejection, || coded("53100"), || ApiError::UnknownToken.into()] {
        let job = Failing::new(1, with);
        assert!(database.run(&job).await.is_err());
        assert_eq!((job.runs.into_inner(), database.stored().await), (1, Vec::new()));
    }
}

#[tokio::test]
async fn a_rejected_change_runs_once_and_leaves_nothing() {
    let database = Database::new().await;
    let job = Failing::new(1, || UserError::conflict("input.title", UserErrorReason::Taken, "is taken").into());
    let outcome = database.run(&job).await.unwrap();
    assert!(matches!(outcome.ending, Ending::Refused(errors, None) if errors.len() == 1));
    assert_eq!((job.runs.into_inner(), database.stored().await), (1, Vec::new()));
}

/// The lock timeout has already passed then.
#[tokio::test]
async fn a_lock_timeout_is_not_retried() {
    let database = Database::new().await;
    let other = open_writer(&database.url.parse().unwrap(), POOL, None).await.unwrap();
    let held = Transaction::begin(&other).await.unwrap();
    let (job, started) = (Failing::new(0, || coded("40001")), Instant::now());
    assert!(matches!(database.run(&job).await, Err(ApiError::Database(error)) if is_locked(&error)));
    assert!((LOCK_TIMEOUT..LOCK_TIMEOUT * 3).contains(&started.elapsed()), "{:?}", started.elapsed());
    held.rollback().await.unwrap();
    assert!(database.run(&job).await.is_ok());
    assert_eq!((job.runs.into_inner(), database.stored().await), (1, vec![1]));
}
