//! The document: the status at one moment. `docs/monitoring.md` describes its JSON.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use serde::Serialize;

/// The status at one moment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusDocument {
    /// The moment.
    pub at: DateTime<Utc>,
    /// Whether every source responds and nothing is wrong.
    pub is_well: bool,
    /// What is wrong, the worst first.
    pub symptoms: Vec<Symptom>,
    /// The sources.
    pub sources: Vec<SourceReport>,
    /// Patroni's data. `None` without Patroni.
    pub cluster: Option<ClusterReport>,
    /// The servers of the API.
    pub instances: Vec<InstanceReport>,
    /// PostgreSQL's statistics. `None` without its URL.
    pub database: Option<DatabaseReport>,
}

/// The severity of a symptom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Requests fail, or are about to.
    Critical,
    /// One failure less can be survived, or reads are outdated.
    Warning,
}

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Symptom {
    /// The name of the alert.
    pub name: &'static str,
    /// The severity.
    pub severity: Severity,
    /// The member or the server. `None` if it concerns the whole.
    pub subject: Option<String>,
    /// The observation.
    pub text: String,
    /// The effect on clients.
    pub effect: &'static str,
    /// How long it has been seen, in seconds.
    pub for_s: u64,
    /// The instructions: a file of the repository and a section in it.
    pub guide: String,
}

/// A source of a part of the document.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceReport {
    /// `patroni`, `monitor` or `instances`.
    pub name: &'static str,
    /// Its address, without a password. `None` if it is not configured.
    pub address: Option<String>,
    /// Why it does not respond, or not completely.
    pub trouble: Option<String>,
    /// The solution.
    pub remedy: Option<String>,
}

/// A Patroni cluster.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterReport {
    /// Its name.
    pub scope: String,
    /// The identifier of its database system, as `patronictl list` shows it.
    pub system_identifier: Option<String>,
    /// Whether it is in maintenance mode: Patroni does not manage it.
    pub is_paused: bool,
    /// Its members by name.
    pub members: Vec<MemberReport>,
}

/// A PostgreSQL server with its Patroni.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberReport {
    /// Its name.
    pub name: String,
    /// Host and port of PostgreSQL.
    pub host: String,
    /// `leader`, `quorum_standby`, `sync_standby`, `replica` or `standby_leader`.
    pub role: String,
    /// `running`, `streaming`, `stopped` and so on.
    pub state: String,
    /// Its timeline.
    pub timeline: Option<i64>,
    /// The leader's position, or the position that a replica has received.
    pub receive_lsn: Option<String>,
    /// The number of bytes that a replica has not received.
    pub receive_lag_bytes: Option<u64>,
    /// The position that a replica has replayed.
    pub replay_lsn: Option<String>,
    /// The number of bytes that a replica has not replayed.
    pub replay_lag_bytes: Option<u64>,
    /// Whether its replay is paused.
    pub is_replay_paused: bool,
    /// The commit time of the last transaction that it has replayed.
    pub replayed_at: Option<String>,
    /// Whether changed settings require its restart.
    pub is_restart_pending: bool,
    /// The version of its PostgreSQL.
    pub postgres_version: Option<String>,
    /// The version of its Patroni.
    pub patroni_version: Option<String>,
    /// Why its own Patroni does not respond. The data is then from another one, and may be outdated.
    pub silence: Option<String>,
}

