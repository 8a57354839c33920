//! Spans of time, and how much they cover together.

use serde::Serialize;

/// Spans that may overlap.
#[derive(Clone, Debug, Default)]
pub struct Spans {
    last: Option<(u64, u64)>,
    total: Outages,
}

/// How often, for how long in all, and how long at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Outages {
    /// How often.
    pub count: u64,
    /// For how long in all.
    pub seconds: f64,
    /// How long at most.
    pub longest: f64,
}

impl Outages {
    /// Adds one.
    pub fn add(&mut self, seconds: f64) {
        self.count += 1;
        self.seconds += seconds;
        self.longest = self.longest.max(seconds);
    }
}

impl Spans {
    /// Adds a span in microseconds; they come in the order of their ends.
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

    /// What they come to.
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
