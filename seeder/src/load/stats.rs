//! What was done, how fast, and what went wrong: by action.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::act::{ActionOutcome, Done};
use super::lock;
use super::timeline::{Second, Timeline};
use crate::script::Action;

/// The longest time that is told from longer ones, in microseconds: an hour.
const MICROS_MAX: u64 = 3_600_000_000;

/// One action's numbers.
#[derive(Clone)]
pub struct Line {
    /// The action.
    pub action: Action,
    /// How often it was done.
    pub done: u64,
    /// How often there was nothing to do it to.
    pub skipped: u64,
    /// How often it failed, by code.
    pub errors: BTreeMap<String, u64>,
    /// How long it took, in microseconds; with a rate, from the moment when it should have begun.
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
    /// Nothing yet; `has_timeline` counts by second as well.
    ///
    /// # Errors
    /// Never, with the bounds that stand here.
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
            Ok(Done::Skipped) => {
                line.skipped += 1;
                return;
            }
            Ok(Done::Acted) => line.done += 1,
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

    /// The numbers of each second; none without a timeline.
    pub fn seconds(&self) -> Vec<Second> {
        self.timeline.as_ref().map(|timeline| lock(timeline).seconds()).unwrap_or_default()
    }

    /// The lines as they are now.
    pub fn lines(&self) -> Vec<Line> {
        lock(&self.lines).clone()
    }

    /// For each code of an error, what the first one said.
    pub fn examples(&self) -> BTreeMap<String, String> {
        lock(&self.examples).clone()
    }

    /// For how long it has been counted.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}
