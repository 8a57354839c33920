//! What API servers report about themselves: `/readyz` and `/metrics`.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use url::Url;

use super::document::{FeedReport, InstanceReport, PoolReport};
use super::fetch::{Fetch, below};
use crate::http::Status;

/// Codes of errors that are not the client's fault, as in the alert ErrorRateHigh.
const FAILURES: [&str; 3] = ["INTERNAL", "UNAVAILABLE", "TIMEOUT"];

/// The servers to query.
#[derive(Clone)]
pub enum InstanceSources {
    /// These, over HTTP.
    At(Vec<Url>),
    /// This process, with this name.
    Own(String, Arc<dyn Status>),
}

impl std::fmt::Debug for InstanceSources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::At(addresses) => f.debug_list().entries(addresses.iter().map(Url::as_str)).finish(),
            Self::Own(name, _) => f.debug_tuple("Own").field(name).finish(),
        }
    }
}

/// Queries all of them concurrently.
pub(super) async fn ask(fetch: &Fetch, sources: &InstanceSources) -> Vec<InstanceReport> {
    match sources {
        InstanceSources::At(addresses) => join_all(addresses.iter().map(|address| ask_one(fetch, address))).await,
        InstanceSources::Own(name, status) => {
            vec![read(name, &status.ready().to_string(), &status.metrics().unwrap_or_default())]
        }
    }
}

async fn ask_one(fetch: &Fetch, address: &Url) -> InstanceReport {
    let name = address.as_str().trim_end_matches('/').trim_start_matches("http://").to_owned();
    let asked = tokio::join!(fetch.get(below(address, "readyz")), fetch.get(below(address, "metrics")));
    let (ready, metrics) = match asked {
        (Ok(ready), Ok(metrics)) => (ready, metrics),
        (Err(reason), _) | (_, Err(reason)) => {
            return InstanceReport { name, reason: Some(reason), ..InstanceReport::default() };
        }
    };
    if metrics.status != 200 {
        let reason = format!("no /metrics there (status {}): name its --metrics-listen", metrics.status);
        return InstanceReport { name, reason: Some(reason), ..InstanceReport::default() };
    }
    read(&name, &String::from_utf8_lossy(&ready.body), &String::from_utf8_lossy(&metrics.body))
}

/// A server's report, from the line of `/readyz` (the state and its reason) and the text of `/metrics`.
fn read(name: &str, ready: &str, metrics: &str) -> InstanceReport {
    let (state, reason) = match ready.trim().split_once(": ") {
        Some((state, reason)) => (state, Some(reason.to_owned())),
        None => (ready.trim(), None),
    };
    let known = matches!(state, "full" | "read-only" | "down");
    let metrics = Metrics::read(metrics);
    // Only PostgreSQL has a pool for sessions.
    let is_postgres = metrics.of("kinoteka_pool_connections_max").any(|(labels, _)| labels.contains("\"sessions\""));
    let on_postgres = |value: Option<f64>| value.filter(|_| is_postgres);
    InstanceReport {
        name: name.to_owned(),
        readiness: known.then(|| state.to_owned()),
        reason: if known { reason } else { Some("its /readyz is not Kinoteka's".to_owned()) },
        version: metrics.of("kinoteka_build_info").find_map(|(labels, _)| label(labels, "version")).map(str::to_owned),
        database: Some(if is_postgres { "PostgreSQL" } else { "SQLite" }),
        started_s: metrics.one("process_start_time_seconds"),
        memory_bytes: metrics.one("process_resident_memory_bytes"),
        is_leader_known: on_postgres(metrics.one("kinoteka_leader_known")).map(|known| known > 0.0),
        timeline: on_postgres(metrics.one("kinoteka_leader_timeline")).map(|timeline| timeline as i64),
        replica_lag_s: on_postgres(metrics.one("kinoteka_replica_lag_seconds")),
        operations: metrics.sum("kinoteka_operation_duration_seconds_count"),
        operations_s: metrics.sum("kinoteka_operation_duration_seconds_sum"),
        errors: metrics.sum("kinoteka_errors_total"),
        failures: add(FAILURES.iter().map(|code| (*code, metrics.sum_where("kinoteka_errors_total", "code", code)))),
        slow_operations: metrics.sum("kinoteka_operation_duration_seconds_count")
            - metrics.sum_where("kinoteka_operation_duration_seconds_bucket", "le", "1.0"),
        requests_in_flight: metrics.sum("kinoteka_http_requests_in_flight"),
        feed: metrics.one("kinoteka_feed_connected").map(|connected| FeedReport {
            is_connected: connected > 0.0,
            polls: metrics.sum("kinoteka_feed_polls_total"),
            is_by_tick: metrics.sum("kinoteka_feed_by_tick") > 0.0,
            listeners: metrics.sum("kinoteka_feed_listeners"),
            deliveries: metrics.sum("kinoteka_feed_deliveries_total"),
            held_back_s: metrics.sum("kinoteka_feed_horizon_age_seconds"),
        }),
        pools: pools(&metrics),
    }
}

