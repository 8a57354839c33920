//! The server's database connections, and the SQL in which the two databases differ ([`dialect`]).
//! `migration::connect` opens connections.
//!
//! There are two pools, one for writes and one for reads. On PostgreSQL they are the same pool unless
//! `--database-read-url` is set. On SQLite the pool for writes has one connection: SQLite allows one writer, and a
//! queue is better than the error "database is locked". The pool for reads has the configured number of connections,
//! each with `PRAGMA query_only`. Both use the write-ahead log, so that readers and the writer do not block each other,
//! and enforce foreign keys.
//!
//! On PostgreSQL there are two more, so that waiting commits do not block other work: a small pool for
//! [sessions](Db::sessions), and connections for [looking](Cluster) at the servers.
//!
//! A change takes a [turn](Db::turn_to_write) first. There are fewer turns than connections, so that changes that wait
//! for locks leave some to reads.

mod cluster;
pub mod dialect;
mod leader_queue;
mod open;
mod place;
mod position;
mod probe;
mod read_pool;
mod replicas;
mod rights;
mod snapshot;
mod transaction;
mod turn;
mod wake;
mod writes;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use migration::Commits;
use migration::connect::{DatabaseUrl, Writer};
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, metric};
use tokio::time::timeout;

pub use self::cluster::{Cluster, SESSION_LAG_MAX};
pub use self::leader_queue::{LeaderQueue, LeaderWait};
pub use self::open::files;
use self::place::Place;
pub use self::place::silence;
pub use self::read_pool::ReadPool;
pub use self::replicas::ReplicaLimits;
use self::replicas::Replicas;
pub use self::rights::{MissingRights, NEEDED as RIGHTS_NEEDED, check as check_rights, missing as missing_rights};
use self::snapshot::ReadSnapshot;
pub use self::transaction::Transaction;
pub use self::turn::Turn;
pub use self::wake::Wake;
pub use self::writes::Writes;
use request::error::{ApiError, ApiResult};
use request::quota::{Quota, QuotaNames};
use telemetry::metrics;

/// Called with every SQL statement after it ran: its text, its duration, and whether it failed.
pub type Observer = Arc<dyn Fn(&metric::Info<'_>) + Send + Sync>;

/// The pools that requests share. Cloning is cheap.
#[derive(Clone)]
pub struct Db {
    /// For changes, each of them in its [turn](Self::turn_to_write).
    pub write: DatabaseConnection,
    /// For queries. The same pool as `write` unless a read URL is set or the database is SQLite.
    pub read: ReadPool,
    /// For looking up sessions: on the leader, with connections that nothing else uses. See
    /// [`resolve_on_replica`](Self::resolve_on_replica).
    pub sessions: ReadPool,
    /// Whether changes can be written now.
    pub writes: Writes,
    /// The state of the servers.
    pub cluster: Cluster,
    /// The queue of changes while there is no leader.
    pub leader_queue: LeaderQueue,
    leader: Place,
    replica: Option<Place>,
    replicas: Option<Replicas>,
    commits: Commits,
    shared: bool,
    writers: Arc<Quota>,
    snapshots: Arc<Quota>,
    acquire_timeout: Duration,
}

/// The address whose turns the server's own changes take.
pub const OWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The maximum time of such a change, even if only its own connection is lost. It is retried later.
const OWN_CHANGE_MAX: Duration = Duration::from_secs(600);

/// The names of the turns' limits. A turn is not refused: after too long a wait, the error is [`ApiError::Busy`].
const TURNS: QuotaNames = QuotaNames {
    limit: "database-connections",
    limit_per_client: "database-connections",
    held: "changes are being made",
    retry_after_s: 1,
};

/// The current use of a pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolUse {
    /// The maximum number of connections.
    pub max: u32,
    /// Open connections.
    pub open: u32,
    /// Open connections that are in use.
    pub in_use: u32,
}

/// Parses a URL. Errors never repeat it, because it may contain a password.
///
/// # Errors
/// The flag, and what is wrong.
pub fn parse_url(flag: &str, url: &str) -> anyhow::Result<DatabaseUrl> {
    url.parse().map_err(|reason: String| anyhow::anyhow!("{flag}: {reason}"))
}

impl Db {
    /// Waits for a turn to write. Changes may wait for locks while they hold a connection. Not all connections are for
    /// changes, so that reads continue meanwhile. Addresses get turns in rotation: waiting changes of another `address`
    /// make no difference.
    ///
    /// # Errors
    /// No turn became free in time.
    pub async fn turn_to_write(&self, address: IpAddr) -> ApiResult<Turn> {
        let turn = timeout(self.acquire_timeout, self.writers.wait(address)).await;
        let share = turn.map_err(|_| ApiError::Busy("too many changes are waiting for the database"))?;
        Ok(Turn::new(share, &self.leader.generation))
    }

    /// Makes one of the server's own changes in a turn. `None` if no turn became free. No request limits its time, so it
    /// is abandoned when the leader is lost: a frozen server never responds.
    pub async fn change<T>(&self, change: impl Future<Output = Result<T, DbErr>>) -> Option<Result<T, DbErr>> {
        let turn = self.turn_to_write(OWN).await.ok()?;
        tokio::select! {
            outcome = timeout(OWN_CHANGE_MAX, change) => if let Ok(outcome) = outcome {
                turn.end();
                return Some(outcome);
            },
            () = self.cluster.wait_until_lost() => {}
        }
        Some(Err(silence()))
    }

