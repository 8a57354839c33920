//! What is counted of the servers of PostgreSQL.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// From a leader that is seen at the next look to the longest that a request may wait, in seconds.
const LEADER_WAIT_BUCKETS: [f64; 8] = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];

/// From a replica that is there within a round trip to the longest wait that can be set, in seconds.
const REPLICA_WAIT_BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0];

/// What is counted of the servers of PostgreSQL.
pub struct ClusterMetrics {
    /// 1 as long as there is a server that takes changes.
    pub leader_known: Gauge,
    /// Its timeline.
    pub leader_timeline: Gauge,
    /// Changes of the leader's timeline.
    pub failovers: Counter,
    /// How far the replica is behind the leader.
    pub replica_lag: Gauge<f64, AtomicU64>,
    /// Reads that were sent again, to another server or on another connection.
    pub read_retries: Counter,
    /// Sessions that were looked up on a replica.
    pub sessions_from_replica: Counter,
    /// How long queries have waited for replicas.
    pub replica_wait: Histogram,
    /// Queries that were read from the leader, since no replica had come far enough.
    pub leader_fallbacks: Counter,
    /// Answers that may lack the session's last changes.
    pub stale_answers: Counter,
    /// How long mutations have waited for a leader.
    pub mutation_leader_wait: Histogram,
    /// Mutations that were sent again.
    pub mutations_repeated: Counter,
    /// Mutations of which nobody knows whether they were done.
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
        registry.register("leader_known", "Whether there is a database that takes changes", self.leader_known.clone());
        registry.register("leader_timeline", "The leader's timeline", self.leader_timeline.clone());
        registry.register("failovers", "Changes of the leader's timeline", self.failovers.clone());
        let about = "How long ago the leader was where the replica is; 60 if longer";
        registry.register_with_unit("replica_lag", about, Unit::Seconds, self.replica_lag.clone());
        registry.register(
            "read_retries",
            "Reads that were sent once more, elsewhere if possible",
            self.read_retries.clone(),
        );
        let about = "Sessions that were looked up on a replica, since there was no leader";
        registry.register("sessions_from_replica", about, self.sessions_from_replica.clone());
        let about = "Time that queries waited for a replica to reach what they have to see";
        registry.register_with_unit("replica_wait", about, Unit::Seconds, self.replica_wait.clone());
        let about = "Queries read from the leader, since the replicas had not reached what they have to see";
        registry.register("leader_fallbacks", about, self.leader_fallbacks.clone());
        let about = "Answers without a leader that may lack the last changes of their session";
        registry.register("stale_answers", about, self.stale_answers.clone());
        let about = "Time that mutations have waited for a database that takes changes";
        registry.register_with_unit("mutation_leader_wait", about, Unit::Seconds, self.mutation_leader_wait.clone());
        let about = "Mutations that were sent again, to another leader or on another connection";
        registry.register("mutations_repeated", about, self.mutations_repeated.clone());
        let about = "Mutations whose outcome the client was told to be unknown";
        registry.register("mutations_unknown", about, self.mutations_unknown.clone());
    }
}
