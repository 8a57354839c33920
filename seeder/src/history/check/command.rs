//! `seeder check`.

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::anyhow;
use serde_json::json;

use super::Checker;
use super::finish::Conclusion;
use crate::history::file::HistoryReader;
use crate::history::line::{HistoryEnd, HistoryLine, HistoryRun};
use crate::progress::print_error;

/// Exit status for a history with faults.
const FAULTS: u8 = 1;
/// Exit status for a file that is not a complete history.
const UNUSABLE: u8 = 2;
/// Maximum number of faults in the text.
const SHOWN_MAX: usize = 100;

/// A history and the result of its check.
pub(super) struct HistoryCheck {
    pub(super) run: HistoryRun,
    pub(super) end: HistoryEnd,
    pub(super) conclusion: Conclusion,
}

/// Checks a file and prints the report on standard output.
pub fn run(path: &Path, is_json: bool) -> ExitCode {
    let checked = HistoryReader::open(path).and_then(check);
    match checked {
        Ok(checked) => {
            let text = if is_json { checked.to_json() } else { checked.to_text() };
            // If nobody reads the text, the status still has the result.
            let _ = writeln!(io::stdout(), "{text}");
            if checked.conclusion.findings.total() == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAULTS) }
        }
        Err(error) => {
            print_error(&format!("error: {}: {error:#}", path.display()));
            ExitCode::from(UNUSABLE)
        }
    }
}

/// Reads a complete history.
///
/// # Errors
/// The history is incomplete.
pub(super) fn check<R: BufRead>(mut reader: HistoryReader<R>) -> anyhow::Result<HistoryCheck> {
    let run = reader.run()?;
    let mut checker = Checker::new(run.clone());
    while let Some(line) = reader.next_line()? {
        if let HistoryLine::End(end) = line {
            let conclusion = checker.conclude(end.read, end.heard);
            return Ok(HistoryCheck { run, end, conclusion });
        }
        checker.take(&line)?;
    }
    Err(anyhow!("the history ends without its last line"))
}

impl HistoryCheck {
    pub(super) fn to_text(&self) -> String {
        let Self { run, end, conclusion } = self;
        let (counts, findings) = (&conclusion.counts, &conclusion.findings);
        let mut text = vec![format!(
            "run {}: {} calls and {} events of {} listeners, {} things, {} values read by sessions, {} found at the end",
            run.id, counts.calls, counts.events, run.listeners, counts.things, counts.reads, counts.found
        )];
        for (is_checked, what) in [
            (end.read, "the values at the end: the load could not read them"),
            (end.heard, "whether listeners received everything: there were none, or the server was down at the end"),
            (counts.reads > 0, "the reads of sessions: there were none"),
        ] {
            if !is_checked {
                text.push(format!("not checked: {what}"));
            }
        }
        let delays = conclusion.feed_outages;
        if delays.count > 0 {
            text.push(format!(
                "listeners received nothing {} times for more than a second, {:.1} s at most",
                delays.count, delays.longest
            ));
        }
        text.extend(findings.first.iter().take(SHOWN_MAX).map(|finding| format!("fault: {}", finding.sentence(true))));
        let more = findings.total().saturating_sub(findings.first.len().min(SHOWN_MAX) as u64);
        if more > 0 {
            text.push(format!("{more} more faults"));
        }
        text.push(match findings.total() {
            0 => "no faults".to_owned(),
            total => format!("{total} faults"),
        });
        text.join("\n")
    }

    fn to_json(&self) -> String {
        let Self { run, end, conclusion } = self;
        let report = json!({
            "run": run,
            "counts": conclusion.counts,
            "checked": { "end": end.read, "listeners": end.heard, "reads": conclusion.counts.reads > 0 },
            "feedOutages": conclusion.feed_outages,
            "faults": { "total": conclusion.findings.total(), "counts": conclusion.findings.counts,
                "first": conclusion.findings.first },
        });
        report.to_string()
    }
}
