//! The document: what is known at one moment. Its JSON is described in `docs/monitoring.md`.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use serde::Serialize;

/// What is known at one moment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusDocument {
    /// The moment.
    pub at: DateTime<Utc>,
    /// Whether every source answers and nothing is wrong.
    pub is_well: bool,
    /// What is wrong, the worst first.
    pub symptoms: Vec<Symptom>,
    /// Where this comes from.
    pub sources: Vec<SourceReport>,
    /// What Patroni says; none without Patroni.
    pub cluster: Option<ClusterReport>,
    /// The servers of the API.
    pub instances: Vec<InstanceReport>,
    /// What PostgreSQL says of itself; none without its URL.
    pub database: Option<DatabaseReport>,
}

/// How bad a symptom is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Requests fail, or are about to.
    Critical,
    /// One failure less is survived, or answers are old.
    Warning,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Symptom {
    /// As the alert is called.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The member or the server; none if it is the whole.
    pub subject: Option<String>,
    /// What is seen.
    pub text: String,
    /// What it means for clients.
    pub effect: &'static str,
    /// For how many seconds it has been seen.
    pub for_s: u64,
    /// What to do: a file of the repository and a section in it.
    pub guide: String,
}

/// Where a part of the document comes from.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceReport {
    /// `patroni`, `monitor` or `instances`.
    pub name: &'static str,
    /// Its address, without a password; none if it is not configured.
    pub address: Option<String>,
    /// Why it says nothing, or not all.
    pub trouble: Option<String>,
    /// What to do about that.
    pub remedy: Option<String>,
}

/// A cluster of Patroni.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterReport {
    /// Its name.
    pub scope: String,
    /// The identifier of its database system, as `patronictl list` shows it.
    pub system_identifier: Option<String>,
    /// Whether Patroni leaves it alone (maintenance mode).
    pub is_paused: bool,
    /// Its members by name.
    pub members: Vec<MemberReport>,
}

/// A server of PostgreSQL with its Patroni.
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
    /// The leader's position, or what a replica has received.
    pub receive_lsn: Option<String>,
    /// Bytes that a replica has not received.
    pub receive_lag_bytes: Option<u64>,
    /// What a replica has replayed.
    pub replay_lsn: Option<String>,
    /// Bytes that a replica has not replayed.
    pub replay_lag_bytes: Option<u64>,
    /// Whether somebody has paused its replay.
    pub is_replay_paused: bool,
    /// When the last transaction was committed that it has replayed.
    pub replayed_at: Option<String>,
    /// Whether settings wait for its restart.
    pub is_restart_pending: bool,
    /// The version of its PostgreSQL.
    pub postgres_version: Option<String>,
    /// The version of its Patroni.
    pub patroni_version: Option<String>,
    /// Why its own Patroni says nothing; what is known is then from another one, and may be old.
    pub silence: Option<String>,
}

/// A server of the API.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceReport {
    /// Its address.
    pub name: String,
    /// `full`, `read-only` or `down`; none if it does not answer.
    pub readiness: Option<String>,
    /// Why it is not `full`, or does not answer.
    pub reason: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// `PostgreSQL` or `SQLite`.
    pub database: Option<&'static str>,
    /// When it was started, in Unix time.
    pub started_s: Option<f64>,
    /// Its memory.
    pub memory_bytes: Option<f64>,
    /// Whether it sees a leader; none on SQLite.
    pub is_leader_known: Option<bool>,
    /// The timeline of the leader that it sees.
    pub timeline: Option<i64>,
    /// How far its replica is behind; none on SQLite.
    pub replica_lag_s: Option<f64>,
    /// Operations since its start.
    pub operations: f64,
    /// The time that they took.
    pub operations_s: f64,
    /// Errors in responses since its start.
    pub errors: f64,
    /// Of these, those that are not the client's fault: `INTERNAL`, `UNAVAILABLE` and `TIMEOUT`.
    pub failures: f64,
    /// Operations that took more than a second.
    pub slow_operations: f64,
    /// Requests that are being answered.
    pub requests_in_flight: f64,
    /// Its feed of comments.
    pub feed: Option<FeedReport>,
    /// Its pools of database connections.
    pub pools: Vec<PoolReport>,
}

/// The feed of comments, as one server has it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedReport {
    /// Whether it can read the database.
    pub is_connected: bool,
    /// How often it has looked for new events.
    pub polls: f64,
    /// Whether ticks order its events.
    pub is_by_tick: bool,
    /// Who listens.
    pub listeners: f64,
    /// Results that were handed to listeners since the start.
    pub deliveries: f64,
    /// For how long a transaction that has not ended has held comments back.
    pub held_back_s: f64,
}

/// A pool of database connections.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolReport {
    /// `write`, `read` or `sessions`.
    pub name: String,
    /// Connections at most.
    pub max: f64,
    /// Open connections.
    pub open: f64,
    /// Open connections that somebody holds.
    pub in_use: f64,
}

/// What PostgreSQL says of itself.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseReport {
    /// Its version.
    pub version: String,
    /// The database's name.
    pub name: String,
    /// Its size.
    pub size_bytes: i64,
    /// Whether it is a standby, which knows of no replicas.
    pub is_standby: bool,
    /// Its connections.
    pub connections: ConnectionsReport,
    /// Those who receive its changes.
    pub replicas: Vec<ReplicaReport>,
    /// For whom it keeps WAL.
    pub slots: Vec<SlotReport>,
    /// The statements that took the most time; none if they cannot be read.
    pub statements: Option<Vec<StatementReport>>,
}

/// Connections of clients, by what they do.
#[derive(Clone, Debug, Default, FromQueryResult, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionsReport {
    /// At most.
    pub max: i32,
    /// All.
    pub total: i64,
    /// Those that execute a statement.
    pub active: i64,
    /// Those that do nothing.
    pub idle: i64,
    /// Those that do nothing in a transaction.
    pub idle_in_transaction: i64,
    /// Those that wait for a lock.
    pub waiting_for_locks: i64,
}

/// Who receives PostgreSQL's changes.
#[derive(Clone, Debug, FromQueryResult, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaReport {
    /// Its name, which for a member of Patroni is the member's.
    pub name: String,
    /// `streaming`, `catchup`, `startup` or `backup`.
    pub state: String,
    /// `quorum`, `sync`, `potential` or `async`.
    pub sync_state: String,
    /// What it has received and written to its disk.
    pub receive_lsn: Option<String>,
    /// Bytes that it has not received.
    pub receive_lag_bytes: Option<i64>,
    /// What it has replayed.
    pub replay_lsn: Option<String>,
    /// Bytes that it has not replayed.
    pub replay_lag_bytes: Option<i64>,
    /// How old what it replays is.
    pub replay_lag_s: Option<f64>,
}

/// A replication slot.
#[derive(Clone, Debug, FromQueryResult, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotReport {
    /// Its name.
    pub name: String,
    /// Whether somebody reads from it.
    pub is_active: bool,
    /// Bytes of WAL that are kept for it.
    pub kept_bytes: i64,
}

/// A statement with the time that it took.
#[derive(Clone, Debug, FromQueryResult, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatementReport {
    /// Its beginning, on one line and without values.
    pub query: String,
    /// How often it was executed.
    pub calls: i64,
    /// The time that all executions took.
    pub total_s: f64,
    /// The time of one execution.
    pub mean_ms: f64,
    /// Rows that it has returned or changed.
    pub rows: i64,
}