    /// Why a change failed: `error`, or why no connection for it could be opened.
    pub async fn explain(&self, error: Arc<DbErr>) -> Arc<DbErr> {
        self.leader.reason(&error).await.map_or(error, Arc::new)
    }

    /// The same, with changes that wait for a PostgreSQL leader.
    #[must_use]
    pub fn with_leader_wait(self, settings: LeaderWait) -> Self {
        if self.write.get_database_backend() != DbBackend::Postgres {
            return self;
        }
        Self { leader_queue: LeaderQueue::new(self.cluster.clone(), settings), ..self }
    }

    /// Begins transactions that write.
    pub fn writer(&self) -> Writer {
        Writer { db: self.write.clone(), commits: self.commits.clone() }
    }

    /// The same, with reads that see every change immediately, because they use the database for writes. On SQLite, all
    /// connections do.
    #[must_use]
    pub fn fresh(&self) -> Self {
        match self.write.get_database_backend() {
            DbBackend::Sqlite => self.clone(),
            _ => Self { read: self.read.only(self.leader.clone()), ..self.clone() },
        }
    }

    /// Reads that all see one snapshot of the database for writes: a transaction, which begins with the first read and
    /// ends when the last copy is dropped. It holds a connection. Such reads hold at most half of the connections.
    pub fn snapshot(&self) -> ReadPool {
        let read = self.fresh().read;
        let snapshot = ReadSnapshot::new(read.place().clone(), Arc::clone(&self.snapshots), self.acquire_timeout);
        read.of(snapshot)
    }

    /// Resolves a session on a replica while there is no leader: the replica has everything except the leader's last
    /// [`SESSION_LAG_MAX`]. `None` if it lags more, or does not respond either. The query runs in a transaction,
    /// because an address may lead to several replicas, and in a turn of the client, like any read. It is retried once
    /// if the connection is lost.
    pub async fn resolve_on_replica<T, F>(&self, ask: impl Fn(DatabaseTransaction) -> F) -> Option<T>
    where
        F: Future<Output = Result<T, DbErr>>,
    {
        let place = self.replica.as_ref().filter(|_| self.write.get_database_backend() == DbBackend::Postgres)?;
        let turn = self.read.only(place.clone()).turn().await.ok()?;
        let mut answer = self.query_replica(place, &ask).await;
        if answer.as_ref().is_err_and(place::is_retried) && !place.liveness.is_away() {
            metrics::cluster().read_retries.inc();
            answer = self.query_replica(place, &ask).await;
        }
        turn.end();
        match answer {
            Ok(Some(found)) => {
                metrics::cluster().sessions_from_replica.inc();
                Some(found)
            }
            Ok(None) => {
                tracing::debug!("a replica lags too much to resolve a session");
                None
            }
            Err(error) => {
                tracing::debug!("a replica cannot resolve a session: {error}");
                None
            }
        }
    }

    async fn query_replica<T, F>(
        &self,
        place: &Place,
        ask: &impl Fn(DatabaseTransaction) -> F,
    ) -> Result<Option<T>, DbErr>
    where
        F: Future<Output = Result<T, DbErr>>,
    {
        place
            .attempt(true, async {
                // An abandoned `BEGIN` is recorded.
                let txn = migration::begin(&place.pool).await?;
                let state = cluster::look_at(&txn).await?;
                if self.cluster.may_resolve_sessions(&state) { ask(txn).await.map(Some) } else { Ok(None) }
            })
            .await
    }

    /// The pools by name. A single one if reads and writes share it.
    pub fn pools(&self) -> Vec<(&'static str, PoolUse)> {
        let mut pools = vec![("write", measure(&self.write))];
        if self.write.get_database_backend() == DbBackend::Postgres {
            pools.push(("sessions", measure(self.sessions.connections())));
        }
        if !self.shared {
            pools.push(("read", measure(self.read.connections())));
        }
        pools
    }

    /// Closes all pools, after waiting for connections in use.
    ///
    /// # Errors
    /// The driver failed.
    pub async fn close(self) -> Result<(), DbErr> {
        if let Some(replicas) = &self.replicas {
            replicas.close().await;
        }
        let (leader, reader) = self.cluster.watchers();
        for pool in [self.read.connections(), self.sessions.connections(), leader, reader] {
            pool.clone().close().await?;
        }
        self.write.close().await
    }
}

/// The part of a pool that is for changes, and for the reads of one client: three quarters, and never all of it if it
/// has more than one connection.
fn most_of(connections: u32) -> u64 {
    let others = (connections / 4).max(1);
    connections.saturating_sub(others).max(1).into()
}

/// How many turns one address may have: not all, if there is more than one.
fn writers_max_per_client(writers: u64) -> u64 {
    writers.saturating_sub(1).max(1)
}

fn measure(pool: &DatabaseConnection) -> PoolUse {
    let (max, open, idle) = match pool.get_database_backend() {
        DbBackend::Postgres => {
            let pool = pool.get_postgres_connection_pool();
            (pool.options().get_max_connections(), pool.size(), pool.num_idle())
        }
        _ => {
            let pool = pool.get_sqlite_connection_pool();
            (pool.options().get_max_connections(), pool.size(), pool.num_idle())
        }
    };
    // The two numbers are not read atomically.
    PoolUse { max, open, in_use: open.saturating_sub(u32::try_from(idle).unwrap_or(u32::MAX)) }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db").field("backend", &self.write.get_database_backend()).finish_non_exhaustive()
    }
}
