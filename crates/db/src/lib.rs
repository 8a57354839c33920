//! The database connections of the server, and what the two databases spell differently ([`dialect`]).
//! `migration::connect` opens connections.
//!
//! There are two pools, one for writes and one for reads. On PostgreSQL they are the same pool unless
//! `--database-read-url` is set. On SQLite the pool for writes has one connection, since SQLite has one writer and a queue
//! beats "database is locked". The one for reads has as many as configured, each with `PRAGMA query_only`. Both use the
//! write-ahead log, so that readers and the writer do not wait for each other, and enforce foreign keys.
//!
//! On PostgreSQL there are two more, so that commits which wait do not hold up the rest: a small one for [sessions](
//! Db::sessions), and connections of whoever [looks](Cluster) how the servers are.
//!
//! A change takes a [turn](Db::turn_to_write) first. There are fewer turns than connections: changes that wait for locks
//! leave some to reads.

mod cluster;
pub mod dialect;
mod leader_queue;
mod open;
mod place;
mod position;
mod reach;
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

/// Called with every SQL statement that was run: its text, how long it took, and whether it failed.
pub type Observer = Arc<dyn Fn(&metric::Info<'_>) + Send + Sync>;

/// The pools that requests share. Cloning is cheap.
#[derive(Clone)]
pub struct Db {
    /// For changes, each of them in its [turn](Self::turn_to_write).
    pub write: DatabaseConnection,
    /// For queries; the same pool as `write` unless a read URL is set or the database is SQLite.
    pub read: ReadPool,
    /// For looking up sessions: on the leader, by connections that nothing else holds. See
    /// [`ask_stand_in`](Self::ask_stand_in).
    pub sessions: ReadPool,
    /// Whether changes can be written at the moment.
    pub writes: Writes,
    /// What the servers look like.
    pub cluster: Cluster,
    /// Where changes wait while there is no leader.
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

/// How long such a change may take at most, even if only its own connection is lost. It is made again later.
const OWN_CHANGE_MAX: Duration = Duration::from_secs(600);

/// How turns are called. None is refused: who has waited for too long is told so by [`ApiError::Busy`].
const TURNS: QuotaNames = QuotaNames {
    limit: "database-connections",
    limit_per_client: "database-connections",
    held: "changes are being made",
    retry_after_s: 1,
};

/// How much of a pool is used at this moment.
#[derive(Clone, Copy, Debug)]
pub struct PoolUse {
    /// Connections at most.
    pub max: u32,
    /// Open connections.
    pub open: u32,
    /// Open connections that somebody holds.
    pub in_use: u32,
}

/// Reads a URL without ever repeating it: it may hold a password.
///
/// # Errors
/// The flag and what is wrong.
pub fn parse_url(flag: &str, url: &str) -> anyhow::Result<DatabaseUrl> {
    url.parse().map_err(|reason: String| anyhow::anyhow!("{flag}: {reason}"))
}

impl Db {
    /// Waits for a turn to write. Changes may wait for locks while they hold a connection: not all connections
    /// are theirs, so that reads go on meanwhile. Addresses get their turns in rotation: how many changes of another
    /// `address` wait makes no difference.
    ///
    /// # Errors
    /// Others have not made room in time.
    pub async fn turn_to_write(&self, address: IpAddr) -> ApiResult<Turn> {
        let turn = timeout(self.acquire_timeout, self.writers.wait(address)).await;
        let share = turn.map_err(|_| ApiError::Busy("too many changes are waiting for the database"))?;
        Ok(Turn::new(share, &self.leader.generation))
    }

    /// Makes a change of the server's own, in its turn; `None` if it gets none. No request bounds it, so it is given up once
    /// the leader is lost: a server that is frozen never answers.
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

    /// What a change has failed of: `error`, or why no connection for it could be made.
    pub async fn explain(&self, error: Arc<DbErr>) -> Arc<DbErr> {
        self.leader.reason(&error).await.map_or(error, Arc::new)
    }

    /// The same with changes that wait for a leader of PostgreSQL.
    #[must_use]
    pub fn with_leader_wait(self, settings: LeaderWait) -> Self {
        if self.write.get_database_backend() != DbBackend::Postgres {
            return self;
        }
        Self { leader_queue: LeaderQueue::new(self.cluster.clone(), settings), ..self }
    }

    /// Where transactions that write begin.
    pub fn writer(&self) -> Writer {
        Writer { db: self.write.clone(), commits: self.commits.clone() }
    }

    /// The same with reads that see every change at once: from the database that is written to. On
    /// SQLite all connections do.
    #[must_use]
    pub fn fresh(&self) -> Self {
        match self.write.get_database_backend() {
            DbBackend::Sqlite => self.clone(),
            _ => Self { read: self.read.only(self.leader.clone()), ..self.clone() },
        }
    }

    /// Reads that all see one moment of the database that is written to: a transaction, which begins with the first of them
    /// and ends when the last copy of this is dropped. It holds a connection, of which half are for such reads at most.
    pub fn snapshot(&self) -> ReadPool {
        let read = self.fresh().read;
        let snapshot = ReadSnapshot::new(read.place().clone(), Arc::clone(&self.snapshots), self.acquire_timeout);
        read.of(snapshot)
    }

    /// Asks a replica whose a session is while there is no leader: the replica has all but what the leader did in its last
    /// [`SESSION_LAG_MAX`]. None if it lags more, or does not answer either. It is asked in a transaction, since an address
    /// may lead to several replicas, and in a turn of the client, as for any read; and once more if it was lost meanwhile.
    pub async fn ask_stand_in<T, F>(&self, ask: impl Fn(DatabaseTransaction) -> F) -> Option<T>
    where
        F: Future<Output = Result<T, DbErr>>,
    {
        let place = self.replica.as_ref().filter(|_| self.write.get_database_backend() == DbBackend::Postgres)?;
        let turn = self.read.only(place.clone()).turn().await.ok()?;
        let mut asked = self.ask_replica(place, &ask).await;
        if asked.as_ref().is_err_and(place::is_retried) && !place.sight.is_away() {
            metrics::cluster().read_retries.inc();
            asked = self.ask_replica(place, &ask).await;
        }
        turn.end();
        match asked {
            Ok(Some(found)) => {
                metrics::cluster().sessions_from_replica.inc();
                Some(found)
            }
            Ok(None) => {
                tracing::debug!("a replica lags too much to tell whose a session is");
                None
            }
            Err(error) => {
                tracing::debug!("a replica does not tell whose a session is: {error}");
                None
            }
        }
    }

    async fn ask_replica<T, F>(
        &self,
        place: &Place,
        ask: &impl Fn(DatabaseTransaction) -> F,
    ) -> Result<Option<T>, DbErr>
    where
        F: Future<Output = Result<T, DbErr>>,
    {
        place
            .attempt(true, async {
                // A `BEGIN` that is given up is noted.
                let txn = migration::begin(&place.pool).await?;
                let standing = cluster::look_at(&txn).await?;
                if self.cluster.may_tell_sessions(&standing) { ask(txn).await.map(Some) } else { Ok(None) }
            })
            .await
    }

    /// The pools by name: one if reads and writes share it.
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

    /// Closes all pools, waiting for connections that are in use.
    ///
    /// # Errors
    /// Whatever the driver answers.
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

/// The part of a pool that changes may have, and the reads of one client: three quarters, and not all of it if it
/// has more than one connection.
fn most_of(connections: u32) -> u64 {
    let others = (connections / 4).max(1);
    connections.saturating_sub(others).max(1).into()
}

/// How many of these one address may have: not all, if there is more than one.
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
    // The two numbers are read one after the other.
    PoolUse { max, open, in_use: open.saturating_sub(u32::try_from(idle).unwrap_or(u32::MAX)) }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db").field("backend", &self.write.get_database_backend()).finish_non_exhaustive()
    }
}
