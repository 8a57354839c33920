//! Connecting: URLs, pools and the settings of every connection.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sea_orm::{DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::{Db, StatementObserver};
use crate::telemetry;

/// A database URL of a kind that we serve, parsed.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// `postgres://user:password@host:port/database`.
    Postgres(Box<PgConnectOptions>),
    /// `sqlite://file?mode=rwc`.
    Sqlite(Box<SqliteConnectOptions>),
}

/// Never prints a password.
impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Names the database without secrets, for messages.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(options) => write!(
                f,
                "PostgreSQL database {:?} at {}:{}",
                options.get_database().unwrap_or_else(|| options.get_username()),
                options.get_host(),
                options.get_port()
            ),
            Self::Sqlite(options) => write!(f, "SQLite file {}", options.get_filename().display()),
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let scheme = url.split(':').next().unwrap_or_default();
        match scheme {
            "postgres" | "postgresql" => PgConnectOptions::from_str(url)
                .map(|options| Self::Postgres(Box::new(options)))
                .map_err(|error| format!("not a PostgreSQL URL: {error}")),
            "sqlite" if url.contains(":memory:") => Err(
                "an in-memory SQLite database is gone with its connection; name a file: sqlite://kinoteka.db?mode=rwc"
                    .to_owned(),
            ),
            "sqlite" => SqliteConnectOptions::from_str(url)
                .map(|options| Self::Sqlite(Box::new(options)))
                .map_err(|error| format!("not a SQLite URL: {error}")),
            _ => Err(format!(
                "unknown scheme {scheme:?}; use postgres://user:password@host/database or sqlite://file?mode=rwc"
            )),
        }
    }
}

/// Sizes and patience of a connection pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// Connections at most, per pool.
    pub connections_max: u32,
    /// How long a request waits for a free connection.
    pub acquire_timeout: Duration,
}

/// Why there is no connection. The text says what to do.
#[derive(Debug)]
pub struct ConnectError(String);

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConnectError {}

/// Connects for writes and for reads, and checks that both answer.
///
/// # Errors
/// When a database cannot be reached or opened: the message names it and the remedy.
pub async fn connect(
    url: &DatabaseUrl,
    read_url: Option<&DatabaseUrl>,
    pool: PoolSettings,
    observer: Option<StatementObserver>,
) -> Result<Db, ConnectError> {
    let mut write = match url {
        // SQLite has one writer at a time: a queue for it beats "database is locked".
        DatabaseUrl::Sqlite(options) => {
            connect_sqlite(url, options, PoolSettings { connections_max: 1, ..pool }).await?
        }
        DatabaseUrl::Postgres(options) => connect_postgres(url, options, pool).await?,
    };
    let mut read = match (read_url.unwrap_or(url), read_url) {
        (url @ DatabaseUrl::Sqlite(options), _) => {
            let options = options.clone().create_if_missing(false).pragma("query_only", "on");
            connect_sqlite(url, &options, pool).await?
        }
        (url @ DatabaseUrl::Postgres(options), Some(_)) => connect_postgres(url, options, pool).await?,
        (DatabaseUrl::Postgres(_), None) => write.clone(),
    };
    for connection in [&mut write, &mut read] {
        let observer = observer.clone();
        connection.set_metric_callback(move |info| {
            telemetry::count_statement();
            if let Some(observer) = &observer {
                observer(&info.statement.sql);
            }
        });
    }
    Ok(Db { write, read })
}

async fn connect_postgres(
    url: &DatabaseUrl,
    options: &PgConnectOptions,
    pool: PoolSettings,
) -> Result<DatabaseConnection, ConnectError> {
    let options = options.clone().application_name("kinoteka").disable_statement_logging();
    // The pool retries until its timeout and then does not say what was wrong.
    let probe = options.connect().await.map_err(|error| explain_postgres(url, &error))?;
    drop(probe);
    let pool = PgPoolOptions::new()
        .max_connections(pool.connections_max)
        .acquire_timeout(pool.acquire_timeout)
        .connect_with(options)
        .await
        .map_err(|error| explain_postgres(url, &error))?;
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}

fn explain_postgres(url: &DatabaseUrl, error: &sqlx::Error) -> ConnectError {
    let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default();
    ConnectError(match &*code {
        "3D000" => format!("the {url} does not exist: create it (createdb), or correct --database-url"),
        "28P01" | "28000" => format!("the {url} refuses this user or password: correct --database-url"),
        _ => format!("the {url} cannot be reached ({error}): start it, or correct --database-url"),
    })
}

async fn connect_sqlite(
    url: &DatabaseUrl,
    options: &SqliteConnectOptions,
    pool: PoolSettings,
) -> Result<DatabaseConnection, ConnectError> {
    let options = options
        .clone()
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging();
    // As above.
    let probe = options.connect().await.map_err(|error| explain_sqlite(url, &error))?;
    drop(probe);
    let pool = SqlitePoolOptions::new()
        .max_connections(pool.connections_max)
        .acquire_timeout(pool.acquire_timeout)
        .connect_with(options)
        .await
        .map_err(|error| explain_sqlite(url, &error))?;
    Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
}

fn explain_sqlite(url: &DatabaseUrl, error: &sqlx::Error) -> ConnectError {
    // The primary result code is the low byte: https://sqlite.org/rescode.html
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok()).unwrap_or_default();
    ConnectError(match code & 0xff {
        5 | 6 => format!("the {url} is locked by another process: stop it, or name another file in --database-url"),
        8 => format!("the {url} is read-only: make it and its folder writable, or name another in --database-url"),
        14 => format!(
            "the {url} cannot be opened: check that its folder exists and is writable; \
             ?mode=rwc in --database-url creates the file"
        ),
        26 => format!("the {url} is no SQLite database: name another file in --database-url"),
        _ => format!("the {url} cannot be opened: {error}"),
    })
}
