//! The pool for reads, and its handling of failures that the statement did not cause.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use migration::connect::{self, PoolSettings};
use request::error::is_stale;
use request::quota::{Quota, QuotaNames};
use sea_orm::error::ConnAcquireErr;
use sea_orm::prelude::async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, Statement};
use telemetry::metrics;
use tokio::time::timeout;

use super::place::{Place, TICK, is_retried, is_silence, silence};
use super::replicas::Replicas;
use super::snapshot::ReadSnapshot;
use super::turn::Turn;

/// Connections for reads, which clients get in rotation; no client gets all. A read is retried if its prepared
/// statement is older than a change of the schema. It is also retried if the server does not serve: on another
/// connection or on the other server. Use it only for reads.
#[derive(Clone, Debug)]
pub struct ReadPool {
    place: Place,
    other: Option<Place>,
    /// The servers behind the first place, if these may lack the latest changes.
    replicas: Option<Replicas>,
    /// Whether reads must see these changes.
    is_fresh: bool,
    turns: Arc<Quota>,
    acquire_timeout: Duration,
    /// Whether the caller has another place if this one does not respond.
    has_stand_in: bool,
    /// Set if all reads use one snapshot.
    snapshot: Option<Arc<ReadSnapshot>>,
}

/// A read that waits too long for its turn fails like one that waits too long for a connection.
const TURNS: QuotaNames = QuotaNames {
    limit: "database-connections",
    limit_per_client: "database-connections",
    held: "reads run",
    retry_after_s: 1,
};

impl ReadPool {
    /// Reads from a place, or from the other one while that does not respond.
    pub(super) fn new(place: Place, other: Option<Place>, replicas: Option<Replicas>, settings: PoolSettings) -> Self {
        let PoolSettings { connections_max, acquire_timeout } = settings;
        let turns = Quota::new(TURNS, connections_max.into(), super::most_of(connections_max));
        Self { place, other, replicas, is_fresh: false, turns, acquire_timeout, has_stand_in: false, snapshot: None }
    }

    /// The same, for reads whose caller uses another place if this one does not respond.
    pub(super) fn with_stand_in(self, has_stand_in: bool) -> Self {
        Self { has_stand_in, ..self }
    }

    /// The same turns, with only this place.
    pub(super) fn only(&self, place: Place) -> Self {
        Self { place, other: None, replicas: None, ..self.clone() }
    }

    /// The same, for queries that were [admitted](Replicas::let_in): if a replica has not reached the position, they
    /// read from the other place.
    pub(super) fn fresh(&self) -> Self {
        Self { is_fresh: true, ..self.clone() }
    }

    /// The same, with reads from one snapshot.
    pub(super) fn of(&self, snapshot: ReadSnapshot) -> Self {
        Self { snapshot: Some(Arc::new(snapshot)), ..self.clone() }
    }