/// A server of the API.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceReport {
    /// Its address.
    pub name: String,
    /// `full`, `read-only` or `down`. `None` if it does not respond.
    pub readiness: Option<String>,
    /// Why it is not `full`, or does not respond.
    pub reason: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// `PostgreSQL` or `SQLite`.
    pub database: Option<&'static str>,
    /// When it started, in Unix time.
    pub started_s: Option<f64>,
    /// Its memory.
    pub memory_bytes: Option<f64>,
    /// Whether it sees a leader. `None` on SQLite.
    pub is_leader_known: Option<bool>,
    /// The timeline of the leader that it sees.
    pub timeline: Option<i64>,
    /// The lag of its replica. `None` on SQLite.
    pub replica_lag_s: Option<f64>,
    /// Operations since its start.
    pub operations: f64,
    /// Their total duration.
    pub operations_s: f64,
    /// Errors in responses since its start.
    pub errors: f64,
    /// Errors that are not the client's fault: `INTERNAL`, `UNAVAILABLE` and `TIMEOUT`.
    pub failures: f64,
    /// Operations that took more than a second.
    pub slow_operations: f64,
    /// Requests in flight.
    pub requests_in_flight: f64,
    /// Its comment feed.
    pub feed: Option<FeedReport>,
    /// Its pools of database connections.
    pub pools: Vec<PoolReport>,
}

/// The comment feed of one server.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedReport {
    /// Whether it can read the database.
    pub is_connected: bool,
    /// How often the server has looked for new events.
    pub polls: f64,
    /// Whether its events are ordered by ticks.
    pub is_by_tick: bool,
    /// The number of listeners.
    pub listeners: f64,
    /// Results that were delivered to listeners since the start.
    pub deliveries: f64,
    /// How long an open transaction has delayed comments.
    pub held_back_s: f64,
}

/// A pool of database connections.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolReport {
    /// `write`, `read` or `sessions`.
    pub name: String,
    /// The maximum number of connections.
    pub max: f64,
    /// Open connections.
    pub open: f64,
    /// Open connections that are in use.
    pub in_use: f64,
}

/// PostgreSQL's statistics.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseReport {
    /// Its version.
    pub version: String,
    /// The database's name.
    pub name: String,
    /// Its size.
    pub size_bytes: i64,
    /// Whether it is a standby, which does not know its replicas.
    pub is_standby: bool,
    /// Its connections.
    pub connections: ConnectionsReport,
    /// Its replicas.
    pub replicas: Vec<ReplicaReport>,
    /// Its replication slots.
    pub slots: Vec<SlotReport>,
    /// The statements that took the most time. `None` if they cannot be read.
    pub statements: Option<Vec<StatementReport>>,
}

/// The connections of clients, by state.
#[derive(Clone, Debug, Default, FromQueryResult, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionsReport {
    /// The maximum number.
    pub max: i32,
    /// All of them.
    pub total: i64,
    /// Those that execute a statement.
    pub active: i64,
    /// Idle ones.
    pub idle: i64,
    /// Those that are idle in a transaction.
    pub idle_in_transaction: i64,
    /// Those that wait for a lock.
    pub waiting_for_locks: i64,
}

/// A replica of PostgreSQL.
#[derive(Clone, Debug, FromQueryResult, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaReport {
    /// Its name. For a member of Patroni, it is the member's.
    pub name: String,
    /// `streaming`, `catchup`, `startup` or `backup`.
    pub state: String,
    /// `quorum`, `sync`, `potential` or `async`.
    pub sync_state: String,
    /// The position that it has received and written to its disk.
    pub receive_lsn: Option<String>,
    /// The number of bytes that it has not received.
    pub receive_lag_bytes: Option<i64>,
    /// The position that it has replayed.
    pub replay_lsn: Option<String>,
    /// The number of bytes that it has not replayed.
    pub replay_lag_bytes: Option<i64>,
    /// Its replay lag.
    pub replay_lag_s: Option<f64>,
}

/// A replication slot.
#[derive(Clone, Debug, FromQueryResult, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotReport {
    /// Its name.
    pub name: String,
    /// Whether it is in use.
    pub is_active: bool,
    /// The number of bytes of WAL that are retained for it.
    pub kept_bytes: i64,
}

/// A statement with its duration.
#[derive(Clone, Debug, FromQueryResult, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatementReport {
    /// Its beginning, on one line and without values.
    pub query: String,
    /// How often it was executed.
    pub calls: i64,
    /// The total duration of all executions.
    pub total_s: f64,
    /// The mean duration.
    pub mean_ms: f64,
    /// The number of rows that it has returned or changed.
    pub rows: i64,
}
