//! The report of a run: a table during the run and at its end, and JSON.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::{Value, json};

use super::api::ReachedLimit;
use super::outages::OutageKind;
use super::paint::Paint;
use super::stats::Line;
use super::timeline::Second;
use crate::history::check::Outages;

/// Maximum number of faults in the text; JSON has all of them.
const FAULTS_SHOWN: usize = 100;

/// The results of a run.
pub struct Report {
    /// The server.
    pub url: String,
    /// The run's name, which is part of its texts' marks.
    pub run: String,
    /// The seed of the script.
    pub rng_seed: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// The numbers by action.
    pub lines: Vec<Line>,
    /// The numbers by second, if they are plotted.
    pub seconds: Vec<Second>,
    /// The message of the first error of each code.
    pub examples: BTreeMap<String, String>,
    /// The number of retries, and their reasons.
    pub retries: (u64, BTreeMap<String, u64>),
    /// The server's limits that have refused requests, by the names of their flags.
    pub limits: BTreeMap<String, ReachedLimit>,
    /// How often no server responded, and for how long.
    pub silence: Outages,
    /// The outages by kind of operation.
    pub outages: BTreeMap<OutageKind, Outages>,
    /// The results of the listeners.
    pub listeners: Option<ListenersReport>,
    /// The requested rate, and how far behind the load ended.
    pub rate: Option<(f64, Duration)>,
    /// The number of things read back, if requested.
    pub read_back: Option<u64>,
    /// The faults that listeners and reading back have found, one sentence each.
    pub faults: Vec<String>,
}

/// The results of the listeners.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ListenersReport {
    /// The number of listeners.
    pub count: usize,
    /// The number of events.
    pub events: u64,
    /// The number of connections.
    pub connections: u64,
    /// How often a listener started at a new cursor because its own had expired.
    pub restarts: u64,
}

/// The numbers of one action, or of all.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActionReport {
    action: String,
    done: u64,
    skipped: u64,
    errors: BTreeMap<String, u64>,
    per_second: f64,
    latency_ms: Latency,
    /// Each recorded time in microseconds, to three digits, and its count.
    histogram_micros: Vec<(u64, u64)>,
}

/// The latency of actions in milliseconds.
#[derive(Serialize)]
pub(super) struct Latency {
    pub(super) mean: f64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

impl Latency {
    pub(super) fn of(micros: &Histogram<u64>) -> Self {
        let at = |quantile| ms(micros.value_at_quantile(quantile));
        Self {
            mean: (micros.mean() / 10.0).round() / 100.0,
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: ms(micros.max()),
        }
    }
}

/// Microseconds as milliseconds, rounded to hundredths.
pub(super) fn ms(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64().mul_add(100_000.0, 0.5).floor() / 100.0
}

impl ActionReport {
    fn of(line: &Line, name: &str, elapsed: Duration) -> Self {
        Self {
            action: name.to_owned(),
            done: line.done,
            skipped: line.skipped,
            errors: line.errors.clone(),
            per_second: (per_second(line.done, elapsed) * 100.0).round() / 100.0,
            latency_ms: Latency::of(&line.micros),
            histogram_micros: line
                .micros
                .iter_recorded()
                .map(|step| (step.value_iterated_to(), step.count_at_value()))
                .collect(),
        }
    }
}

pub(super) fn per_second(count: u64, elapsed: Duration) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from) / elapsed.as_secs_f64().max(0.001)
}

/// All lines as one.
pub(super) fn total(lines: &[Line]) -> Option<Line> {
    let mut lines = lines.iter();
    let mut total = lines.next()?.clone();
    for line in lines {
        total.done += line.done;
        total.skipped += line.skipped;
        for (code, count) in &line.errors {
            *total.errors.entry(code.clone()).or_default() += count;
        }
        // The histograms have the same bounds.
        let _ = total.micros.add(&line.micros);
    }
    Some(total)
}

pub(super) fn list(counts: &BTreeMap<String, u64>) -> String {
    let counts: Vec<_> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
    counts.join(", ")
}

/// The totals as one line.
pub fn progress(lines: &[Line], elapsed: Duration) -> String {
    let Some(total) = total(lines) else { return String::new() };
    let (latency, failed) = (Latency::of(&total.micros), total.failed());
    let rate = per_second(total.done, elapsed);
    format!(
        "{:.0} s: {} done, {failed} failed, {rate:.1}/s, p50 {} ms, p95 {} ms, p99 {} ms",
        elapsed.as_secs_f64(),
        total.done,
        latency.p50,
        latency.p95,
        latency.p99
    )
}

