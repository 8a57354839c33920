//! The queue of changes while no server accepts them, such as during a switchover.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use request::error::{ApiError, ApiResult};
use request::quota::{Quota, QuotaNames};
use telemetry::metrics;
use tokio::time::timeout;

use super::cluster::Cluster;
use super::place::silence;

/// How long changes wait for a leader, and how many at most.
#[derive(Clone, Copy, Debug)]
pub struct LeaderWait {
    /// The time from the start of the request.
    pub time_max: Duration,
    /// The maximum number of waiting changes.
    pub waiting_max: u64,
    /// The same for one client's network address.
    pub waiting_max_per_client: u64,
}

impl LeaderWait {
    /// Changes do not wait.
    pub const NONE: Self = Self { time_max: Duration::ZERO, waiting_max: 0, waiting_max_per_client: 0 };
}

/// The names of the queue's limits.
const SLOTS: QuotaNames = QuotaNames {
    limit: "leader-waiting",
    limit_per_client: "leader-waiting-per-client",
    held: "changes are waiting for a leader",
    retry_after_s: 1,
};

/// Changes that wait for a leader. They hold no connection, no turn and no lock. Cloning is cheap; clones share the
/// queue.
#[derive(Clone, Debug)]
pub struct LeaderQueue {
    cluster: Cluster,
    time_max: Duration,
    slots: Arc<Quota>,
}

impl LeaderQueue {
    pub(super) fn new(cluster: Cluster, settings: LeaderWait) -> Self {
        let slots = Quota::new(SLOTS, settings.waiting_max, settings.waiting_max_per_client);
        Self { cluster, time_max: settings.time_max, slots }
    }

    /// Waits until a leader is seen, for a request of this client that began at this time. Returns whether there is
    /// one. If not, the request has waited as long as it may.
    ///
    /// # Errors
    /// Too many changes are waiting already.
    pub async fn wait(&self, client: IpAddr, began: Instant) -> ApiResult<bool> {
        let left = self.time_max.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Ok(false);
        }
        let Ok(_slot) = self.slots.take(client, 1).inspect_err(|full| metrics::count_limit(full.limit())) else {
            return Err(ApiError::Busy("too many changes are waiting for a leader"));
        };
        let started = Instant::now();
        let is_found = timeout(left, self.cluster.wait_for_leader()).await.is_ok();
        metrics::cluster().mutation_leader_wait.observe(started.elapsed().as_secs_f64());
        Ok(is_found)
    }

    /// Waits if there is no leader.
    ///
    /// # Errors
    /// No leader appeared in time, or too many changes are waiting already.
    pub async fn pass(&self, client: IpAddr, began: Instant) -> ApiResult<()> {
        if !self.cluster.is_leader_away() || self.wait(client, began).await? {
            return Ok(());
        }
        Err(silence().into())
    }
}
