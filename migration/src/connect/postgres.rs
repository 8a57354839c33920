//! Pools of connections to PostgreSQL.

use std::fmt;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use sea_orm_migration::sea_orm::{DatabaseConnection, SqlxPostgresConnector};
use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Postgres, Row as _};
use tokio::time::timeout;

use super::{Access, ConnectError, DatabaseUrl, PoolSettings, Timeouts, pool_options, probe};
use crate::age::{Generation, Lifetime, is_outdated};
use crate::pooler::{SHARED, is_of_another_session, shares_sessions};
use crate::transaction::is_reusable;

/// The connections of a pool.
#[derive(Clone, Debug)]
pub struct PostgresPool {
    /// Whether to refuse a standby.
    pub access: Access,
    /// The size, and the timeout.
    pub settings: PoolSettings,
    /// The timeouts of statements.
    pub timeouts: Option<Timeouts>,
    /// The lifetime of connections.
    pub lifetime: Lifetime,
    /// Ends when an event shows that they are useless.
    pub generation: Generation,
    /// Called with each connection before it is used.
    pub arrivals: Option<Arrivals>,
}

/// Receives the server that a connection has reached, and its replay position.
#[derive(Clone)]
pub struct Arrivals(pub Arc<ArrivalCallback>);

/// A callback with the server and its position.
type ArrivalCallback = dyn Fn(&str, i64) + Send + Sync;

impl fmt::Debug for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrivals").finish_non_exhaustive()
    }
}

/// Columns: what identifies a server, even if several have the same address in their own networks, and the position
/// that it has replayed. A server that is not a standby has everything.
pub const SERVER: &str = "
    coalesce(host(inet_server_addr()), '') || ':' || coalesce(inet_server_port(), 0) || '@'
        || extract(epoch FROM pg_postmaster_start_time()),
    CASE WHEN pg_is_in_recovery() THEN (coalesce(pg_last_wal_replay_lsn(), '0/0') - '0/0'::pg_lsn)::bigint
        ELSE 9223372036854775807 END";

/// Settings of each connection. They are not start-up options, which poolers refuse. Compiling a statement (`jit`)
/// takes longer than reading a page. Statements rely on seeing earlier commits, whatever the defaults of a database
/// or a role.
const SETTINGS: &str = "SELECT set_config('jit', 'off', false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('statement_timeout', coalesce($1, current_setting('statement_timeout')), false),
    set_config('lock_timeout', coalesce($2, current_setting('lock_timeout')), false), pg_is_in_recovery()";

/// How long a pooled connection may be idle without a test.
const IDLE_UNTESTED_MAX: Duration = Duration::from_secs(1);

/// The timeout of the test: a frozen server accepts messages but does not answer.
const TEST_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a released connection may take to finish what was given up, such as a commit that waits for a standby.
/// Meanwhile it occupies its slot, so that the number of waiting statements is limited.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(30);

/// Opens a pool, after connections have shown that the server answers and is suitable.
pub(crate) async fn open(
    url: &DatabaseUrl,
    options: &PgConnectOptions,
    pool: PostgresPool,
) -> Result<DatabaseConnection, ConnectError> {
    let (access, settings) = (pool.access, pool.settings);
    let options = prepare(options);
    if probe(shares_sessions(&options), settings).await?.map_err(|error| explain(url, &error))? {
        return Err(behind_pooler(url));
    }
    if access == Access::Write && probe(is_standby(&options), settings).await?.map_err(|error| explain(url, &error))? {
        return Err(ConnectError::away(format!(
            "the {url} is a standby, which cannot be written to: name the leader, or an address that leads to it"
        )));
    }
    let pool = pool_of(pool).connect_with(options).await.map_err(|error| explain(url, &error))?;
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}

/// A pool that connects on first use.
pub fn open_lazy(options: &PgConnectOptions, pool: PostgresPool) -> DatabaseConnection {
    let pool: PgPool = pool_of(pool).connect_lazy_with(prepare(options));
    SqlxPostgresConnector::from_sqlx_postgres_pool(pool)
}

fn prepare(options: &PgConnectOptions) -> PgConnectOptions {
    // Poolers refuse `extra_float_digits`, and since PostgreSQL 12 its default is exact.
    options.clone().application_name("kinoteka").disable_statement_logging().extra_float_digits(None)
}

async fn is_standby(options: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let mut connection = options.connect().await?;
    let row = connection.fetch_one("SELECT pg_is_in_recovery()").await?;
    connection.close().await?;
    row.try_get(0)
}

