//! Opens databases: URLs, pools, and the settings of every connection.

mod postgres;

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use sea_orm_migration::sea_orm::{DatabaseConnection, SqlxSqliteConnector};
use sqlx::pool::PoolOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Database, Sqlite};

pub use self::postgres::{Arrivals, PostgresPool, SERVER, open_lazy};
pub use crate::age::{Generation, Lifetime, forget_statements, is_outdated};
use crate::commits::Commits;
pub use crate::release::Releases;

/// A parsed database URL of a supported kind.
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
                match options.get_host() {
                    host if host.contains(':') => format!("[{host}]"),
                    host => host.to_owned(),
                },
                options.get_port()
            ),
            Self::Sqlite(options) => write!(f, "SQLite file {}", options.get_filename().display()),
        }
    }
}

const SQLITE_EXAMPLE: &str = "sqlite://kinoteka.db?mode=rwc";

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let scheme = url.split(':').next().unwrap_or_default();
        match scheme {
            "postgres" | "postgresql" if names_several_hosts(url) => Err(SEVERAL_HOSTS.to_owned()),
            "postgres" | "postgresql" => PgConnectOptions::from_str(url)
                .map(|options| Self::Postgres(Box::new(without_brackets(options))))
                .map_err(|error| {
                    format!("not a PostgreSQL URL: {error}; write special characters of a password as %2F and so on")
                }),
            "sqlite" if url.contains(":memory:") || url.contains("mode=memory") => {
                Err(format!("an in-memory SQLite database is lost with its connection; name a file: {SQLITE_EXAMPLE}"))
            }
            "sqlite" => match SqliteConnectOptions::from_str(url) {
                Ok(options) if options.get_filename().as_os_str().is_empty() => {
                    Err(format!("no file in the URL; write it as {SQLITE_EXAMPLE}"))
                }
                Ok(options) => Ok(Self::Sqlite(Box::new(options.synchronous(SqliteSynchronous::Normal)))),
                Err(error) => Err(format!("not a SQLite URL: {error}")),
            },
            // Another form of it, such as libpq's `host=h password=p`, may have a password: only a scheme is repeated.
            _ => {
                let is_scheme = url.contains("://") && scheme.chars().all(|one| one.is_ascii_alphanumeric());
                let wrong = if is_scheme { format!("unknown scheme {scheme:?}") } else { "not a URL".to_owned() };
                Err(format!("{wrong}; use postgres://user:password@host/database or sqlite://file?mode=rwc"))
            }
        }
    }
}

/// The driver connects to one address only.
const SEVERAL_HOSTS: &str = "several hosts in one URL are not supported; name one address that leads to the leader, \
                             such as a port of HAProxy that checks which server it is (docs/operations.md, A cluster)";

fn names_several_hosts(url: &str) -> bool {
    let (_, rest) = url.split_once("://").unwrap_or_default();
    let (authority, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let hosts = authority.split('/').next().and_then(|authority| authority.rsplit('@').next()).unwrap_or_default();
    hosts.contains(',')
        || parameters.split('&').filter_map(|parameter| parameter.split_once('=')).any(|(name, value)| {
            matches!(name, "host" | "hostaddr" | "port") && (value.contains(',') || value.contains("%2C"))
        })
}

/// sqlx keeps the brackets of an IPv6 address in a URL, and looks the result up as a name.
fn without_brackets(options: PgConnectOptions) -> PgConnectOptions {
    let address = options.get_host().strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::to_owned);
    match address {
        Some(address) => options.host(&address),
        None => options,
    }
}

impl DatabaseUrl {
    /// The same, with each commit on disk before it is acknowledged. PostgreSQL does that by default, and has its own
    /// setting.
    #[must_use]
    pub fn synchronous(self) -> Self {
        match self {
            Self::Sqlite(options) => Self::Sqlite(Box::new(options.synchronous(SqliteSynchronous::Full))),
            Self::Postgres(_) => self,
        }
    }
}

/// The size of a connection pool, and its timeout.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// Maximum number of connections.
    pub connections_max: u32,
    /// How long a request waits for a free connection.
    pub acquire_timeout: Duration,
}

/// Why there is no connection, with the remedy.
#[derive(Debug)]
pub struct ConnectError {
    message: String,
    is_away: bool,
}

impl ConnectError {
    pub(crate) fn new(message: String) -> Self {
        Self { message, is_away: false }
    }

    pub(crate) fn away(message: String) -> Self {
        Self { message, is_away: true }
    }

    /// Whether the database may become available without a change of the URL.
    pub fn is_away(&self) -> bool {
        self.is_away
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConnectError {}

/// The use of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything. SQLite has one writer at a time: a queue for its one connection is better than "database is
    /// locked".
    Write,
    /// Queries only. SQLite refuses anything else, and creates no file.
    Read,
}

/// Opens a pool, after one connection has shown that the database answers.
///
/// # Errors
/// The database cannot be reached or opened. The message names it and the remedy.
pub async fn open(url: &DatabaseUrl, access: Access, pool: PoolSettings) -> Result<DatabaseConnection, ConnectError> {
    open_timed(url, access, pool, None).await
}

/// The timeouts of statements.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a statement. On SQLite, for everything since the connection was taken from the pool.
    pub statement: Duration,
    /// For a lock that another transaction holds.
    pub lock: Duration,
}

