//! What was done, how fast, and the errors, by action.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::act::{ActionEffect, ActionOutcome};
use super::lock;
use super::timeline::{Second, Timeline};
use crate::script::Action;

/// The longest latency that is recorded, in microseconds: an hour. Longer ones count as this.
const MICROS_MAX: u64 = 3_600_000_000;

/// The numbers of one action.
#[derive(Clone)]
pub struct Line {
    /// The action.
    pub action: Action,
    /// How often it was done.
    pub done: u64,
    /// How often there was nothing to act on.
    pub skipped: u64,
    /// How often it failed, by code.
    pub errors: BTreeMap<String, u64>,
    /// The latency in microseconds. With a rate, it counts from the scheduled start.
    pub micros: Histogram<u64>,
}

impl Line {
    /// How often it failed.
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }
}

/// The numbers of a run.
pub struct Stats {
    began: Instant,
    lines: Mutex<Vec<Line>>,
    timeline: Option<Mutex<Timeline>>,
    examples: Mutex<BTreeMap<String, String>>,
}

impl Stats {
    /// Empty numbers. `has_timeline`: also counts by second.
    ///
    /// # Errors
    /// Never, with these constants.
    pub fn new(has_timeline: bool) -> anyhow::Result<Self> {
        let micros = Histogram::new_with_max(MICROS_MAX, 3)?;
        let line = |action| Line { action, done: 0, skipped: 0, errors: BTreeMap::new(), micros: micros.clone() };
        let lines = Action::ALL.into_iter().map(line).collect();
        let timeline = has_timeline.then(|| Timeline::new(MICROS_MAX)).transpose()?.map(Mutex::new);
        Ok(Self { began: Instant::now(), lines: Mutex::new(lines), timeline, examples: Mutex::default() })
    }

    /// Counts an action.
    pub fn count(&self, action: Action, took: Duration, outcome: &ActionOutcome) {
        let mut lines = lock(&self.lines);
        let line = &mut lines[action as usize];
        match outcome {
            Ok(ActionEffect::Skipped) => {
                line.skipped += 1;
                return;
            }
            Ok(ActionEffect::Acted) => line.done += 1,
            Err(failure) => {
                *line.errors.entry(failure.code().to_owned()).or_default() += 1;
                let mut examples = lock(&self.examples);
                examples.entry(failure.code().to_owned()).or_insert_with(|| failure.message().to_owned());
            }
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(MICROS_MAX);
        line.micros.saturating_record(micros);
        drop(lines);
        if let Some(timeline) = &self.timeline {
            lock(timeline).count(self.elapsed(), micros, outcome.is_err());
        }
    }

    /// The numbers of each second; empty without a timeline.
    pub fn seconds(&self) -> Vec<Second> {
        self.timeline.as_ref().map(|timeline| lock(timeline).seconds()).unwrap_or_default()
    }

    /// The current lines.
    pub fn lines(&self) -> Vec<Line> {
        lock(&self.lines).clone()
    }

    /// The message of the first error of each code.
    pub fn examples(&self) -> BTreeMap<String, String> {
        lock(&self.examples).clone()
    }

    /// The time since counting began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}