fn pool_of(pool: PostgresPool) -> PoolOptions<Postgres> {
    let PostgresPool { access, settings, timeouts, lifetime, generation, arrivals } = pool;
    let ended = generation.clone();
    pool_options::<Postgres>()
        .max_connections(settings.connections_max)
        .acquire_timeout(settings.acquire_timeout)
        // A round trip before each statement is expensive. Idle connections are tested below.
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let arrivals = arrivals.clone();
            Box::pin(async move {
                set_up(connection, access, timeouts).await?;
                match arrivals {
                    Some(Arrivals(told)) => tell_arrival(connection, &*told).await,
                    None => Ok(()),
                }
            })
        })
        .before_acquire(move |connection, state| {
            let is_over = is_outdated(state.age, lifetime) || generation.is_over(state.age);
            let is_untested = state.idle_for <= IDLE_UNTESTED_MAX && !generation.is_doubtful(state.idle_for);
            Box::pin(async move { Ok(!is_over && (is_untested || answers(connection).await)) })
        })
        .after_release(move |connection, state| {
            let (is_over, is_suspect) = (ended.is_over(state.age), ended.has_lost());
            let running = ended.releases().begin();
            Box::pin(async move {
                let _running = running;
                // A statement that was given up here may never end.
                let is_lost = is_over || is_suspect && !answers(connection).await;
                if is_lost { Ok(false) } else { release(connection).await }
            })
        })
}

async fn set_up(connection: &mut PgConnection, access: Access, timeouts: Option<Timeouts>) -> Result<(), sqlx::Error> {
    let in_ms = |timeout: Duration| timeout.as_millis().max(1).to_string();
    let statement = timeouts.map(|timeouts| in_ms(timeouts.statement));
    let lock = timeouts.map(|timeouts| in_ms(timeouts.lock));
    let row = sqlx::query(SETTINGS).bind(statement).bind(lock).fetch_one(connection).await?;
    match access {
        // After a failover an address may still lead to the old leader.
        Access::Write if row.try_get(4)? => Err(sqlx::Error::Configuration("this is a standby".into())),
        Access::Write | Access::Read => Ok(()),
    }
}

async fn tell_arrival(connection: &mut PgConnection, told: &ArrivalCallback) -> Result<(), sqlx::Error> {
    let row = connection.fetch_one(sqlx::AssertSqlSafe(format!("SELECT {SERVER}"))).await?;
    told(row.try_get(0)?, row.try_get(1)?);
    Ok(())
}

async fn answers(connection: &mut PgConnection) -> bool {
    matches!(timeout(TEST_TIMEOUT, connection.ping()).await, Ok(Ok(())))
}

/// Whether a connection may be used again. Waits for statements that were given up; the pool's own test has no
/// timeout.
async fn release(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let test = async {
        // Waits for a pending rollback or statement; otherwise costs nothing.
        connection.flush().await?;
        is_reusable(connection).await
    };
    timeout(RELEASE_TIMEOUT, test).await.unwrap_or(Ok(false))
}

fn behind_pooler(url: &DatabaseUrl) -> ConnectError {
    ConnectError::new(format!("the {url} is behind a pooler {SHARED}"))
}

fn explain(url: &DatabaseUrl, error: &sqlx::Error) -> ConnectError {
    let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default();
    match &*code {
        "3D000" => ConnectError::new(format!("the {url} does not exist: create it (createdb), or correct the URL")),
        "28P01" | "28000" => ConnectError::new(format!("the {url} refuses this user or password: correct the URL")),
        code if is_of_another_session(code) => behind_pooler(url),
        code => {
            let message = format!("the {url} cannot be reached ({error}): start it, or correct the URL");
            if may_come(error, code) { ConnectError::away(message) } else { ConnectError::new(message) }
        }
    }
}

/// Whether the server may become available, as opposed to an error in the URL or its settings.
fn may_come(error: &sqlx::Error, code: &str) -> bool {
    match error {
        // Errors of the system have numbers; an unknown host and an invalid certificate have none.
        sqlx::Error::Io(error) => {
            error.raw_os_error().is_some() || matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::UnexpectedEof)
        }
        // A proxy without a server closes the connection, which the driver reports as a protocol error.
        sqlx::Error::PoolTimedOut | sqlx::Error::Protocol(_) => true,
        // Stopping, starting; no room; the connection failed.
        _ => matches!(code, "57P01" | "57P02" | "57P03" | "53300") || code.starts_with("08"),
    }
}
