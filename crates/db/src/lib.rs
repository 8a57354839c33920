//! The database connections of the server, and what the two databases spell differently ([`dialect`]).
//! `migration::connect` opens connections.
//!
//! There are two pools, one for writes and one for reads. On PostgreSQL they are the same pool unless
//! `--database-read-url` is set. On SQLite the pool for writes has one connection, since SQLite has one writer and a queue
//! beats "database is locked". The one for reads has as many as configured, each with `PRAGMA query_only`. Both use the
//! write-ahead log, so that readers and the writer do not wait for each other, and enforce foreign keys.
//!
//! A change takes a [turn](Db::turn_to_write) first. There are fewer turns than connections: changes that wait for locks
//! leave some to reads.

pub mod dialect;
mod read_pool;
mod rights;
mod snapshot;
mod transaction;
mod wake;
mod writes;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use migration::Commits;
use migration::connect::{self, Access, DatabaseUrl, PoolSettings, Timeouts, Writer};
use sea_orm::{DatabaseConnection, DbBackend, DbErr, metric};
use tokio::time::timeout;

use self::read_pool::Reach;
pub use self::read_pool::ReadPool;
pub use self::rights::{NEEDED as RIGHTS_NEEDED, check as check_rights};
use self::snapshot::ReadSnapshot;
pub use self::transaction::Transaction;
pub use self::wake::Wake;
pub use self::writes::Writes;
use request::error::{ApiError, ApiResult};
use request::quota::{Quota, QuotaNames, Share};

/// Called with every SQL statement that was run: its text, how long it took, and whether it failed.
pub type Observer = Arc<dyn Fn(&metric::Info<'_>) + Send + Sync>;

/// The pools that requests share. Cloning is cheap.
#[derive(Clone)]
pub struct Db {
    /// For changes, each of them in its [turn](Self::turn_to_write).
    pub write: DatabaseConnection,
    /// For queries; the same pool as `write` unless a read URL is set or the database is SQLite.
    pub read: ReadPool,
    /// Whether changes can be written at the moment.
    pub writes: Writes,
    commits: Commits,
    shared: bool,
    writers: Arc<Quota>,
    snapshots: Arc<Quota>,
    acquire_timeout: Duration,
    reach: Arc<Reach>,
}

/// A turn to write: to be held as long as the change takes.
pub type WriteTurn = Share;

/// The address whose turns the server's own changes take.
pub const OWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// How turns are called. None is refused: who has waited for too long is told so by [`ApiError::Busy`].
const TURNS: QuotaNames = QuotaNames {
    limit: "database-connections",
    limit_per_client: "database-connections",
    held: "changes are being made",
    retry_after_s: "1",
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
    /// Opens a database for writes, and for reads its replica or, on SQLite, the file again. A
    /// statement that takes longer than `timeouts` allow is stopped. `observer` sees all statements.
    ///
    /// # Errors
    /// When a database cannot be reached: the flag, the database and the remedy.
    pub async fn open(
        url: &DatabaseUrl,
        read_url: Option<&DatabaseUrl>,
        pool: PoolSettings,
        timeouts: Timeouts,
        observer: Option<Observer>,
    ) -> anyhow::Result<Self> {
        let open = |url| connect::open_timed(url, Access::Read, pool, Some(timeouts));
        let writer = connect::open_writer(url, pool, Some(timeouts)).await.context("--database-url")?;
        let Writer { db: mut write, commits } = writer;
        let mut read = match (url, read_url) {
            (_, Some(read_url)) => open(read_url).await.context("--database-read-url")?,
            (DatabaseUrl::Sqlite(_), None) => open(url).await.context("--database-url")?,
            (DatabaseUrl::Postgres(_), None) => write.clone(),
        };
        if write.get_database_backend() != read.get_database_backend() {
            bail!("--database-read-url: another kind of database cannot be a replica of the {url}");
        }
        for connection in [&mut write, &mut read] {
            if let Some(observer) = observer.clone() {
                connection.set_metric_callback(move |info| observer(info));
            }
        }
        let shared = read_url.is_none() && matches!(url, DatabaseUrl::Postgres(_));
        let writers = match url {
            DatabaseUrl::Postgres(_) => most_of(pool.connections_max),
            DatabaseUrl::Sqlite(_) => 1,
        };
        Ok(Self {
            write,
            read: ReadPool::new(read, pool),
            writes: Writes::default(),
            commits,
            shared,
            writers: Quota::new(TURNS, writers, writers_max_per_client(writers)),
            snapshots: snapshot::turns(pool.connections_max),
            acquire_timeout: pool.acquire_timeout,
            reach: Arc::default(),
        })
    }

    /// Waits for a turn to write. Changes may wait for locks while they hold a connection: not all connections
    /// are theirs, so that reads go on meanwhile. Addresses get their turns in rotation: how many changes of another
    /// `address` wait makes no difference.
    ///
    /// # Errors
    /// Others have not made room in time.
    pub async fn turn_to_write(&self, address: IpAddr) -> ApiResult<WriteTurn> {
        let turn = timeout(self.acquire_timeout, self.writers.wait(address)).await;
        turn.map_err(|_| ApiError::Busy("too many changes wait for the database"))
    }

    /// What a change has failed of: `error`, or why no connection for it could be made.
    pub async fn explain(&self, error: Arc<DbErr>) -> Arc<DbErr> {
        self.reach.reason(&self.write, &error).await.map_or(error, Arc::new)
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
            _ => Self { read: self.read.with(self.write.clone()), ..self.clone() },
        }
    }

    /// Reads that all see one moment of the database that is written to: a transaction, which begins with the first of them
    /// and ends when the last copy of this is dropped. It holds a connection, of which half are for such reads at most.
    pub fn snapshot(&self) -> ReadPool {
        let pool = match self.write.get_database_backend() {
            DbBackend::Sqlite => self.read.connections().clone(),
            _ => self.write.clone(),
        };
        let snapshot = ReadSnapshot::new(pool.clone(), Arc::clone(&self.snapshots), self.acquire_timeout);
        self.read.with(pool).of(snapshot)
    }

    /// The pools by name: one if reads and writes share it.
    pub fn pools(&self) -> Vec<(&'static str, PoolUse)> {
        let mut pools = vec![("write", measure(&self.write))];
        if !self.shared {
            pools.push(("read", measure(self.read.connections())));
        }
        pools
    }

    /// Closes both pools, waiting for connections that are in use.
    ///
    /// # Errors
    /// Whatever the driver answers.
    pub async fn close(self) -> Result<(), DbErr> {
        self.read.connections().clone().close().await?;
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

/// Files that connections to the database take at most: those of the pools, with `connections_max` each, and
/// `more` of others.
pub fn files(url: &DatabaseUrl, replica: bool, connections_max: u32, more: u32) -> u64 {
    let (connections_max, more) = (u64::from(connections_max), u64::from(more));
    match url {
        // One more each is made to see whether the database can be reached.
        DatabaseUrl::Postgres(_) => (connections_max + 1) * if replica { 2 } else { 1 } + more,
        // The database and its log, each opened by every connection, and the log's index.
        DatabaseUrl::Sqlite(_) => (1 + connections_max + more) * 2 + 1,
    }
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
