//! What a run shows: `NAME..OK` on standard output; on standard error a bar on a terminal, plain
//! lines elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};
use seeding::{SeedEvent, StepReport, Summary};

/// How often a plain line tells how far it is.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Follows a run.
pub struct Progress {
    bar: Option<ProgressBar>,
    state: Mutex<ProgressState>,
}

struct ProgressState {
    started: Instant,
    told: Instant,
    step: Option<&'static str>,
    rows: u64,
    of: u64,
}

impl Progress {
    /// Begins to follow.
    pub fn start() -> Self {
        let template = "{msg:28} {wide_bar} {percent:>3} %  {human_pos} of {human_len} rows  {per_sec:>14}  {eta} left";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = io::stderr().is_terminal().then(|| ProgressBar::new(0).with_style(style));
        let now = Instant::now();
        Self { bar, state: Mutex::new(ProgressState { started: now, told: now, step: None, rows: 0, of: 0 }) }
    }

    /// Shows what happened.
    pub fn note(&self, event: SeedEvent) {
        match event {
            SeedEvent::Waiting => self.say("waiting for another seeder that is at work on this database"),
            SeedEvent::Rows(of) => {
                self.state().of = of;
                if let Some(bar) = &self.bar {
                    bar.set_length(of);
                    bar.enable_steady_tick(Duration::from_millis(200));
                }
            }
            SeedEvent::Skipped(name) => self.say(&format!("{name} was done by an earlier run")),
            SeedEvent::Step(name, rows) => self.begin(name, rows),
            SeedEvent::Stored(rows) => self.count(rows),
            SeedEvent::Done(report) => self.finish(&report),
            SeedEvent::Restored(done, of) => self.restored(done, of),
            SeedEvent::Tidying => self.show("collecting statistics"),
        }
    }

    /// Prints a line on standard error, above the bar if there is one.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| print_error(line)),
            None => print_error(line),
        }
    }

    /// The step that has begun last.
    pub fn stopped_at(&self) -> Option<&'static str> {
        self.state().step
    }

    /// Prints the summary.
    pub fn end(&self, summary: &Summary) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let (rows, seconds) = (summary.rows, summary.elapsed.as_secs_f64());
        self.say(&format!(
            "seeded {} rows in {seconds:.1} s: {} rows/s",
            HumanCount(rows),
            rate(rows, summary.elapsed)
        ));
    }

    fn state(&self) -> MutexGuard<'_, ProgressState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, name: &'static str, rows: u64) {
        self.state().step = Some(name);
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{name} ({})", HumanCount(rows)));
        }
    }

    fn count(&self, rows: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(rows);
            return;
        }
        let mut state = self.state();
        state.rows += rows;
        if state.told.elapsed() < PLAIN_EVERY {
            return;
        }
        state.told = Instant::now();
        let elapsed = state.started.elapsed();
        let left = elapsed.mul_f64(state.of.saturating_sub(state.rows) as f64 / state.rows.max(1) as f64);
        print_error(&format!(
            "{}: {} of {} rows, {} rows/s, about {} left",
            state.step.unwrap_or_default(),
            HumanCount(state.rows),
            HumanCount(state.of),
            rate(state.rows, elapsed),
            HumanDuration(left)
        ));
    }

    fn finish(&self, report: &StepReport) {
        let print = || print_line(&format!("{}..OK", report.name));
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => {
                print();
                let (rows, seconds) = (report.rows, report.elapsed.as_secs_f64());
                let rate = rate(rows, report.elapsed);
                let rows = HumanCount(rows);
                print_error(&format!("{}: {rows} rows in {seconds:.1} s, {rate} rows/s", report.name));
            }
        }
    }

    fn restored(&self, done: u64, of: u64) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("indexes and keys: {done} of {of}"));
        } else if done == of || self.state().told.elapsed() >= PLAIN_EVERY {
            self.state().told = Instant::now();
            print_error(&format!("indexes and keys: {done} of {of} are back"));
        }
    }

    fn show(&self, message: &'static str) {
        match &self.bar {
            Some(bar) => bar.set_message(message),
            None => print_error(message),
        }
    }
}

/// Prints a line on standard error. A reader that went away is no reason to give up half-way.
pub fn print_error(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints a line on standard output, for whoever reads it.
pub fn print_line(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Rows a second, to the thousand where there are thousands.
fn rate(rows: u64, elapsed: Duration) -> HumanCount {
    let micros = elapsed.as_micros().max(1);
    HumanCount(u64::try_from(u128::from(rows) * 1_000_000 / micros).unwrap_or(u64::MAX))
}
