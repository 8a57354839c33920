//! The database connections of the server, and what the two databases spell differently
//! ([`dialect`]). How a connection is opened stands in `migration::connect`.

pub mod dialect;
mod rights;
mod transaction;
mod writes;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use migration::Commits;
use migration::connect::{self, Access, DatabaseUrl, PoolSettings, Writer};
use sea_orm::{DatabaseConnection, DbBackend, DbErr, Statement};

pub use rights::{NEEDED as RIGHTS_NEEDED, check as check_rights};
pub use transaction::Transaction;
pub use writes::Writes;

use crate::{metrics, telemetry};

/// Called with every SQL statement that was run.
pub type StatementObserver = Arc<dyn Fn(&Statement) + Send + Sync>;

/// The pools that requests share. Cloning is cheap.
#[derive(Clone)]
pub struct Db {
    /// For mutations, migrations and reads that must see them.
    pub write: DatabaseConnection,
    /// For queries; the same pool as `write` unless a read URL is set or the database is SQLite.
    pub read: DatabaseConnection,
    /// Whether changes can be written at the moment.
    pub writes: Writes,
    commits: Commits,
    shared: bool,
}

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
    /// statement that takes longer than `statement_timeout` is stopped.
    ///
    /// # Errors
    /// When a database cannot be reached: the flag, the database and the remedy.
    pub async fn open(
        url: &DatabaseUrl,
        read_url: Option<&DatabaseUrl>,
        pool: PoolSettings,
        statement_timeout: Duration,
        observer: Option<StatementObserver>,
    ) -> anyhow::Result<Self> {
        let open = |url| connect::open_timed(url, Access::Read, pool, Some(statement_timeout));
        let writer = connect::open_writer(url, pool, Some(statement_timeout)).await.context("--database-url")?;
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
            let observer = observer.clone();
            connection.set_metric_callback(move |info| {
                telemetry::count_statement();
                metrics::count_statement(info.elapsed, info.failed);
                if let Some(observer) = &observer {
                    observer(info.statement);
                }
            });
        }
        let shared = read_url.is_none() && matches!(url, DatabaseUrl::Postgres(_));
        Ok(Self { write, read, writes: Writes::default(), commits, shared })
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
            _ => Self { read: self.write.clone(), ..self.clone() },
        }
    }

    /// The pools by name: one if reads and writes share it.
    pub fn pools(&self) -> Vec<(&'static str, PoolUse)> {
        let mut pools = vec![("write", measure(&self.write))];
        if !self.shared {
            pools.push(("read", measure(&self.read)));
        }
        pools
    }

    /// Closes both pools, waiting for connections that are in use.
    ///
    /// # Errors
    /// Whatever the driver answers.
    pub async fn close(self) -> Result<(), DbErr> {
        self.read.close().await?;
        self.write.close().await
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