/// The numbers by action, as a table.
pub fn table(lines: &[Line], elapsed: Duration, paint: Paint) -> String {
    let heading = format!(
        "{:<20} {:>8} {:>8} {:>9} {:>9} {:>9} {:>9}  errors",
        "action", "done", "per s", "p50 ms", "p95 ms", "p99 ms", "max ms"
    );
    let mut text = paint.bold(&heading) + "\n";
    let total = total(lines);
    let rows = lines.iter().map(|line| (line.action.name(), line)).chain(total.as_ref().map(|total| ("all", total)));
    for (name, line) in rows {
        let latency = Latency::of(&line.micros);
        let mut remarks = list(&line.errors);
        if !remarks.is_empty() {
            remarks = paint.red(&remarks);
        }
        if line.skipped > 0 {
            let separator = if remarks.is_empty() { "" } else { ", " };
            remarks += &format!("{separator}nothing to act on {}", line.skipped);
        }
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{name:<20} {:>8} {:>8.1} {:>9.1} {:>9.1} {:>9.1} {:>9.1}  {}",
            line.done,
            per_second(line.done, elapsed),
            latency.p50,
            latency.p95,
            latency.p99,
            latency.max,
            remarks
        );
    }
    text
}

impl Report {
    /// How many actions the server's limits for one client or user refused, and how many there were.
    pub fn limited(&self) -> (u64, u64) {
        let limited = self.lines.iter().filter_map(|line| line.errors.get("RATE_LIMITED")).sum();
        (limited, self.lines.iter().map(|line| line.done + line.failed()).sum())
    }

    /// How to raise these limits.
    pub fn remedy(&self) -> String {
        let flags: Vec<_> = self.limits.iter().map(|(name, met)| format!("--{name} (now {})", met.max)).collect();
        if flags.is_empty() {
            "the report has the reasons".to_owned()
        } else {
            format!("restart it with higher values of {}", flags.join(", "))
        }
    }

    /// The report as text.
    pub fn to_text(&self, paint: Paint) -> String {
        format!("\n{}{}", table(&self.lines, self.elapsed, paint), self.notes())
    }

    /// The lines below the table.
    pub fn notes(&self) -> String {
        let mut text = String::new();
        let mut line = |content: String| {
            text.push_str(&content);
            text.push('\n');
        };
        if let Some(total) = total(&self.lines) {
            let latency = Latency::of(&total.micros);
            let Latency { mean, p50, p90, p99, p999, max, .. } = latency;
            line(format!("\nall, ms: mean {mean}, p50 {p50}, p90 {p90}, p99 {p99}, p99.9 {p999}, max {max}"));
        }
        for (code, example) in &self.examples {
            line(format!("{code}, the first: {example}"));
        }
        line(format!(
            "\nrun {} of seed {}, {:.1} s at {}",
            self.run,
            self.rng_seed,
            self.elapsed.as_secs_f64(),
            self.url
        ));
        let (again, codes) = &self.retries;
        if *again > 0 {
            line(format!("{again} requests were sent again: {}", list(codes)));
        }
        for (name, ReachedLimit { refused, max }) in &self.limits {
            line(format!("the server refused {refused} requests by its --{name}, which is {max}"));
        }
        if self.silence.count > 0 {
            line(format!("no response {} times, {:.1} s in total", self.silence.count, self.silence.seconds));
        }
        for (kind, Outages { count, seconds, longest }) in self.outages.iter().filter(|(_, outages)| outages.count > 0)
        {
            let name = kind.name();
            line(format!("{name}: no success {count} times, {seconds:.1} s in total, {longest:.1} s at most"));
        }
        if let Some(ListenersReport { count, events, connections, restarts }) = self.listeners {
            let again = if restarts > 0 { format!(", restarted {restarts} times") } else { String::new() };
            line(format!("{count} listeners received {events} events over {connections} connections{again}"));
        }
        if let Some((rate, behind)) = self.rate {
            line(format!("requested rate {rate} actions/s; the load ended {:.1} s behind", behind.as_secs_f64()));
        }
        if let Some(count) = self.read_back {
            line(format!("{count} things read back, {} faults", self.faults.len()));
        }
        for fault in self.faults.iter().take(FAULTS_SHOWN) {
            line(format!("fault: {fault}"));
        }
        if let Some(more) = self.faults.len().checked_sub(FAULTS_SHOWN).filter(|more| *more > 0) {
            line(format!("{more} more faults: --json has all of them"));
        }
        text
    }

