//! The report of a run as a page: one file without scripts that loads nothing.

use std::fmt::Write;

use hdrhistogram::Histogram;

use super::plot::{Axis, Series, escape, plot};
use super::report::{Latency, Report, list, ms, per_second, total};
use super::stats::Line;
use super::timeline::Second;

/// Maximum number of points of a line over time.
const POINTS_MAX: u64 = 400;
/// Number of points of a line over percentiles.
const PERCENTILE_STEPS: u32 = 120;

const STYLE: &str = include_str!("page.css");

/// The page of a report. `failure` is the reason if the run has failed.
pub fn page(report: &Report, failure: Option<&str>) -> String {
    let (class, verdict) = if failure.is_some() { ("fail", "FAIL") } else { ("pass", "PASS") };
    let (run, why) = (escape(&report.run), escape(failure.unwrap_or_default()));
    let lines: Vec<_> = report.lines.iter().filter(|line| line.done + line.failed() > 0).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{verdict}: load {run}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1><span class=\"{class}\">{verdict}</span> Load {run}</h1>\n<p>{why}</p>\n{}{}{}{}</main>\n</body>\n</html>\n",
        table(report, &lines),
        percentiles(&lines),
        over_time(&report.seconds),
        facts(report),
    )
}

fn table(report: &Report, lines: &[&Line]) -> String {
    let mut rows = String::new();
    let total = total(&report.lines);
    let total = total.as_ref().map(|total| ("all", total));
    for (name, line) in lines.iter().map(|line| (line.action.name(), *line)).chain(total) {
        let Latency { p50, p95, p99, max, .. } = Latency::of(&line.micros);
        let rate = per_second(line.done, report.elapsed);
        // Writing to a string cannot fail.
        let _ = writeln!(
            rows,
            "<tr><th>{name}<td>{}<td>{rate:.1}<td>{p50:.1}<td>{p95:.1}<td>{p99:.1}<td>{max:.1}<td>{}",
            line.done,
            escape(&list(&line.errors))
        );
    }
    format!(
        "<div class=\"wide\"><table>\n<tr><th>action<th>done<th>per s<th>p50, ms<th>p95, ms<th>p99, ms<th>max, ms\
         <th>errors\n{rows}</table></div>\n"
    )
}

/// Latency by percentile, one line per action. The scale stretches the percentiles close to 100.
fn percentiles(lines: &[&Line]) -> String {
    let nines = |micros: &Histogram<u64>| (micros.len().max(10) as f64).log10();
    let most = lines.iter().map(|line| nines(&line.micros)).fold(1.0, f64::max).min(5.0);
    let series: Vec<_> = lines
        .iter()
        .map(|line| {
            let last = nines(&line.micros).min(most);
            let position = |step| last * f64::from(step) / f64::from(PERCENTILE_STEPS);
            let value = |position: f64| ms(line.micros.value_at_quantile(1.0 - 10_f64.powf(-position)));
            let points = (0..=PERCENTILE_STEPS).map(|step| (position(step), value(position(step)))).collect();
            Series { name: line.action.name().to_owned(), points }
        })
        .collect();
    let marks = [
        (0.0, "0"),
        (0.5_f64, "50"),
        (0.9, "90"),
        (0.99, "99"),
        (0.999, "99.9"),
        (0.9999, "99.99"),
        (0.99999, "99.999"),
    ];
    let marks = marks.into_iter().map(|(quantile, label)| (-(1.0 - quantile).log10(), label.to_owned()));
    let x = Axis::with_ticks(
        "percentile of actions, %",
        most,
        marks.filter(|(position, _)| *position <= most + 0.01).collect(),
    );
    let caption = "The maximum latency of the fastest given percentage of actions, by kind.";
    plot("Latency by percentile", caption, &x, &latency_axis(&series), &series)
}

/// Latency and rates over the run.
fn over_time(seconds: &[Second]) -> String {
    let last = seconds.last().map_or(0, |second| second.number);
    let width = (last + 1).div_ceil(POINTS_MAX);
    let of = |number: u64| {
        let range = seconds.partition_point(|second| second.number < number)
            ..seconds.partition_point(|second| second.number < number + width);
        &seconds[range]
    };
    let starts: Vec<u64> = (0..=last).step_by(usize::try_from(width).unwrap_or(1)).collect();
    let latency = |name: &str, quantile: fn(&Second) -> u64| {
        let highest = |start: &u64| of(*start).iter().map(quantile).max().map(|micros| (*start as f64, ms(micros)));
        Series { name: name.to_owned(), points: starts.iter().filter_map(highest).collect() }
    };
    let rate = |name: &str, count: fn(&Second) -> u64| {
        let mean = |start: &u64| of(*start).iter().map(count).sum::<u64>() as f64 / width as f64;
        Series { name: name.to_owned(), points: starts.iter().map(|start| (*start as f64, mean(start))).collect() }
    };
    let latencies = [latency("p99", |it| it.p99), latency("p95", |it| it.p95), latency("p50", |it| it.p50)];
    let rates = [rate("failed", |it| it.failed), rate("done", |it| it.done)];
    let x = Axis::linear("seconds since the run began", last as f64);
    let (each, highest) = match width {
        1 => ("second".to_owned(), ""),
        _ => (format!("{width} seconds"), "; the highest of these seconds"),
    };
    let caption = format!("Of all actions that ended in each {each}{highest}.");
    let mut text = plot("Latency over time", &caption, &x, &latency_axis(&latencies), &latencies);
    let most = rates.iter().flat_map(|series| &series.points).map(|(_, rate)| *rate).fold(0.0, f64::max);
    let caption = format!("The mean of each {each}.");
    text += &plot("Actions per second", &caption, &x, &Axis::linear("actions per second", most), &rates);
    text
}

fn latency_axis(series: &[Series]) -> Axis {
    let values = || series.iter().flat_map(|series| &series.points).map(|(_, value)| *value);
    Axis::log("latency, ms", values().fold(f64::INFINITY, f64::min).min(1e6), values().fold(0.0, f64::max))
}

/// The facts below the table.
fn facts(report: &Report) -> String {
    format!("<h2>Details</h2>\n<pre>{}</pre>\n", escape(report.notes().trim()))
}