/// Opens a pool whose connections cancel statements by `timeouts`. On SQLite the time counts from when a connection
/// is taken from the pool, so it limits a transaction as a whole.
///
/// # Errors
/// The database cannot be reached or opened. The message names it and the remedy.
pub async fn open_timed(
    url: &DatabaseUrl,
    access: Access,
    pool: PoolSettings,
    timeouts: Option<Timeouts>,
) -> Result<DatabaseConnection, ConnectError> {
    match url {
        DatabaseUrl::Postgres(options) => postgres::open(url, options, usual(access, pool, timeouts)).await,
        DatabaseUrl::Sqlite(options) => match access {
            Access::Write => open_sqlite_writer(url, options, pool, timeouts).await.map(|writer| writer.db),
            Access::Read => open_sqlite_reader(url, options, pool, timeouts, Releases::default()).await,
        },
    }
}

/// Opens a pool for queries like [`open_timed`]. Connections to a SQLite file report their release to `generation`.
///
/// # Errors
/// When the database cannot be reached or opened: the message names it and the remedy.
pub async fn open_reader(
    url: &DatabaseUrl,
    pool: PoolSettings,
    timeouts: Option<Timeouts>,
    generation: &Generation,
) -> Result<DatabaseConnection, ConnectError> {
    match url {
        DatabaseUrl::Postgres(_) => open_timed(url, Access::Read, pool, timeouts).await,
        DatabaseUrl::Sqlite(options) => {
            open_sqlite_reader(url, options, pool, timeouts, generation.releases().clone()).await
        }
    }
}

/// A pool for changes, and the state of its transactions.
#[derive(Clone, Debug)]
pub struct Writer {
    /// The pool.
    pub db: DatabaseConnection,
    /// Which transactions were committed.
    pub commits: Commits,
}

/// Opens a pool for changes as [`open_timed`] does.
///
/// # Errors
/// The database cannot be reached or opened. The message names it and the remedy.
pub async fn open_writer(
    url: &DatabaseUrl,
    pool: PoolSettings,
    timeouts: Option<Timeouts>,
) -> Result<Writer, ConnectError> {
    match url {
        DatabaseUrl::Postgres(options) => {
            let db = postgres::open(url, options, usual(Access::Write, pool, timeouts)).await?;
            Ok(Writer { db, commits: Commits::default() })
        }
        DatabaseUrl::Sqlite(options) => open_sqlite_writer(url, options, pool, timeouts).await,
    }
}

fn usual(access: Access, settings: PoolSettings, timeouts: Option<Timeouts>) -> PostgresPool {
    let (lifetime, generation) = (Lifetime::LONG, Generation::default());
    PostgresPool { access, settings, timeouts, lifetime, generation, arrivals: None }
}

/// How long SQLite waits for another process's lock, unless [`Timeouts`] override it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Waits for a first connection: a pool would retry until its timeout, and then not report the reason.
pub(crate) async fn probe<T>(connect: impl Future<Output = T>, pool: PoolSettings) -> Result<T, ConnectError> {
    // Locked SQLite files fail after their busy timeout.
    let patience = pool.acquire_timeout.max(BUSY_TIMEOUT + Duration::from_secs(1));
    let silent =
        |_| ConnectError::away(format!("the database accepts the connection but does not answer within {patience:?}"));
    tokio::time::timeout(patience, connect).await.map_err(silent)
}

async fn connect_once(options: &SqliteConnectOptions) -> Result<(), sqlx::Error> {
    options.connect().await?.close().await
}

/// A pool without sqlx's own upkeep of idle and old connections.
///
/// That task reads a count of idle connections that another thread may briefly decrease below zero. Then it never
/// ends, keeps a processor busy, and hangs the runtime's shutdown.
/// <https://github.com/launchbadge/sqlx/issues/3645>: remove this with the first release of sqlx that has the fix.
/// Pools are small, so idle connections stay open; [`is_outdated`] determines which are too old.
#[expect(clippy::disallowed_methods, reason = "the one place that may")]
pub fn pool_options<DB: Database>() -> PoolOptions<DB> {
    PoolOptions::new().idle_timeout(None).max_lifetime(None)
}

/// The settings of every connection to a SQLite file.
fn set_up(options: SqliteConnectOptions, timeouts: Option<Timeouts>) -> SqliteConnectOptions {
    options
        .foreign_keys(true)
        // Otherwise REPLACE would leave rows in side tables.
        .pragma("recursive_triggers", "on")
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(timeouts.map_or(BUSY_TIMEOUT, |timeouts| timeouts.lock))
        .disable_statement_logging()
}

