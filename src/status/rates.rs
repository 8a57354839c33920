//! Finds faults in the operations of the last minute. Counters start at 0 with each server, so their differences count.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::document::InstanceReport;
use super::judge::Finding;

/// The period that is judged.
const WINDOW: Duration = Duration::from_secs(60);

/// How long a server must be watched first.
const WATCHED_MIN: Duration = Duration::from_secs(30);

/// The minimum number of operations for a meaningful share.
const OPERATIONS_MIN: f64 = 20.0;

/// The maximum percentage of failed operations.
const FAILED_MAX: f64 = 5.0;

/// The maximum percentage of operations that take more than a second.
const SLOW_MAX: f64 = 1.0;

/// The counts of each server in the last minute, oldest first.
#[derive(Debug, Default)]
pub(super) struct Rates(HashMap<String, VecDeque<Sample>>);

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    operations: f64,
    failures: f64,
    slow: f64,
}

impl Rates {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Judges the operations since earlier looks.
    pub(super) fn judge(&mut self, instances: &[InstanceReport], now: Instant, found: &mut Vec<Finding>) {
        for instance in instances {
            let samples = self.0.entry(instance.name.clone()).or_default();
            let &InstanceReport { operations, failures, slow_operations: slow, .. } = instance;
            if instance.readiness.is_none() {
                samples.clear();
                continue;
            }
            // A restarted server counts from 0 again.
            if samples.back().is_some_and(|last| last.operations > operations || last.failures > failures) {
                samples.clear();
            }
            samples.push_back(Sample { at: now, operations, failures, slow });
            while samples.front().is_some_and(|oldest| now.duration_since(oldest.at) > WINDOW) {
                samples.pop_front();
            }
            if let Some(oldest) = samples.front().filter(|oldest| now.duration_since(oldest.at) >= WATCHED_MIN) {
                let done = (operations - oldest.operations).max(failures - oldest.failures);
                let share = |count: f64| if done < OPERATIONS_MIN { 0.0 } else { 100.0 * count / done };
                judge_shares(&instance.name, share(failures - oldest.failures), share(slow - oldest.slow), found);
            }
        }
    }
}

/// Judges the percentages of operations that failed, and that took more than a second.
fn judge_shares(name: &str, failed: f64, slow: f64, found: &mut Vec<Finding>) {
    if failed > FAILED_MAX {
        let text = format!("{failed:.0} % of the operations of {name} failed in the last minute.");
        let effect = "Clients get INTERNAL, UNAVAILABLE or TIMEOUT.";
        found.push(Finding::critical("ErrorRateHigh", text, effect).of(name));
    }
    if slow > SLOW_MAX {
        let text = format!("{slow:.0} % of the operations of {name} took more than a second in the last minute.");
        found.push(Finding::warning("OperationsSlow", text, "Clients wait for their responses.").of(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the findings after `seconds`.
    fn after(rates: &mut Rates, start: Instant, seconds: u64, counts: (f64, f64, f64)) -> Vec<&'static str> {
        let (operations, failures, slow_operations) = counts;
        let readiness = (operations + failures >= 0.0).then(|| "full".to_owned());
        let name = "k1".to_owned();
        let instance =
            InstanceReport { name, readiness, operations, failures, slow_operations, ..InstanceReport::default() };
        let mut found = Vec::new();
        rates.judge(&[instance], start + Duration::from_secs(seconds), &mut found);
        found.iter().map(|finding| finding.name).collect()
    }

    #[test]
    fn shares_of_the_last_minute_count() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        let mut at = |seconds, counts| after(&mut rates, start, seconds, counts);
        assert!(at(0, (1000.0, 500.0, 500.0)).is_empty(), "what was before does not count");
        assert!(at(29, (1100.0, 600.0, 600.0)).is_empty(), "too early");
        assert_eq!(at(30, (1100.0, 600.0, 600.0)), ["ErrorRateHigh", "OperationsSlow"]);
        assert!(at(80, (1200.0, 600.0, 600.0)).is_empty(), "the first minute is over");
        assert!(at(110, (1300.0, 605.0, 601.0)).is_empty(), "5 % and 1 % may be");
        assert_eq!(at(111, (1300.0, 606.0, 602.0)), ["ErrorRateHigh", "OperationsSlow"]);
        assert!(at(150, (0.0, 0.0, 0.0)).is_empty(), "restarted");
        assert!(at(180, (19.0, 19.0, 19.0)).is_empty(), "too few");
        assert_eq!(at(181, (0.0, 20.0, 0.0)), [""; 0], "restarted again");
        assert_eq!(at(211, (0.0, 40.0, 0.0)), ["ErrorRateHigh"], "what is refused before it is executed fails too");
        assert!(at(220, (-1.0, 0.0, 0.0)).is_empty(), "silent");
        assert!(at(230, (1000.0, 500.0, 500.0)).is_empty());
        assert!(at(260, (1100.0, 500.0, 500.0)).is_empty(), "what was before the silence does not count");
    }
}
