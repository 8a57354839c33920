//! The output of a run: `NAME..OK` on standard output; on standard error a bar on a terminal, plain lines elsewhere.

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressState as BarState, ProgressStyle};
use seeding::{SeedEvent, StepReport, Summary};

/// How often a plain line shows the progress.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Shows the progress of a run.
pub struct Progress {
    bar: Option<ProgressBar>,
    state: Mutex<ProgressState>,
}

struct ProgressState {
    started: Instant,
    told: Instant,
    /// The current or last step.
    stage: Option<&'static str>,
    is_in_step: bool,
    rows: u64,
    of: u64,
}

/// The stages after the steps.
const RESTORING: &str = "indexes and keys";
const TIDYING: &str = "collecting statistics";

/// The bar while rows are stored.
fn rows_style() -> ProgressStyle {
    let template = "{msg:28} {wide_bar} {percent:>3} %  {human_pos} of {human_len} rows  {rate:>14}  {eta} left";
    style(template).with_key("rate", |state: &BarState, text: &mut dyn Write| {
        // A bar cannot report an error.
        let _ = write!(text, "{}/s", rounded(state.per_sec()));
    })
}

/// The bar while indexes and keys are created. Their times differ, so it shows no remaining time.
fn restoring_style() -> ProgressStyle {
    style("{msg:28} {wide_bar} {percent:>3} %  {human_pos} of {human_len} indexes and keys")
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn rounded(rate: f64) -> HumanCount {
    HumanCount(Duration::try_from_secs_f64(rate).map_or(0, |rounded| rounded.as_secs()))
}

impl Progress {
    /// Starts the output.
    pub fn start() -> Self {
        let bar = io::stderr().is_terminal().then(|| ProgressBar::new(0).with_style(rows_style()));
        let now = Instant::now();
        let state = ProgressState { started: now, told: now, stage: None, is_in_step: false, rows: 0, of: 0 };
        Self { bar, state: Mutex::new(state) }
    }

    /// Shows an event.
    pub fn note(&self, event: SeedEvent) {
        match event {
            SeedEvent::Waiting => self.say("waiting for another seeder that is running on this database"),
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
            SeedEvent::Tidying => {
                self.state().stage = Some(TIDYING);
                self.show(TIDYING);
            }
        }
    }

    /// Prints a line on standard error, above the bar if there is one.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| print_error(line)),
            None => print_error(line),
        }
    }

    /// The current or last step, or the stage after the steps.
    pub fn stage(&self) -> &'static str {
        self.state().stage.unwrap_or("the start")
    }

    /// Removes the bar.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Prints the summary.
    pub fn end(&self, summary: &Summary) {
        self.clear();
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
        let mut state = self.state();
        (state.stage, state.is_in_step) = (Some(name), true);
        if let Some(bar) = &self.bar {
            bar.set_style(rows_style());
            bar.set_length(state.of);
            bar.set_position(state.rows);
            bar.set_message(format!("{name} ({})", HumanCount(rows)));
        }
    }

    fn count(&self, rows: u64) {
        let mut state = self.state();
        state.rows += rows;
        if let Some(bar) = &self.bar {
            bar.set_position(state.rows);
            return;
        }
        if state.told.elapsed() < PLAIN_EVERY {
            return;
        }
        state.told = Instant::now();
        let elapsed = state.started.elapsed();
        let left = elapsed.mul_f64(state.of.saturating_sub(state.rows) as f64 / state.rows.max(1) as f64);
        print_error(&format!(
            "{}: {} of {} rows, {} rows/s, about {} left",
            state.stage.unwrap_or_default(),
            HumanCount(state.rows),
            HumanCount(state.of),
            rate(state.rows, elapsed),
            HumanDuration(left)
        ));
    }

    fn finish(&self, report: &StepReport) {
        self.state().is_in_step = false;
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

    /// SQLite restores a step's indexes at its end, PostgreSQL everything after the last step.
    fn restored(&self, done: u64, of: u64) {
        let mut state = self.state();
        if !state.is_in_step {
            state.stage = Some(RESTORING);
        }
        if let Some(bar) = &self.bar {
            bar.set_style(restoring_style());
            bar.set_length(of);
            bar.set_position(done);
            if !state.is_in_step {
                bar.set_message(RESTORING);
            }
        } else if done == of && !state.is_in_step || state.told.elapsed() >= PLAIN_EVERY {
            state.told = Instant::now();
            print_error(&format!("{}: {done} of {of} {RESTORING} restored", state.stage.unwrap_or_default()));
        }
    }

    fn show(&self, message: &'static str) {
        match &self.bar {
            Some(bar) => bar.set_message(message),
            None => print_error(message),
        }
    }
}

/// Prints a line on standard error. If nobody reads it, the run continues.
pub fn print_error(line: &str) {
    let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("{line}\n"));
}

/// Prints a line on standard output. If nobody reads it, the run continues.
pub fn print_line(line: &str) {
    let _ = io::Write::write_fmt(&mut io::stdout(), format_args!("{line}\n"));
}

/// Rows per second, rounded to thousands from a thousand on.
fn rate(rows: u64, elapsed: Duration) -> HumanCount {
    let micros = elapsed.as_micros().max(1);
    HumanCount(u64::try_from(u128::from(rows) * 1_000_000 / micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use indicatif::{InMemoryTerm, ProgressDrawTarget};

    use super::*;

    fn shown(progress: &Progress, screen: &InMemoryTerm) -> String {
        progress.bar.iter().for_each(ProgressBar::force_draw);
        screen.contents()
    }

    #[test]
    fn the_bar_counts_rows_at_a_rounded_rate_then_indexes() {
        let screen = InMemoryTerm::new(10, 160);
        let mut progress = Progress::start();
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        progress.bar = Some(ProgressBar::with_draw_target(Some(0), target).with_style(rows_style()));
        progress.note(SeedEvent::Rows(3_000));
        progress.note(SeedEvent::Step("load_tags", 3_000));
        progress.note(SeedEvent::Stored(1_234));
        let line = shown(&progress, &screen);
        assert!(line.contains("load_tags (3,000)") && line.contains("1,234 of 3,000 rows"), "{line}");
        let rate = line.split_whitespace().find_map(|word| word.strip_suffix("/s"));
        assert!(rate.is_some_and(|rate| rate.chars().all(|digit| digit.is_ascii_digit() || digit == ',')), "{line}");
        // SQLite creates indexes inside a step.
        progress.note(SeedEvent::Restored(2, 5));
        let line = shown(&progress, &screen);
        assert!(line.contains("load_tags") && line.contains("2 of 5 indexes and keys"), "{line}");
        assert_eq!(progress.stage(), "load_tags");
        progress.note(SeedEvent::Done(StepReport { name: "load_tags", rows: 3_000, elapsed: Duration::ZERO }));
        progress.note(SeedEvent::Step("load_users", 0));
        let line = shown(&progress, &screen);
        assert!(line.contains("load_users") && line.contains("1,234 of 3,000 rows"), "{line}");
        progress.note(SeedEvent::Done(StepReport { name: "load_users", rows: 0, elapsed: Duration::ZERO }));
        progress.note(SeedEvent::Restored(0, 90));
        let line = shown(&progress, &screen);
        assert!(line.contains("0 of 90 indexes and keys"), "{line}");
        assert_eq!(progress.stage(), "indexes and keys");
    }
}
