//! Metrics of the comment feed.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// From an immediate wake-up to a database that was down, in seconds.
const DELAY_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Metrics of the comment feed.
pub struct FeedMetrics {
    /// The number of listeners.
    pub listeners: Gauge,
    /// The number of groups of listeners. Listeners of a group share the work.
    pub groups: Gauge,
    /// Listeners that were disconnected because they read too slowly.
    pub lagged: Counter,
    /// 1 while the database responds.
    pub connected: Gauge,
    looks: Counter,
    ticks: Counter,
    by_tick: Gauge,
    horizon_age: Gauge<f64, AtomicU64>,
    delay: Histogram,
    deliveries: Counter,
    /// Executions for events, one for each group.
    pub executions: Counter,
}

impl Default for FeedMetrics {
    fn default() -> Self {
        Self {
            listeners: Gauge::default(),
            groups: Gauge::default(),
            lagged: Counter::default(),
            connected: Gauge::default(),
            looks: Counter::default(),
            ticks: Counter::default(),
            by_tick: Gauge::default(),
            horizon_age: Gauge::default(),
            delay: Histogram::new(DELAY_BUCKETS),
            deliveries: Counter::default(),
            executions: Counter::default(),
        }
    }
}

impl FeedMetrics {
    /// Counts a look for new events. `waiting` is how long the first event has waited for a transaction that is still
    /// open.
    pub fn looked(&self, waiting: Duration) {
        self.looks.inc();
        self.connected.set(1);
        self.horizon_age.set(waiting.as_secs_f64());
    }

    /// Sets the order in use: `None` for that of rows, else whether this instance has made a tick.
    pub fn ticked(&self, made: Option<bool>) {
        self.by_tick.set(made.is_some().into());
        self.ticks.inc_by(made.unwrap_or_default().into());
    }

    /// Counts a result that was delivered to `listeners`, this long after its event was written.
    pub fn delivered(&self, delay: Duration, listeners: usize) {
        self.delay.observe(delay.as_secs_f64());
        self.deliveries.inc_by(u64::try_from(listeners).unwrap_or(u64::MAX));
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("feed_listeners", "Subscriptions to the feed of comments", self.listeners.clone());
        let about = "Groups of subscriptions with the same document, variables and rights";
        registry.register("feed_groups", about, self.groups.clone());
        let about = "Subscriptions that were ended because their clients read too slowly";
        registry.register("feed_listeners_lagged", about, self.lagged.clone());
        registry.register("feed_connected", "Whether the database responded to the last query", self.connected.clone());
        registry.register("feed_polls", "Looks for new events", self.looks.clone());
        registry.register("feed_ticks", "Ticks made by this instance", self.ticks.clone());
        let about = "1 if events are ordered by ticks; 0 on SQLite and before `kinoteka migrate finish`";
        registry.register("feed_by_tick", about, self.by_tick.clone());
        let about = "How long the first event has waited for an open transaction; 0 with ticks";
        registry.register_with_unit("feed_horizon_age", about, Unit::Seconds, self.horizon_age.clone());
        let about = "Time from the writing of an event to the delivery of its result to a group";
        registry.register_with_unit("feed_delivery_delay", about, Unit::Seconds, self.delay.clone());
        registry.register("feed_deliveries", "Results delivered to listeners", self.deliveries.clone());
        let about = "Executions of subscriptions, one for each event and group";
        registry.register("feed_executions", about, self.executions.clone());
    }
}