async fn open_sqlite_reader(
    url: &DatabaseUrl,
    options: &SqliteConnectOptions,
    pool: PoolSettings,
    timeouts: Option<Timeouts>,
    releases: Releases,
) -> Result<DatabaseConnection, ConnectError> {
    let options = set_up(options.clone().create_if_missing(false).pragma("query_only", "on"), timeouts);
    let statement_timeout = timeouts.map(|timeouts| timeouts.statement);
    probe(connect_once(&options), pool).await?.map_err(|error| explain_sqlite(url, Access::Read, &error))?;
    let pool = sqlite_pool(pool, statement_timeout)
        .max_connections(pool.connections_max)
        .after_connect(move |connection, _| Box::pin(set_deadline(connection, statement_timeout)))
        .before_acquire(move |connection, _| {
            Box::pin(async move { set_deadline(connection, statement_timeout).await.map(|()| true) })
        })
        .after_release(move |connection, _| {
            let running = releases.begin();
            Box::pin(async move {
                let _running = running;
                // Waits for an abandoned statement.
                connection.ping().await.map(|()| true)
            })
        })
        .connect_with(options)
        .await
        .map_err(|error| explain_sqlite(url, Access::Read, &error))?;
    Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
}

/// One connection. It is closed, and never used again, if the driver counts a transaction that SQLite has ended by
/// itself or that could not be rolled back, or if a transaction could not be started or committed.
async fn open_sqlite_writer(
    url: &DatabaseUrl,
    options: &SqliteConnectOptions,
    pool: PoolSettings,
    timeouts: Option<Timeouts>,
) -> Result<Writer, ConnectError> {
    let options = set_up(options.clone(), timeouts);
    let statement_timeout = timeouts.map(|timeouts| timeouts.statement);
    probe(connect_once(&options), pool).await?.map_err(|error| explain_sqlite(url, Access::Write, &error))?;
    let commits = Commits::watched();
    let (connected, acquired, released) = (commits.clone(), commits.clone(), commits.clone());
    let pool = sqlite_pool(pool, statement_timeout)
        .max_connections(1)
        .after_connect(move |connection, _| {
            let commits = connected.clone();
            Box::pin(async move {
                set_deadline(connection, statement_timeout).await?;
                commits.watch(connection).await
            })
        })
        .before_acquire(move |connection, _| {
            let commits = acquired.clone();
            Box::pin(async move {
                set_deadline(connection, statement_timeout).await?;
                Ok(!connection.is_in_transaction() && commits.begin_use())
            })
        })
        .after_release(move |connection, _| {
            let commits = released.clone();
            Box::pin(async move {
                // A rollback may still wait for the previous statement.
                connection.ping().await?;
                Ok(!connection.is_in_transaction() && !commits.is_spoiled())
            })
        })
        .connect_with(options)
        .await
        .map_err(|error| explain_sqlite(url, Access::Write, &error))?;
    Ok(Writer { db: SqlxSqliteConnector::from_sqlx_sqlite_pool(pool), commits })
}

fn sqlite_pool(pool: PoolSettings, statement_timeout: Option<Duration>) -> SqlitePoolOptions {
    pool_options::<Sqlite>()
        .acquire_timeout(pool.acquire_timeout)
        // Setting the deadline also tests the connection.
        .test_before_acquire(statement_timeout.is_none())
}

/// Steps of SQLite's virtual machine between two checks of the time: well below a millisecond.
const STEPS_UNWATCHED: i32 = 10_000;

async fn set_deadline(connection: &mut SqliteConnection, timeout: Option<Duration>) -> Result<(), sqlx::Error> {
    if let Some(timeout) = timeout {
        let deadline = Instant::now() + timeout;
        let mut handle = connection.lock_handle().await?;
        handle.set_progress_handler(STEPS_UNWATCHED, move || Instant::now() < deadline);
    }
    Ok(())
}

/// Whether the URL creates a missing file.
fn creates(url: &DatabaseUrl) -> bool {
    match url {
        DatabaseUrl::Sqlite(options) => {
            options.to_url_lossy().query_pairs().any(|(name, value)| name == "mode" && value == "rwc")
        }
        DatabaseUrl::Postgres(_) => false,
    }
}

/// The remedy for a file that cannot be opened. Reading never creates a file.
fn explain_missing(url: &DatabaseUrl, access: Access) -> &'static str {
    match (creates(url), access) {
        (true, Access::Read) => {
            "check that it exists and is readable; `kinoteka migrate up` and `kinoteka serve` create it"
        }
        (false, Access::Read) => {
            "check that it exists and is readable; with ?mode=rwc in the URL, `kinoteka migrate up` creates it"
        }
        (true, Access::Write) => "check that its folder exists and is writable",
        (false, Access::Write) => "check that its folder exists and is writable; ?mode=rwc in the URL creates the file",
    }
}

fn explain_sqlite(url: &DatabaseUrl, access: Access, error: &sqlx::Error) -> ConnectError {
    // The primary result code is the low byte: https://sqlite.org/rescode.html
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok()).unwrap_or_default();
    ConnectError::new(match code & 0xff {
        5 | 6 => format!("the {url} is locked by another process: stop it, or name another file"),
        8 => format!("the {url} is read-only: make it and its folder writable, or name another file"),
        14 => format!("the {url} cannot be opened: {}", explain_missing(url, access)),
        26 => format!("the {url} is not a SQLite database: name another file"),
        _ => format!("the {url} cannot be opened: {error}"),
    })
}
