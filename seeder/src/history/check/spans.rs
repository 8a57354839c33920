//! Spans of time and their total.

use serde::Serialize;

/// Spans that may overlap.
#[derive(Clone, Debug, Default)]
pub struct Spans {
    last: Option<(u64, u64)>,
    total: Outages,
}

/// The number, total and maximum of outages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Outages {
    /// The number.
    pub count: u64,
    /// The total in seconds.
    pub seconds: f64,
    /// The longest in seconds.
    pub longest: f64,
}

impl Outages {
    /// Adds an outage.
    pub fn add(&mut self, seconds: f64) {
        self.count += 1;
        self.seconds += seconds;
        self.longest = self.longest.max(seconds);
    }
}

impl Spans {
    /// Adds a span in microseconds. Spans must come in the order of their ends.
    pub fn add(&mut self, from: u64, to: u64) {
        match &mut self.last {
            Some((begin, end)) if from <= *end => {
                *begin = from.min(*begin);
                *end = to.max(*end);
            }
            last => {
                if let Some((begin, end)) = last.replace((from, to)) {
                    self.total.add(seconds(begin, end));
                }
            }
        }
    }

    /// The spans as outages.
    pub fn outages(&self) -> Outages {
        let mut total = self.total;
        if let Some((begin, end)) = self.last {
            total.add(seconds(begin, end));
        }
        total
    }
}

fn seconds(from: u64, to: u64) -> f64 {
    std::time::Duration::from_micros(to - from).as_secs_f64()
}
