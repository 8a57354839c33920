//! Metrics of the PostgreSQL servers.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// From a leader that the next look finds to the longest possible wait of a request, in seconds.
const LEADER_WAIT_BUCKETS: [f64; 8] = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];

/// From a replica within a round trip to the longest configurable wait, in seconds.
const REPLICA_WAIT_BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0];

/// Metrics of the PostgreSQL servers.
pub struct ClusterMetrics {
    /// 1 while a server accepts changes.
    pub leader_known: Gauge,
    /// Its timeline.
    pub leader_timeline: Gauge,
    /// Changes of the leader's timeline.
    pub failovers: Counter,
    /// The replica's lag behind the leader.
    pub replica_lag: Gauge<f64, AtomicU64>,
    /// Reads that were retried, on another server or connection.
    pub read_retries: Counter,
    /// Sessions that were looked up on a replica.
    pub sessions_from_replica: Counter,
    /// How long queries waited for replicas.
    pub replica_wait: Histogram,
    /// Queries that read from the leader, because no replica had reached their position.
    pub leader_fallbacks: Counter,
    /// Responses that may lack the session's latest changes.
    pub stale_answers: Counter,
    /// How long mutations waited for a leader.
    pub mutation_leader_wait: Histogram,
    /// Mutations that were retried.
    pub mutations_repeated: Counter,
    /// Mutations with an unknown outcome.
    pub mutations_unknown: Counter,
}

impl Default for ClusterMetrics {
    fn default() -> Self {
        Self {
            leader_known: Gauge::default(),
            leader_timeline: Gauge::default(),
            failovers: Counter::default(),
            replica_lag: Gauge::default(),
            read_retries: Counter::default(),
            sessions_from_replica: Counter::default(),
            replica_wait: Histogram::new(REPLICA_WAIT_BUCKETS),
            leader_fallbacks: Counter::default(),
            stale_answers: Counter::default(),
            mutation_leader_wait: Histogram::new(LEADER_WAIT_BUCKETS),
            mutations_repeated: Counter::default(),
            mutations_unknown: Counter::default(),
        }
    }
}

impl ClusterMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("leader_known", "Whether a database server accepts changes", self.leader_known.clone());
        registry.register("leader_timeline", "The leader's timeline", self.leader_timeline.clone());
        registry.register("failovers", "Changes of the leader's timeline", self.failovers.clone());
        let about = "How long ago the leader was at the replica's position; 60 if longer";
        registry.register_with_unit("replica_lag", about, Unit::Seconds, self.replica_lag.clone());
        registry.register(
            "read_retries",
            "Reads that were retried, on another server if possible",
            self.read_retries.clone(),
        );
        let about = "Sessions that were looked up on a replica because there was no leader";
        registry.register("sessions_from_replica", about, self.sessions_from_replica.clone());
        let about = "Time that queries waited for a replica to reach their position";
        registry.register_with_unit("replica_wait", about, Unit::Seconds, self.replica_wait.clone());
        let about = "Queries read from the leader because the replicas had not reached their position";
        registry.register("leader_fallbacks", about, self.leader_fallbacks.clone());
        let about = "Responses without a leader that may lack their session's latest changes";
        registry.register("stale_answers", about, self.stale_answers.clone());
        let about = "Time that mutations waited for a leader";
        registry.register_with_unit("mutation_leader_wait", about, Unit::Seconds, self.mutation_leader_wait.clone());
        let about = "Mutations that were retried, on another leader or connection";
        registry.register("mutations_repeated", about, self.mutations_repeated.clone());
        let about = "Mutations whose outcome was reported as unknown";
        registry.register("mutations_unknown", about, self.mutations_unknown.clone());
    }
}
