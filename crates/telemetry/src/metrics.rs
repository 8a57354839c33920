//! The process's metrics, for Prometheus. Code counts its events here; values that are only looked up (pools, memory)
//! are read on each scrape. `http` serves the text.
//!
//! The counters belong to the process, so that counting needs no handle.

mod cluster;
mod feed;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::{LazyLock, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

pub use self::cluster::ClusterMetrics;
pub use self::feed::FeedMetrics;

/// The media type of [`render`]'s text. Prometheus prefers it.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The number of operation names with their own series. Clients choose names, and every name costs Prometheus memory:
/// later ones are counted together, as `other`.
pub const OPERATIONS_MAX: usize = 64;

type Label<V> = [(&'static str, V); 1];
type Histograms = Family<Label<String>, Histogram, fn() -> Histogram>;

struct Metrics {
    registry: Registry,
    operations: Histograms,
    operation_names: RwLock<HashSet<String>>,
    errors: Family<Label<String>, Counter>,
    requests: Family<[(&'static str, String); 2], Counter>,
    in_flight: Gauge,
    limits_hit: Family<Label<String>, Counter>,
    refused: Counter,
    documents_found: Counter,
    documents_missed: Counter,
    documents_bytes: Gauge,
    sockets_open: Family<Label<&'static str>, Gauge>,
    sockets_closed: Family<[(&'static str, String); 2], Counter>,
    subscriptions: Gauge,
    results_sent: Counter,
    statements: Histogram,
    statements_failed: Counter,
    log_lines_dropped: Counter,
    feed: FeedMetrics,
    cluster: ClusterMetrics,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// From a cached response to one that nobody waits for, in seconds.
const OPERATION_BUCKETS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// From a look-up by key to a full scan, in seconds.
const STATEMENT_BUCKETS: [f64; 11] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 1.0, 10.0];

impl Metrics {
    fn new() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("kinoteka"),
            operations: Histograms::new_with_constructor(|| Histogram::new(OPERATION_BUCKETS)),
            operation_names: RwLock::default(),
            errors: Family::default(),
            requests: Family::default(),
            in_flight: Gauge::default(),
            limits_hit: Family::default(),
            refused: Counter::default(),
            documents_found: Counter::default(),
            documents_missed: Counter::default(),
            documents_bytes: Gauge::default(),
            sockets_open: Family::default(),
            sockets_closed: Family::default(),
            subscriptions: Gauge::default(),
            results_sent: Counter::default(),
            statements: Histogram::new(STATEMENT_BUCKETS),
            statements_failed: Counter::default(),
            log_lines_dropped: Counter::default(),
            feed: FeedMetrics::default(),
            cluster: ClusterMetrics::default(),
        };
        metrics.register()
    }

    fn register(mut self) -> Self {
        self.register_transport();
        self.register_streams();
        self.feed.register(&mut self.registry);
        self.cluster.register(&mut self.registry);
        let registry = &mut self.registry;
        registry.register_with_unit(
            "operation_duration",
            "Time to execute a GraphQL operation, by its name",
            Unit::Seconds,
            self.operations.clone(),
        );
        registry.register("errors", "Errors in GraphQL responses, by extensions.code", self.errors.clone());
        registry.register_with_unit(
            "statement_duration",
            "Time of an SQL statement, without the wait for a connection",
            Unit::Seconds,
            self.statements.clone(),
        );
        registry.register("statements_failed", "SQL statements that failed", self.statements_failed.clone());
        let dropped = self.log_lines_dropped.clone();
        registry.register("log_lines_dropped", "Log lines that were dropped because nobody read them in time", dropped);
        self
    }

    fn register_transport(&mut self) {
        let registry = &mut self.registry;
        registry.register("http_requests", "HTTP requests with a response, by path and status", self.requests.clone());
        registry.register("http_requests_in_flight", "HTTP requests in flight", self.in_flight.clone());
        registry.register(
            "limits_hit",
            "Refusals and disconnections caused by a limit, by its flag",
            self.limits_hit.clone(),
        );
        registry.register(
            "requests_refused",
            "Requests refused for lack of capacity, status 503",
            self.refused.clone(),
        );
        let (found, missed) = (self.documents_found.clone(), self.documents_missed.clone());
        registry.register("document_cache_hits", "Documents found in the cache", found);
        registry.register("document_cache_misses", "Documents not found in the cache", missed);
        let bytes = self.documents_bytes.clone();
        registry.register_with_unit("document_cache", "Estimated memory of cached documents", Unit::Bytes, bytes);
    }

    fn register_streams(&mut self) {
        let registry = &mut self.registry;
        registry.register("sockets_open", "Open WebSockets and event streams, by kind", self.sockets_open.clone());
        let closed = self.sockets_closed.clone();
        registry.register("sockets_closed", "Ended WebSockets and event streams, by kind and end", closed);
        registry.register("subscriptions_open", "Open subscriptions", self.subscriptions.clone());
        let sent = self.results_sent.clone();
        registry.register("results_sent", "Results sent over WebSockets and event streams", sent);
    }

    /// Whether the operation is one of the first [`OPERATIONS_MAX`].
    fn admits(&self, name: &str) -> bool {
        let names = self.operation_names.read().unwrap_or_else(PoisonError::into_inner);
        if names.contains(name) || names.len() >= OPERATIONS_MAX {
            return names.contains(name);
        }
        drop(names);
        let mut names = self.operation_names.write().unwrap_or_else(PoisonError::into_inner);
        // Another request may have taken the last slot meanwhile.
        names.contains(name) || (names.len() < OPERATIONS_MAX && names.insert(name.to_owned()))
    }
}

/// The metrics of the PostgreSQL servers.
pub fn cluster() -> &'static ClusterMetrics {
    &METRICS.cluster
}

/// The metrics of the comment feed.
pub fn feed() -> &'static FeedMetrics {
    &METRICS.feed
}

/// The program's version and commit.
static BUILD: OnceLock<[(&str, &str); 2]> = OnceLock::new();

/// Sets the program's version and commit. A later call does nothing.
pub fn set_build(version: &'static str, commit: &'static str) {
    let _ = BUILD.set([("version", version), ("commit", commit)]);
}

/// Counts an executed operation.
pub fn count_operation(name: Option<&str>, duration: Duration) {
    let name = match name {
        Some(name) if METRICS.admits(name) => name,
        Some(_) => "other",
        None => "anonymous",
    };
    METRICS.operations.get_or_create(&[("operation", name.to_owned())]).observe(duration.as_secs_f64());
}

/// Counts an error in a GraphQL response. Codes are the server's own, so their number is bounded.
pub fn count_error(code: &str) {
    METRICS.errors.get_or_create(&[("code", code.to_owned())]).inc();
    crate::note_error(code);
}

/// Counts a refusal or an end caused by a limit. `name` is the flag's.
pub fn count_limit(name: &str) {
    METRICS.limits_hit.get_or_create(&[("limit", name.to_owned())]).inc();
}

/// Counts a request that is refused for lack of capacity.
pub fn count_refused() {
    METRICS.refused.inc();
}

/// Counts a look-up of a parsed document.
pub fn count_document(found: bool) {
    if found {
        METRICS.documents_found.inc()
    } else {
        METRICS.documents_missed.inc()
    };
}

/// Sets the memory of cached documents.
pub fn note_documents(bytes: u64) {
    METRICS.documents_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
}

/// Counts an SQL statement that got a connection.
pub fn count_statement(duration: Duration, failed: bool) {
    METRICS.statements.observe(duration.as_secs_f64());
    if failed {
        METRICS.statements_failed.inc();
    }
}

/// Counts lines of the log that were not written.
pub fn count_log_lines_dropped(lines: u64) {
    METRICS.log_lines_dropped.inc_by(lines);
}

/// A request in flight. It is counted on drop.
#[derive(Debug)]
pub struct InFlight {
    path: &'static str,
    /// The status of the response, when known.
    pub status: u16,
}

impl InFlight {
    /// Begins a request. `status` is the default if nothing sets another one: the client has left.
    pub fn begin(path: &'static str, status: u16) -> Self {
        METRICS.in_flight.inc();
        Self { path, status }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        METRICS.in_flight.dec();
        let labels = [("path", self.path.to_owned()), ("status", self.status.to_string())];
        METRICS.requests.get_or_create(&labels).inc();
    }
}

/// An open WebSocket or event stream.
#[derive(Debug)]
pub struct OpenSocket {
    kind: &'static str,
    /// How it ends. The default is that the client leaves.
    pub end: Cow<'static, str>,
}

impl OpenSocket {
    /// Opens one of a kind.
    pub fn begin(kind: &'static str) -> Self {
        METRICS.sockets_open.get_or_create(&[("kind", kind)]).inc();
        Self { kind, end: Cow::Borrowed("client") }
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        METRICS.sockets_open.get_or_create(&[("kind", self.kind)]).dec();
        let labels = [("kind", self.kind.to_owned()), ("end", self.end.to_string())];
        METRICS.sockets_closed.get_or_create(&labels).inc();
    }
}

/// An active subscription.
#[derive(Debug)]
pub struct ListeningGuard(());

impl ListeningGuard {
    /// Begins to listen.
    pub fn begin() -> Self {
        METRICS.subscriptions.inc();
        Self(())
    }
}

impl Drop for ListeningGuard {
    fn drop(&mut self) {
        METRICS.subscriptions.dec();
    }
}

/// Counts a result that is sent over a WebSocket or an event stream.
pub fn count_result() {
    METRICS.results_sent.inc();
}

/// The current use of a pool of database connections.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// Its name: `read` or `write`.
    pub name: &'static str,
    /// The maximum number of connections.
    pub max: u32,
    /// Open connections.
    pub open: u32,
    /// Open connections that are in use.
    pub in_use: u32,
}

/// All metrics, with the state of the pools and the process, as OpenMetrics text.
///
/// # Errors
/// None in practice: a `String` accepts any text.
pub fn render(pools: impl IntoIterator<Item = Pool>) -> Result<String, fmt::Error> {
    let mut looked_up = Registry::default();
    if let Some(build) = BUILD.get() {
        looked_up.sub_registry_with_prefix("kinoteka").register("build", "The program", Info::new(*build));
    }
    register_pools(looked_up.sub_registry_with_prefix("kinoteka"), pools);
    register_process(&mut looked_up);
    let mut text = String::new();
    encode_registry(&mut text, &METRICS.registry)?;
    encode_registry(&mut text, &looked_up)?;
    encode_eof(&mut text)?;
    Ok(text)
}

fn register_pools(registry: &mut Registry, pools: impl IntoIterator<Item = Pool>) {
    let [max, open, in_use] = [(); 3].map(|()| Family::<Label<&'static str>, Gauge>::default());
    for pool in pools {
        let label = [("pool", pool.name)];
        max.get_or_create(&label).set(pool.max.into());
        open.get_or_create(&label).set(pool.open.into());
        in_use.get_or_create(&label).set(pool.in_use.into());
    }
    registry.register("pool_connections_max", "Maximum number of database connections, by pool", max);
    registry.register("pool_connections_open", "Open database connections, by pool", open);
    registry.register("pool_connections_in_use", "Database connections in use, by pool", in_use);
}

/// With the names that all Prometheus clients use. Values that the operating system does not provide are omitted.
fn register_process(registry: &mut Registry) {
    let process = metrics_process::collector::collect();
    if let Some(started) = process.start_time_seconds.map(ConstGauge::new) {
        let about = "When the process started, in Unix time";
        registry.register_with_unit("process_start_time", about, Unit::Seconds, started);
    }
    if let Some(cpu) = process.cpu_seconds_total.map(ConstCounter::new) {
        registry.register_with_unit("process_cpu", "CPU time of the process", Unit::Seconds, cpu);
    }
    if let Some(bytes) = process.resident_memory_bytes.map(ConstGauge::new) {
        registry.register_with_unit("process_resident_memory", "Memory in RAM", Unit::Bytes, bytes);
    }
    if let Some(open) = process.open_fds.map(ConstGauge::new) {
        registry.register("process_open_fds", "Open file descriptors", open);
    }
    // The library's 0 means "no limit".
    if let Some(max) = process.max_fds.filter(|max| *max > 0).map(ConstGauge::new) {
        registry.register("process_max_fds", "Maximum number of open file descriptors", max);
    }
}
