//! What a query has to see of what was changed, and where it reads for that.

use std::time::Duration;

use request::position::{Position, ReadsFrom};
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ConnectionTrait, DbBackend, Statement, TryGetable};
use telemetry::metrics;
use tokio::time::timeout;

use super::{Db, ReadPool, ReplicaLimits};

/// The leader's position: all that was acknowledged is before it. What is not on the disk yet is sent to no replica, so it
/// counts only where commits do not wait for the disk. A standby has none.
const POSITION: &str = "
    CASE WHEN pg_is_in_recovery() THEN NULL
        WHEN current_setting('synchronous_commit') = 'off' THEN (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint
        ELSE (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint END";

/// How long the leader may take to say its position.
const POSITION_TIMEOUT: Duration = Duration::from_millis(500);

impl Db {
    /// Whether queries read from replicas.
    pub fn has_replicas(&self) -> bool {
        self.replicas.is_some()
    }

    /// Sets how long queries wait for replicas, and how far these may lag.
    pub fn set_replica_limits(&self, limits: ReplicaLimits) {
        if let Some(replicas) = &self.replicas {
            replicas.set_limits(limits);
        }
    }

    /// The leader's position, for a statement that looks up something else; null if nothing but the leader is read from.
    pub fn position_column(&self) -> SimpleExpr {
        if self.has_replicas() { Expr::cust(POSITION) } else { Expr::cust("CAST(NULL AS bigint)") }
    }

    /// The leader's position, if something else is read from. Of a change it is to be asked after its commit.
    pub async fn position(&self) -> Option<Position> {
        if !self.has_replicas() || self.cluster.is_leader_away() {
            return None;
        }
        let statement = Statement::from_string(DbBackend::Postgres, format!("SELECT {POSITION}"));
        let row = timeout(POSITION_TIMEOUT, self.sessions.query_one_raw(statement)).await.ok()?.ok()??;
        Option::<i64>::try_get_by(&row, 0).ok()?.map(Position)
    }

    /// Where a query reads that has to see this, or the leader's position if that is less. Waits for a moment for the
    /// replicas.
    pub async fn reads_after(&self, position: Position) -> (ReadsFrom, Position) {
        let Some(replicas) = &self.replicas else { return (ReadsFrom::Leader, position) };
        let are_away = self.cluster.is_replica_away() != Some(false);
        if are_away || replicas.is_lagging() && !self.cluster.is_leader_away() {
            return (self.without_replicas(), position);
        }
        if replicas.let_in(position) {
            return (ReadsFrom::FreshReplicas, position);
        }
        // Nobody has to wait for what no leader has written, be it made up or lost with another leader.
        let position = match self.cluster.leader_position() {
            Some(seen) if position.0 <= seen => position,
            _ => self.position().await.map_or(position, |last| last.min(position)),
        };
        match replicas.wait_for(position).await {
            true => (ReadsFrom::FreshReplicas, position),
            false => (self.without_replicas(), position),
        }
    }

    /// Where to read what the replicas lack.
    fn without_replicas(&self) -> ReadsFrom {
        if self.cluster.is_leader_away() {
            return Self::without_leader();
        }
        metrics::cluster().leader_fallbacks.inc();
        ReadsFrom::Leader
    }

    /// Where to read while nobody knows what the replicas lack.
    pub fn without_leader() -> ReadsFrom {
        metrics::cluster().stale_answers.inc();
        ReadsFrom::StaleReplicas
    }

    /// For queries that read from replicas which have come [far enough](Self::reads_after).
    pub fn fresh_replicas(&self) -> ReadPool {
        self.read.fresh()
    }
}
