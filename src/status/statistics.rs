//! PostgreSQL's statistics, read with `pg_monitor`: connections, replicas, slots, and the statements that take the most
//! time.

use std::time::Duration;

use migration::connect::{self, Access, DatabaseUrl, PoolSettings, Timeouts};
use sea_orm::{DatabaseConnection, DbBackend, DbErr, FromQueryResult, Statement};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::document::{DatabaseReport, StatementReport};
use super::fetch::TIMEOUT;

/// The database, and what its role may read.
const FACTS: &str = "
    SELECT current_setting('server_version') AS version, current_database()::text AS name,
        pg_database_size(current_database()) AS size_bytes, pg_is_in_recovery() AS is_standby,
        current_user::text AS role, pg_has_role('pg_monitor', 'USAGE') AS is_monitor,
        (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
            WHERE e.extname = 'pg_stat_statements') AS statements_schema";

/// Connections of clients, without this one. A role without rights does not see which these are.
const CONNECTIONS: &str = "
    SELECT current_setting('max_connections')::int AS max, count(*) AS total,
        count(*) FILTER (WHERE state = 'active') AS active, count(*) FILTER (WHERE state = 'idle') AS idle,
        count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_in_transaction,
        count(*) FILTER (WHERE state = 'active' AND wait_event_type = 'Lock') AS waiting_for_locks
    FROM pg_stat_activity WHERE coalesce(backend_type = 'client backend', datname IS NOT NULL) AND pid <> pg_backend_pid()";

/// Without rights, the role sees no state.
const REPLICAS: &str = "
    SELECT application_name AS name, coalesce(state, 'unknown') AS state, coalesce(sync_state, 'unknown') AS sync_state,
        flush_lsn::text AS receive_lsn, pg_wal_lsn_diff(at, flush_lsn)::bigint AS receive_lag_bytes,
        replay_lsn::text AS replay_lsn, pg_wal_lsn_diff(at, replay_lsn)::bigint AS replay_lag_bytes,
        extract(epoch FROM replay_lag)::float8 AS replay_lag_s
    FROM pg_stat_replication, (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
        ELSE pg_current_wal_flush_lsn() END AS at) AS here
    WHERE state IS DISTINCT FROM 'backup' ORDER BY application_name";

const SLOTS: &str = "
    SELECT slot_name::text AS name, active AS is_active, coalesce(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery()
        THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_flush_lsn() END, restart_lsn), 0)::bigint AS kept_bytes
    FROM pg_replication_slots ORDER BY slot_name";

/// The statements of this database by duration, without this role's own. Utility statements are excluded, because
/// CREATE ROLE and ALTER ROLE can contain passwords: a statement must begin with a keyword of queries or changes.
/// `SCHEMA` is replaced with the extension's schema.
const STATEMENTS: &str = r"
    SELECT left(regexp_replace(query, '\s+', ' ', 'g'), 300) AS query, calls, total_exec_time / 1000 AS total_s,
        mean_exec_time AS mean_ms, rows
    FROM SCHEMA.pg_stat_statements(true)
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND toplevel
        AND userid <> (SELECT oid FROM pg_roles WHERE rolname = current_user)
        AND query ~* '^\s*(select|insert|update|delete|with|merge)\M'
    ORDER BY total_exec_time DESC LIMIT 10";

/// PostgreSQL with a monitoring role. It is connected on demand, with one connection.
#[derive(Debug)]
pub(super) struct Monitor {
    url: DatabaseUrl,
    db: Mutex<Option<DatabaseConnection>>,
}

/// The statistics, and what is missing.
pub(super) struct Statistics {
    pub(super) database: Option<DatabaseReport>,
    /// Why something is missing, and the solution.
    pub(super) trouble: Option<(String, String)>,
}

#[derive(FromQueryResult)]
struct Facts {
    version: String,
    name: String,
    size_bytes: i64,
    is_standby: bool,
    role: String,
    is_monitor: bool,
    statements_schema: Option<String>,
}

impl Monitor {
    pub(super) fn new(url: DatabaseUrl) -> Self {
        Self { url, db: Mutex::default() }
    }

