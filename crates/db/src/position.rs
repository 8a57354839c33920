//! Which changes a query must see, and where it reads because of that.

use std::time::Duration;

use request::position::{Position, ReadsFrom};
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ConnectionTrait, DbBackend, Statement, TryGetable};
use telemetry::metrics;
use tokio::time::timeout;

use super::{Db, ReadPool, ReplicaLimits};

/// The leader's position: every acknowledged change is before it. A change that is not on the disk yet is sent to no
/// replica, so it counts only if commits do not wait for the disk. A standby has no such position.
const POSITION: &str = "
    CASE WHEN pg_is_in_recovery() THEN NULL
        WHEN current_setting('synchronous_commit') = 'off' THEN (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint
        ELSE (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint END";

/// The timeout for getting the leader's position.
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

    /// The leader's position, for a statement that looks up something else. Null if queries read only from the leader.
    pub fn position_column(&self) -> SimpleExpr {
        if self.has_replicas() { Expr::cust(POSITION) } else { Expr::cust("CAST(NULL AS bigint)") }
    }

    /// The leader's position, if queries read from other servers. For a change, call it after the commit.
    pub async fn position(&self) -> Option<Position> {
        if !self.has_replicas() || self.cluster.is_leader_away() {
            return None;
        }
        let statement = Statement::from_string(DbBackend::Postgres, format!("SELECT {POSITION}"));
        let row = timeout(POSITION_TIMEOUT, self.sessions.query_one_raw(statement)).await.ok()?.ok()??;
        Option::<i64>::try_get_by(&row, 0).ok()?.map(Position)
    }

    /// Where a query reads that must see this position, or the leader's position if that is lower. Waits briefly for
    /// the replicas.
    pub async fn reads_after(&self, position: Position) -> (ReadsFrom, Position) {
        let Some(replicas) = &self.replicas else { return (ReadsFrom::Leader, position) };
        let are_away = self.cluster.is_replica_away() != Some(false);
        if are_away || replicas.is_lagging() && !self.cluster.is_leader_away() {
            return (self.without_replicas(), position);
        }
        if replicas.let_in(position) {
            return (ReadsFrom::FreshReplicas, position);
        }
        // A position beyond the leader's was made up, or lost with another leader. Nobody has to wait for it.
        let position = match self.cluster.leader_position() {
            Some(seen) if position.0 <= seen => position,
            _ => self.position().await.map_or(position, |last| last.min(position)),
        };
        match replicas.wait_for(position).await {
            true => (ReadsFrom::FreshReplicas, position),
            false => (self.without_replicas(), position),
        }
    }

    /// Where to read if the replicas lack the position.
    fn without_replicas(&self) -> ReadsFrom {
        if self.cluster.is_leader_away() {
            return Self::without_leader();
        }
        metrics::cluster().leader_fallbacks.inc();
        ReadsFrom::Leader
    }

    /// Where to read while it is unknown what the replicas lack.
    pub fn without_leader() -> ReadsFrom {
        metrics::cluster().stale_answers.inc();
        ReadsFrom::StaleReplicas
    }

    /// For queries that read from replicas which have [reached the position](Self::reads_after).
    pub fn fresh_replicas(&self) -> ReadPool {
        self.read.fresh()
    }
}
