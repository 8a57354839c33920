//! What a run has created, to use it again and to read it back.
//!
//! Every text of a run ends with a mark that identifies it: `[RUN-NUMBER]`, or `[RUN-NUMBER-NEW]` for a new text of
//! the publication NUMBER. Ids are not enough: a database that lost its last transactions uses them again.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};

use serde_json::Value;

use super::lock;

/// A publication of the run.
#[derive(Clone, Debug)]
pub struct OwnPublication {
    /// Its number.
    pub number: u32,
    /// Its id.
    pub id: String,
    /// Its author, by the member's position.
    pub author: usize,
}

/// What is known of the run's objects.
#[derive(Default)]
pub struct Notes {
    /// Publications that exist, by number.
    pub publications: BTreeMap<u32, OwnPublication>,
    /// The ids of users that exist, by number.
    pub users: BTreeMap<u32, String>,
    /// Orders that were tried: the member's position, the movie and the cinema.
    pub tried: HashSet<(usize, String, String)>,
    /// The numbers of all users.
    pub signed_up: Vec<u32>,
    /// What was rated: the member's position, and the subject's id.
    pub ratings: HashSet<(usize, String)>,
    /// Movies with changed prices, and their cinemas.
    pub prices: BTreeMap<String, HashSet<String>>,
}

/// The notes of a run.
pub struct Ledger {
    run: String,
    keeps: bool,
    next: AtomicU32,
    notes: Mutex<Notes>,
}

impl Ledger {
    /// The notes of a run. `keeps`: also stores what is only needed to read back.
    pub fn new(run: String, keeps: bool) -> Self {
        Self { run, keeps, next: AtomicU32::new(1), notes: Mutex::default() }
    }

    /// The name of the run.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// A number that is unique in the run.
    pub fn number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// A text with its mark.
    pub fn marked(&self, text: &str, number: u32) -> String {
        format!("{text} [{}-{number}]", self.run)
    }

    /// A new text of a publication, with its mark.
    pub fn marked_replacement(&self, text: &str, number: u32, new: u32) -> String {
        format!("{text} [{}-{number}-{new}]", self.run)
    }

    /// The numbers of a text's object and of the text, if it is of this run.
    pub fn read_mark(&self, text: &str) -> Option<(u32, u32)> {
        let (_, mark) = text.strip_suffix(']')?.rsplit_once('[')?;
        let numbers = mark.strip_prefix(&self.run)?.strip_prefix('-')?;
        match numbers.split_once('-') {
            Some((number, new)) => Some((number.parse().ok()?, new.parse().ok()?)),
            None => numbers.parse().ok().map(|number| (number, number)),
        }
    }

    /// The name of a user of the run.
    pub fn username(&self, number: u32) -> String {
        format!("load-{}-{number}", self.run)
    }

    /// Stores what is only needed to read back. A long run without `--verify` does not grow by it.
    pub fn keep(&self, note: impl FnOnce(&mut Notes)) {
        if self.keeps {
            note(&mut self.notes());
        }
    }

    /// The notes.
    pub fn notes(&self) -> MutexGuard<'_, Notes> {
        lock(&self.notes)
    }
}

/// A text field of a response, empty if it is missing.
pub fn text_of(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_recognized_by_their_run_only() {
        let (ledger, other) = (Ledger::new("0a1b".to_owned(), true), Ledger::new("0a1c".to_owned(), true));
        let text = ledger.marked("Сильно [и точно]", 17);
        assert_eq!((ledger.read_mark(&text), other.read_mark(&text)), (Some((17, 17)), None));
        assert_eq!(ledger.read_mark(&ledger.marked_replacement("Сильно", 17, 40)), Some((17, 40)));
        for text in ["Сильно [и точно]", "[0a1b-]", "[0a1b-1-]", "[0a1b-x]"] {
            assert_eq!(ledger.read_mark(text), None, "{text}");
        }
    }
}