    /// Its name, without the password.
    pub(super) fn name(&self) -> String {
        self.url.to_string()
    }

    /// Queries it, with a timeout of one second for the connection and another one for the response.
    pub(super) async fn ask(&self) -> Statistics {
        let mut held = self.db.lock().await;
        let db = match held.take() {
            Some(db) => db,
            None => match timeout(TIMEOUT, connect(&self.url)).await {
                Ok(Ok(db)) => db,
                Ok(Err(error)) => return Statistics::none(error.to_string(), "see --monitor-url"),
                Err(_) => return Statistics::none(silence(), AWAY),
            },
        };
        match timeout(TIMEOUT, read(&db)).await {
            Ok(Ok(statistics)) => {
                *held = Some(db);
                statistics
            }
            // The connection is not reused: its server may no longer be the leader.
            Ok(Err(error)) => {
                tracing::warn!("the statistics of the {} cannot be read: {error}", self.url);
                let remedy = "the log has the reason; a server that was just started or replaced answers soon";
                Statistics::none("a statement has failed".to_owned(), remedy)
            }
            Err(_) => Statistics::none(silence(), AWAY),
        }
    }
}

const AWAY: &str = "start PostgreSQL, or correct --monitor-url";

fn silence() -> String {
    format!("no answer within {} s", TIMEOUT.as_secs())
}

impl Statistics {
    fn none(why: String, remedy: &str) -> Self {
        Self { database: None, trouble: Some((why, remedy.to_owned())) }
    }
}

async fn connect(url: &DatabaseUrl) -> Result<DatabaseConnection, connect::ConnectError> {
    let pool = PoolSettings { connections_max: 1, acquire_timeout: TIMEOUT };
    let timeouts = Timeouts { statement: TIMEOUT, lock: Duration::from_millis(100) };
    connect::open_timed(url, Access::Read, pool, Some(timeouts)).await
}

async fn read(db: &DatabaseConnection) -> Result<Statistics, DbErr> {
    let facts: Facts = one(db, FACTS).await?;
    let statements = match &facts.statements_schema {
        // If it was not loaded at start, reading it fails.
        Some(schema) if facts.is_monitor => {
            all::<StatementReport>(db, &STATEMENTS.replace("SCHEMA", schema)).await.map_err(|error| {
                tracing::debug!("pg_stat_statements cannot be read: {error}");
            })
        }
        _ => Err(()),
    };
    let trouble = facts.trouble(statements.is_ok());
    let database = DatabaseReport {
        connections: one(db, CONNECTIONS).await?,
        replicas: all(db, REPLICAS).await?,
        slots: all(db, SLOTS).await?,
        statements: statements.ok(),
        version: facts.version,
        name: facts.name,
        size_bytes: facts.size_bytes,
        is_standby: facts.is_standby,
    };
    Ok(Statistics { database: Some(database), trouble })
}

impl Facts {
    fn trouble(&self, has_statements: bool) -> Option<(String, String)> {
        if !self.is_monitor {
            let why = format!("role {} lacks pg_monitor: what others do, and their statements, are hidden", self.role);
            return Some((why, format!("run as a superuser: GRANT pg_monitor TO {}", self.role)));
        }
        if has_statements {
            return None;
        }
        Some(match self.statements_schema {
            None => (
                format!("database {} has no pg_stat_statements", self.name),
                "run there as a superuser, on the leader: CREATE EXTENSION pg_stat_statements SCHEMA public".to_owned(),
            ),
            Some(_) => (
                "pg_stat_statements cannot be read".to_owned(),
                "add it to shared_preload_libraries, and restart PostgreSQL".to_owned(),
            ),
        })
    }
}

async fn one<T: FromQueryResult>(db: &DatabaseConnection, sql: &str) -> Result<T, DbErr> {
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    T::find_by_statement(statement).one(db).await?.ok_or_else(|| DbErr::RecordNotFound(sql.to_owned()))
}

async fn all<T: FromQueryResult>(db: &DatabaseConnection, sql: &str) -> Result<Vec<T>, DbErr> {
    T::find_by_statement(Statement::from_string(DbBackend::Postgres, sql)).all(db).await
}
