//! The output during a load: a line for each action on standard output; on standard error a table on a terminal,
//! plain lines elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::interval;

use super::paint::Paint;
use super::report;
use super::stats::Stats;
use crate::progress::print_error;

/// How often the table is redrawn.
const DRAW_EVERY: Duration = Duration::from_millis(500);
/// How often a plain line shows the progress.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// The output during a load.
pub struct Screen {
    table: Option<ProgressBar>,
    has_actions: bool,
    is_quiet: bool,
}

impl Screen {
    /// Shows nothing if quiet, and no actions with JSON. On a terminal it shows actions only if requested.
    pub fn new(is_quiet: bool, is_json: bool, wants_actions: bool) -> Self {
        let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        let has_table = !is_quiet && io::stderr().is_terminal();
        let table = has_table.then(|| ProgressBar::new_spinner().with_style(style));
        let has_actions = !is_quiet && !is_json && (wants_actions || !io::stdout().is_terminal());
        Self { table, has_actions, is_quiet }
    }

    /// Prints an action.
    ///
    /// # Errors
    /// Nobody reads the output.
    pub fn print_action(&self, line: &str) -> io::Result<()> {
        let print = || writeln!(io::stdout(), "{line}");
        match &self.table {
            _ if !self.has_actions => Ok(()),
            // Above the table.
            Some(table) if io::stdout().is_terminal() => table.suspend(print),
            _ => print(),
        }
    }

    /// Prints a warning, even if everything else is omitted.
    pub fn warn(&self, line: &str) {
        match &self.table {
            Some(table) => table.suspend(|| print_error(line)),
            None => print_error(line),
        }
    }

    /// Keeps showing the numbers.
    pub async fn follow(&self, stats: &Stats) {
        let mut ticks = interval(if self.table.is_some() { DRAW_EVERY } else { PLAIN_EVERY });
        // The first tick comes immediately, before there are numbers.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            match &self.table {
                Some(table) => {
                    table.set_message(report::table(&stats.lines(), stats.elapsed(), Paint::stderr()));
                    table.tick();
                }
                None if self.is_quiet => {}
                None => print_error(&report::progress(&stats.lines(), stats.elapsed())),
            }
        }
    }

    /// Removes the table.
    pub fn clear(&self) {
        if let Some(table) = &self.table {
            table.finish_and_clear();
        }
    }
}