fn pools(metrics: &Metrics<'_>) -> Vec<PoolReport> {
    let of = |what: &str, pool: &str| {
        metrics.of(what).find(|(labels, _)| label(labels, "pool") == Some(pool)).map_or(0.0, |(_, value)| value)
    };
    let names = metrics.of("kinoteka_pool_connections_max").filter_map(|(labels, _)| label(labels, "pool"));
    let mut pools: Vec<_> = names
        .map(|name| PoolReport {
            name: name.to_owned(),
            max: of("kinoteka_pool_connections_max", name),
            open: of("kinoteka_pool_connections_open", name),
            in_use: of("kinoteka_pool_connections_in_use", name),
        })
        .collect();
    pools.sort_by(|one, other| one.name.cmp(&other.name));
    pools
}

/// The samples of an OpenMetrics text by name, each with its raw labels.
struct Metrics<'t>(BTreeMap<&'t str, Vec<(&'t str, f64)>>);

impl<'t> Metrics<'t> {
    fn read(text: &'t str) -> Self {
        let mut samples: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            // A label may have spaces, but a value has none, and our servers write no timestamps.
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse() else { continue };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            samples.entry(name).or_default().push((labels, value));
        }
        Self(samples)
    }

    fn of(&self, name: &str) -> impl Iterator<Item = (&'t str, f64)> {
        self.0.get(name).into_iter().flatten().copied()
    }

    fn one(&self, name: &str) -> Option<f64> {
        self.of(name).next().map(|(_, value)| value)
    }

    fn sum_where(&self, name: &str, key: &str, value: &str) -> f64 {
        add(self.of(name).filter(|(labels, _)| label(labels, key) == Some(value)))
    }

    fn sum(&self, name: &str) -> f64 {
        add(self.of(name))
    }
}

/// The sum of values. `Iterator::sum` of no floats is -0, which would be shown.
fn add<'t>(samples: impl Iterator<Item = (&'t str, f64)>) -> f64 {
    samples.fold(0.0, |sum, (_, value)| sum + value)
}

/// A label whose value has no quotes, as with all labels that are read here.
fn label<'t>(labels: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = labels.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE kinoteka_errors counter
kinoteka_errors_total{code=\"INTERNAL\"} 2
kinoteka_errors_total{code=\"TIMEOUT\"} 3
kinoteka_errors_total{code=\"NOT_FOUND\"} 4
kinoteka_operation_duration_seconds_count{operation=\"Films\"} 9
kinoteka_operation_duration_seconds_bucket{le=\"1.0\",operation=\"Films\"} 7
kinoteka_operation_duration_seconds_bucket{le=\"2.5\",operation=\"Films\"} 8
kinoteka_feed_polls_total 12
kinoteka_feed_connected 1
kinoteka_feed_listeners 4
kinoteka_leader_known 1
kinoteka_leader_timeline 7
kinoteka_build_info{version=\"0.1.0\",commit=\"abc def\"} 1
kinoteka_pool_connections_max{pool=\"write\"} 8
kinoteka_pool_connections_in_use{pool=\"write\"} 5
kinoteka_pool_connections_max{pool=\"sessions\"} 3
# EOF
";

    #[test]
    fn a_server_is_read_from_its_metrics() {
        let seen = read("k1", "read-only: no database accepts changes\n", TEXT);
        assert_eq!(seen.readiness.as_deref(), Some("read-only"));
        assert_eq!(seen.reason.as_deref(), Some("no database accepts changes"));
        assert_eq!((seen.errors, seen.timeline, seen.database), (9.0, Some(7), Some("PostgreSQL")));
        assert_eq!((seen.operations, seen.failures, seen.slow_operations), (9.0, 5.0, 2.0));
        assert_eq!(seen.feed.as_ref().map(|feed| feed.polls), Some(12.0));
        assert_eq!(seen.version.as_deref(), Some("0.1.0"));
        let pools: Vec<_> = seen.pools.iter().map(|pool| (&*pool.name, pool.max, pool.in_use)).collect();
        assert_eq!(pools, [("sessions", 3.0, 0.0), ("write", 8.0, 5.0)]);
        let fresh = read("k1", "full", "kinoteka_feed_connected 1\n");
        let counts = [fresh.operations, fresh.errors, fresh.failures, fresh.slow_operations, fresh.requests_in_flight];
        assert!(counts.iter().all(|count| count.to_string() == "0"), "{counts:?}");
        let lite = read("k1", "full", &TEXT.replace("sessions", "read"));
        assert_eq!((lite.database, lite.timeline, lite.is_leader_known), (Some("SQLite"), None, None));
        let other = read("k1", "<html>", "");
        assert_eq!(other.readiness, None);
        assert!(other.reason.is_some());
    }
}