    /// The report as JSON. `failure` is the reason if the run has failed.
    pub fn to_json(&self, failure: Option<&str>) -> Value {
        let numbers = |line: &Line, name: &str| json!(ActionReport::of(line, name, self.elapsed));
        let actions: Vec<_> = self.lines.iter().map(|line| numbers(line, line.action.name())).collect();
        let (again, codes) = &self.retries;
        json!({
            "passed": failure.is_none(),
            "failure": failure,
            "url": self.url,
            "run": self.run,
            "rngSeed": self.rng_seed,
            "seconds": self.elapsed.as_secs_f64(),
            "actions": actions,
            "total": total(&self.lines).map(|line| numbers(&line, "all")),
            "examples": self.examples,
            "sentAgain": { "count": again, "codes": codes },
            "limits": self.limits,
            "outages": { "count": self.silence.count, "seconds": self.silence.seconds, "byKind": self.outages },
            "listeners": self.listeners,
            "rate": self.rate.map(|(rate, behind)| json!({ "asked": rate, "secondsBehind": behind.as_secs_f64() })),
            "readBack": self.read_back,
            "faults": self.faults,
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;
    use crate::load::act::ActionEffect;
    use crate::load::api::RequestFailure;
    use crate::load::page::page;
    use crate::load::stats::Stats;
    use crate::script::Action;

    #[test]
    fn a_report_has_the_times_and_the_errors_of_each_action() {
        let stats = Stats::new(true).unwrap();
        for ms in 1..=100 {
            stats.count(Action::RateMovie, Duration::from_millis(ms), &Ok(ActionEffect::Acted));
        }
        let refused = RequestFailure::Refused { code: "CONFLICT".to_owned(), message: "was ordered".to_owned() };
        stats.count(Action::OrderMovie, Duration::from_millis(3), &Err(refused));
        stats.count(Action::OrderMovie, Duration::from_millis(3), &Ok(ActionEffect::Skipped));
        let report = Report {
            url: "http://127.0.0.1:8000/graphql".to_owned(),
            run: "0a1b".to_owned(),
            rng_seed: 1,
            elapsed: Duration::from_secs(10),
            lines: stats.lines(),
            seconds: stats.seconds(),
            retries: (2, BTreeMap::from([("no connection".to_owned(), 2)])),
            limits: BTreeMap::from([("mutations-per-user".to_owned(), ReachedLimit { refused: 7, max: 600 })]),
            silence: Outages { count: 1, seconds: 1.5, longest: 1.5 },
            outages: BTreeMap::from([(OutageKind::Mutations, Outages { count: 2, seconds: 3.0, longest: 2.0 })]),
            listeners: Some(ListenersReport { count: 3, events: 30, connections: 3, restarts: 0 }),
            rate: Some((50.0, Duration::ZERO)),
            examples: stats.examples(),
            read_back: Some(9),
            faults: vec!["comment X is missing".to_owned(); 101],
        };
        let json = report.to_json(Some("101 faults"));
        assert_eq!((&json["passed"], &json["failure"]), (&json!(false), &json!("101 faults")));
        let of = |name: &str| json["actions"].as_array().unwrap().iter().find(|line| line["action"] == name).unwrap();
        assert_eq!(of("rate-movie")["done"], 100);
        assert!((of("rate-movie")["latencyMs"]["p95"].as_f64().unwrap() - 95.0).abs() < 0.2);
        assert_eq!(of("rate-movie")["histogramMicros"].as_array().unwrap().len(), 100);
        assert_eq!(of("order-movie")["errors"], json!({ "CONFLICT": 1 }));
        assert_eq!((&json["total"]["done"], &json["total"]["perSecond"]), (&json!(100), &json!(10.0)));
        let text = report.to_text(Paint::none());
        let parts = [
            "CONFLICT 1, nothing to act on 1",
            "CONFLICT, the first: was ordered",
            "no connection 2",
            "1.5 s in total",
            "mutations: no success 2 times, 3.0 s in total, 2.0 s at most",
            "7 requests by its --mutations-per-user, which is 600",
            "3 listeners",
            "9 things read back, 101 faults",
            "fault: comment X is missing",
            "1 more faults: --json",
        ];
        for part in parts {
            assert!(text.contains(part), "{part}: {text}");
        }
        let page = page(&report, Some("<faults> were found"));
        for part in [
            "FAIL</span> Load 0a1b",
            "&lt;faults&gt;",
            "order-movie",
            "Latency by percentile",
            "log scale",
            "99</text>",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("NaN") && !page.contains("inf") && !page.contains("<script"), "{page}");
        let line = progress(&report.lines, report.elapsed);
        assert!(line.starts_with("10 s: 100 done, 1 failed, 10.0/s, p50 "), "{line}");
    }
}
