//! The faults that a check finds.

use std::collections::BTreeMap;

use serde::Serialize;

/// Faults that are stored of each kind; all are counted.
const OF_A_KIND_MAX: usize = 100;

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// An acknowledged change does not exist.
    Missing,
    /// A refused change exists.
    RefusedPresent,
    /// Something exists twice.
    Twice,
    /// The value at the end is not the last acknowledged one.
    WrongValue,
    /// A session read a value older than its own write.
    ReadYourWrites,
    /// A session read an older state than before.
    MonotonicReads,
    /// An event came before one that it followed.
    WritesFollowReads,
    /// A response was for another viewer.
    OtherViewer,
    /// Listeners received different events, or in a different order.
    ListenersDiffer,
    /// A listener received an event again.
    RepeatedEvent,
    /// A listener, or all of them, did not receive an event.
    MissedEvent,
}

/// A fault.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Its kind.
    pub kind: FindingKind,
    /// What is wrong.
    pub text: String,
    /// The lines of the history that show it.
    pub lines: Vec<u32>,
}

/// All faults.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Findings {
    /// The number of each kind.
    pub counts: BTreeMap<FindingKind, u64>,
    /// The first faults of each kind.
    pub first: Vec<Finding>,
}

impl Findings {
    /// Adds a fault.
    pub fn add(&mut self, kind: FindingKind, lines: impl IntoIterator<Item = u32>, text: impl FnOnce() -> String) {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        if *count <= OF_A_KIND_MAX as u64 {
            // Line 0 means unknown.
            let lines = lines.into_iter().filter(|line| *line > 0).collect();
            self.first.push(Finding { kind, text: text(), lines });
        }
    }

    /// The number of faults.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}

impl Finding {
    /// As text, with line numbers if there is a file.
    pub fn sentence(&self, with_lines: bool) -> String {
        let lines: Vec<_> = self.lines.iter().map(u32::to_string).collect();
        match lines.len() {
            1 if with_lines => format!("{} (line {})", self.text, lines[0]),
            2.. if with_lines => format!("{} (lines {})", self.text, lines.join(", ")),
            _ => self.text.clone(),
        }
    }
}
