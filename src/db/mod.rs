//! The database connections: one place for writes, one for reads, and what differs between
//! PostgreSQL and SQLite when connecting ([`connect`]) and when building SQL ([`dialect`]).

pub mod connect;
pub mod dialect;

use std::fmt;
use std::sync::Arc;

use sea_orm::{DatabaseConnection, DbErr};

pub use connect::{ConnectError, DatabaseUrl, PoolSettings};

/// Called with the text of every SQL statement before it is counted.
pub type StatementObserver = Arc<dyn Fn(&str) + Send + Sync>;

/// The pools that requests share. Cloning is cheap.
#[derive(Clone)]
pub struct Db {
    /// For mutations, migrations and reads that must see them.
    pub write: DatabaseConnection,
    /// For queries; the same pool as `write` unless a read URL is set or the database is SQLite.
    pub read: DatabaseConnection,
}

impl Db {
    /// Closes both pools, waiting for connections that are in use.
    ///
    /// # Errors
    /// Whatever the driver answers.
    pub async fn close(self) -> Result<(), DbErr> {
        self.read.close().await?;
        self.write.close().await
    }

    /// Whether the database answers a trivial query.
    ///
    /// # Errors
    /// Whatever the driver answers.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.write.ping().await?;
        self.read.ping().await
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db").field("backend", &self.write.get_database_backend()).finish_non_exhaustive()
    }
}
