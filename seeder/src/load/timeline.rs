//! The numbers of each second of a run, for plots.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The numbers of one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Second {
    /// Which second, from the start of the run.
    pub number: u64,
    /// How many actions were done.
    pub done: u64,
    /// How many failed.
    pub failed: u64,
    /// The median latency in microseconds.
    pub p50: u64,
    /// The 95th percentile.
    pub p95: u64,
    /// The 99th percentile.
    pub p99: u64,
}

/// The seconds of a run in which actions ended. Takes a few words per second, however many actions there are.
pub struct Timeline {
    past: Vec<Second>,
    current: Second,
    micros: Histogram<u64>,
}

impl Timeline {
    /// An empty timeline.
    ///
    /// # Errors
    /// Never, with the constants in the code.
    pub fn new(micros_max: u64) -> anyhow::Result<Self> {
        let micros = Histogram::new_with_max(micros_max, 2)?;
        Ok(Self { past: Vec::new(), current: Second::default(), micros })
    }

    /// Counts an action that ended now.
    pub fn count(&mut self, now: Duration, micros: u64, has_failed: bool) {
        if now.as_secs() > self.current.number {
            self.past.extend(self.close());
            self.micros.reset();
            self.current = Second { number: now.as_secs(), ..Second::default() };
        }
        match has_failed {
            true => self.current.failed += 1,
            false => self.current.done += 1,
        }
        self.micros.saturating_record(micros);
    }

    /// The current second so far, if it is not empty.
    fn close(&self) -> Option<Second> {
        let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|quantile| self.micros.value_at_quantile(quantile));
        (!self.micros.is_empty()).then_some(Second { p50, p95, p99, ..self.current })
    }

    /// All seconds so far in which actions ended.
    pub fn seconds(&self) -> Vec<Second> {
        self.past.iter().copied().chain(self.close()).collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_own_numbers() {
        let mut timeline = Timeline::new(1_000_000).unwrap();
        assert_eq!(timeline.seconds(), []);
        for micros in [100, 100, 900] {
            timeline.count(Duration::from_millis(400), micros, micros == 900);
        }
        timeline.count(Duration::from_millis(3_100), 50, false);
        let first = Second { number: 0, done: 2, failed: 1, p50: 100, p95: 903, p99: 903 };
        let last = Second { number: 3, done: 1, failed: 0, p50: 50, p95: 50, p99: 50 };
        assert_eq!(timeline.seconds(), [first, last]);
    }
}
