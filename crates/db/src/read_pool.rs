//! The pool for reads, and what it makes of failures that are not the statement's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use migration::connect::{self, PoolSettings};
use request::error::is_stale;
use request::quota::{Quota, QuotaNames, Share};
use sea_orm::error::ConnAcquireErr;
use sea_orm::prelude::async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::snapshot::ReadSnapshot;

/// Connections for reads, which clients get in rotation, and none of them all. A read whose prepared statement is
/// older than a change of the schema is run again.
#[derive(Clone, Debug)]
pub struct ReadPool {
    pool: DatabaseConnection,
    turns: Arc<Quota>,
    acquire_timeout: Duration,
    reach: Arc<Reach>,
    /// All reads are of one moment.
    snapshot: Option<Arc<ReadSnapshot>>,
}

/// A read that waits too long for its turn fails as one that waits too long for a connection.
const TURNS: QuotaNames = QuotaNames {
    limit: "database-connections",
    limit_per_client: "database-connections",
    held: "reads run",
    retry_after_s: "1",
};

impl ReadPool {
    /// A pool with these settings.
    pub(super) fn new(pool: DatabaseConnection, settings: PoolSettings) -> Self {
        let PoolSettings { connections_max, acquire_timeout } = settings;
        let turns = Quota::new(TURNS, connections_max.into(), super::most_of(connections_max));
        Self { pool, turns, acquire_timeout, reach: Arc::default(), snapshot: None }
    }

    /// The same turns with other connections.
    pub(super) fn with(&self, pool: DatabaseConnection) -> Self {
        Self { pool, ..self.clone() }
    }

    /// The same, with reads of one moment.
    pub(super) fn of(&self, snapshot: ReadSnapshot) -> Self {
        Self { snapshot: Some(Arc::new(snapshot)), ..self.clone() }
    }

    /// Whether all reads are of one moment, in a transaction.
    pub fn is_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }

    /// The pool itself.
    pub fn connections(&self) -> &DatabaseConnection {
        &self.pool
    }

    /// The kind of database.
    pub fn get_database_backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    /// Waits for the client's turn as long as for a connection.
    async fn turn(&self) -> Result<Share, DbErr> {
        let client = telemetry::client();
        if let Ok(turn) = self.turns.take(client, 1) {
            return Ok(turn);
        }
        let late = |_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout);
        timeout(self.acquire_timeout, self.turns.wait(client)).await.map_err(late)
    }

    async fn run<T, F>(&self, statement: Statement, ask: impl Fn(Statement) -> F) -> Result<T, DbErr>
    where
        F: Future<Output = Result<T, DbErr>>,
    {
        let _turn = match self.turn().await {
            Ok(turn) => turn,
            Err(late) => return Err(self.reach.reason(&self.pool, &late).await.unwrap_or(late)),
        };
        let again = (self.get_database_backend() == DbBackend::Postgres).then(|| statement.clone());
        let mut outcome = ask(statement).await;
        if let (Err(error), Some(statement)) = (&outcome, again)
            && is_stale(error)
        {
            tracing::debug!("a statement was prepared for another schema, and is prepared anew");
            connect::forget_statements();
            outcome = ask(statement).await;
        }
        match outcome {
            Err(error) => Err(self.reach.reason(&self.pool, &error).await.unwrap_or(error)),
            done => done,
        }
    }
}

#[async_trait]
impl ConnectionTrait for ReadPool {
    fn get_database_backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        if let Some(snapshot) = &self.snapshot {
            return snapshot.transaction().await?.execute_raw(statement).await;
        }
        self.run(statement, |statement| self.pool.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        if let Some(snapshot) = &self.snapshot {
            return snapshot.transaction().await?.execute_unprepared(sql).await;
        }
        let _turn = self.turn().await?;
        self.pool.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        if let Some(snapshot) = &self.snapshot {
            return snapshot.transaction().await?.query_one_raw(statement).await;
        }
        self.run(statement, |statement| self.pool.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        if let Some(snapshot) = &self.snapshot {
            return snapshot.transaction().await?.query_all_raw(statement).await;
        }
        self.run(statement, |statement| self.pool.query_all_raw(statement)).await
    }
}

/// Finds out why a pool had no connection in time: the driver's pool says the same whether all are in use or
/// none can be made.
#[derive(Debug, Default)]
pub(super) struct Reach(Mutex<Option<(Instant, ProbeResult)>>);

/// Whether a connection could be made, or why not.
type ProbeResult = Result<(), Arc<sqlx::Error>>;

/// How long a look at the database may take, and how long its outcome counts for others.
const LOOK_TIMEOUT: Duration = Duration::from_millis(500);

impl Reach {
    /// Why the database cannot be reached, if that is why no connection was free in time.
    pub(super) async fn reason(&self, pool: &DatabaseConnection, error: &DbErr) -> Option<DbErr> {
        if !matches!(error, DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))
            || pool.get_database_backend() != DbBackend::Postgres
        {
            return None;
        }
        // Held while looking: one look serves all who wait, so that a full pool takes one connection more.
        let mut last = self.0.lock().await;
        let found = match &*last {
            Some((looked, found)) if looked.elapsed() < LOOK_TIMEOUT => found.clone(),
            _ => {
                let found = look(pool).await;
                *last = Some((Instant::now(), found.clone()));
                found
            }
        };
        found.err().map(|reason| DbErr::Conn(RuntimeErr::SqlxError(reason)))
    }
}

/// Whether a further connection could be made.
async fn look(pool: &DatabaseConnection) -> ProbeResult {
    let options = pool.get_postgres_connection_pool().connect_options();
    match timeout(LOOK_TIMEOUT, sqlx::ConnectOptions::connect(options.as_ref())).await {
        Ok(Ok(connection)) => {
            // Its end is no concern of who waits.
            tokio::spawn(sqlx::Connection::close(connection));
            Ok(())
        }
        // Too many connections: all are in use there, too.
        Ok(Err(sqlx::Error::Database(error))) if error.code().as_deref() == Some("53300") => Ok(()),
        Ok(Err(error)) => Err(Arc::new(error)),
        Err(_) => Err(Arc::new(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))),
    }
}