    /// Whether all reads use one snapshot, in a transaction.
    pub fn is_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }

    /// The place that is tried first.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// The pool of the place that is tried first.
    pub fn connections(&self) -> &DatabaseConnection {
        &self.place.pool
    }

    /// The kind of database.
    pub fn get_database_backend(&self) -> DbBackend {
        self.place.pool.get_database_backend()
    }

    /// Waits for the client's turn, as long as for a connection.
    pub(super) async fn turn(&self) -> Result<Turn, DbErr> {
        let client = telemetry::client();
        if let Ok(share) = self.turns.take(client, 1) {
            return Ok(Turn::new(share, &self.place.generation));
        }
        let (started, mut waiting) = (Instant::now(), pin!(self.turns.wait(client)));
        while started.elapsed() < self.acquire_timeout {
            if let Ok(share) = timeout(TICK.min(self.acquire_timeout), &mut waiting).await {
                return Ok(Turn::new(share, &self.place.generation));
            }
            if self.is_away() || self.has_stand_in && !self.place.liveness.has_answered_lately() {
                return Err(silence());
            }
        }
        Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))
    }

    /// Whether reads cannot succeed now.
    fn is_away(&self) -> bool {
        self.place.liveness.is_away() && self.other.as_ref().is_none_or(|other| other.liveness.is_away())
    }

    /// The place to read from, and the one to try if that fails.
    fn places(&self) -> (&Place, Option<&Place>) {
        let other = self.other.as_ref().filter(|other| !other.liveness.is_away());
        match other {
            Some(other) if self.place.liveness.is_away() => (other, None),
            Some(other) if self.replicas.as_ref().is_some_and(Replicas::is_lagging) => (other, Some(&self.place)),
            other => (&self.place, other),
        }
    }

    /// Runs a fresh read on the replicas, if all have reached the position.
    async fn run_fresh<T, F>(
        &self,
        statement: &Statement,
        ask: &impl Fn(DatabaseConnection, Statement) -> F,
    ) -> Option<Result<T, DbErr>>
    where
        F: Future<Output = Result<T, DbErr>>,
    {
        let (replicas, has_other) = (self.replicas.as_ref()?, self.other.is_some());
        let before = replicas.before_read()?;
        let outcome = self.place.attempt(has_other, ask_again(&self.place, statement.clone(), ask)).await;
        match outcome {
            Err(error) if is_retried(&error) => None,
            // A new connection may lead to a server that lags.
            _ if replicas.has_met_late(before) => None,
            outcome => Some(outcome),
        }
    }

    async fn run<T, F>(
        &self,
        statement: Statement,
        ask: impl Fn(DatabaseConnection, Statement) -> F,
    ) -> Result<T, DbErr>
    where
        F: Future<Output = Result<T, DbErr>>,
    {
        if self.is_away() {
            return Err(silence());
        }
        let mut turn = match self.turn().await {
            Ok(turn) => turn,
            Err(late) => return Err(self.place.reason(&late).await.unwrap_or(late)),
        };
        let outcome = self.run_in(&mut turn, statement, &ask).await;
        turn.end();
        outcome
    }

    /// Runs a read in its turn. If the read is abandoned, the turn is kept.
    async fn run_in<T, F>(
        &self,
        turn: &mut Turn,
        statement: Statement,
        ask: &impl Fn(DatabaseConnection, Statement) -> F,
    ) -> Result<T, DbErr>
    where
        F: Future<Output = Result<T, DbErr>>,
    {
        if self.get_database_backend() != DbBackend::Postgres {
            return ask(self.place.pool.clone(), statement).await;
        }
        let (mut first, mut second) = self.places();
        if self.is_fresh && self.replicas.is_some() && std::ptr::eq(first, &self.place) {
            if let Some(outcome) = self.run_fresh(&statement, ask).await {
                return outcome;
            }
            let Some(other) = second else {
                // The connection may have been lost. Data that is too old is not shown.
                return self.run_fresh(&statement, ask).await.unwrap_or_else(|| Err(silence()));
            };
            (first, second) = (other, None);
        }
        turn.move_to(&first.generation);
        let has_other = second.is_some() || self.has_stand_in;
        let error = match first.attempt(has_other, ask_again(first, statement.clone(), ask)).await {
            Err(error) if self.has_stand_in && is_silence(&error) => return Err(error),
            Err(error) if is_retried(&error) => error,
            done => return done,
        };
        // On another server or connection, but not on a server that is away.
        let last = second.unwrap_or(first);
        if last.liveness.is_away() {
            return Err(first.reason(&error).await.unwrap_or(error));
        }
        turn.move_to(&last.generation);
        metrics::cluster().read_retries.inc();
        tracing::debug!("retrying a read: {error}");
        match last.attempt(self.has_stand_in, ask_again(last, statement, ask)).await {
            Err(error) => Err(last.reason(&error).await.unwrap_or(error)),
            done => done,
        }
    }
}

/// Runs a query, and again if its statement was prepared for another schema.
async fn ask_again<T, F>(
    place: &Place,
    statement: Statement,
    ask: &impl Fn(DatabaseConnection, Statement) -> F,
) -> Result<T, DbErr>
where
    F: Future<Output = Result<T, DbErr>>,
{
    match ask(place.pool.clone(), statement.clone()).await {
        Err(error) if is_stale(&error) => {
            tracing::debug!("a statement was prepared for another schema; preparing it again");
            connect::forget_statements();
            ask(place.pool.clone(), statement).await
        }
        outcome => outcome,
    }
}

#[async_trait]
impl ConnectionTrait for ReadPool {
    fn get_database_backend(&self) -> DbBackend {
        self.place.pool.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        if let Some(snapshot) = &self.snapshot {
            return snapshot.run(|txn| txn.execute_raw(statement)).await;
        }
        self.run(statement, |pool, statement| async move { pool.execute_raw(statement).await }).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        if let Some(snapshot) = &self.snapshot {
            return snapshot.run(|txn| txn.execute_unprepared(sql)).await;
        }
        let turn = self.turn().await?;
        let outcome = self.place.pool.execute_unprepared(sql).await;
        turn.end();
        outcome
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        if let Some(snapshot) = &self.snapshot {
            return snapshot.run(|txn| txn.query_one_raw(statement)).await;
        }
        self.run(statement, |pool, statement| async move { pool.query_one_raw(statement).await }).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        if let Some(snapshot) = &self.snapshot {
            return snapshot.run(|txn| txn.query_all_raw(statement)).await;
        }
        self.run(statement, |pool, statement| async move { pool.query_all_raw(statement).await }).await
    }
}
