//! What the server has acknowledged, for `--verify`.
//!
//! Every text of a run ends with a mark, `[RUN-NUMBER]`, by which it is found again: so comments
//! that were refused would be noticed, and those that are there twice.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use serde_json::Value;

use super::lock;

/// What became of something that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It must be there.
    There,
    /// It may be gone: a deletion got no answer.
    Unknown,
    /// It must be gone.
    Gone,
}

/// A value that several write, some of them at once: any of the last may have won.
#[derive(Clone, Debug)]
pub struct Register<T>(Vec<(Option<Instant>, T)>);

impl<T> Default for Register<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: PartialEq> Register<T> {
    /// A write was acknowledged that began at a moment, and ends now. What had ended before it began
    /// is written over.
    pub fn settle(&mut self, began: Instant, value: T) {
        self.0.retain(|(ended, _)| ended.is_none_or(|ended| ended >= began));
        self.0.push((Some(Instant::now()), value));
    }

    /// A write got no answer.
    pub fn doubt(&mut self, value: T) {
        self.0.push((None, value));
    }

    /// Whether this may be the value now.
    pub fn may_be(&self, value: &T) -> bool {
        self.0.iter().any(|(_, known)| known == value)
    }

    /// Whether nothing that was written is sure to be there.
    pub fn is_doubtful(&self) -> bool {
        self.0.iter().all(|(ended, _)| ended.is_none())
    }
}

/// A comment that was acknowledged.
#[derive(Clone, Debug)]
pub struct CommentRecord {
    /// The number of its mark.
    pub number: u64,
    /// Of its text.
    pub digest: u64,
    /// What it is about.
    pub subject: String,
}

/// A publication that was acknowledged.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its author, by the place among the members.
    pub author: usize,
    /// The digest of its text.
    pub text: Register<u64>,
    /// What became of it.
    pub fate: Fate,
}

/// A user who was acknowledged.
#[derive(Clone, Debug)]
pub struct SignedUp {
    /// The id.
    pub id: String,
    /// What became of the user.
    pub fate: Fate,
}

/// All that is known.
#[derive(Default)]
pub struct Notes {
    /// Comments by id.
    pub comments: HashMap<String, CommentRecord>,
    /// Publications by id.
    pub publications: BTreeMap<String, Published>,
    /// Users by name.
    pub users: BTreeMap<String, SignedUp>,
    /// Users whose sign-up was refused.
    pub refused_users: Vec<String>,
    /// Ratings by the place of the member and the subject's id.
    pub ratings: HashMap<(usize, String), Register<i64>>,
    /// Orders, with the place of the member.
    pub orders: Vec<(usize, String)>,
    /// What members need not try to order again: the place of the member, the movie and the cinema.
    pub tried: HashSet<(usize, String, String)>,
    /// Presences by id.
    pub presences: HashMap<String, Fate>,
    /// Prices in roubles by movie and cinema.
    pub prices: HashMap<(String, String), Register<u32>>,
    /// Marks of texts of which nobody knows whether they were stored.
    pub unknown: BTreeSet<u64>,
}

impl Notes {
    /// Whether this may be gone because the run has deleted it.
    pub fn may_be_gone(&self, id: &str) -> bool {
        self.publications.get(id).is_some_and(|publication| publication.fate != Fate::There)
    }
}

/// The notes of a run.
pub struct Ledger {
    run: String,
    keeps: bool,
    next: AtomicU64,
    notes: Mutex<Notes>,
}

impl Ledger {
    /// The notes of a run of this name, which keeps what is only there to be read back, or does not.
    pub fn new(run: String, keeps: bool) -> Self {
        Self { run, keeps, next: AtomicU64::new(1), notes: Mutex::default() }
    }

    /// The run's name.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// A number that nothing else in the run has.
    pub fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// A text with its mark.
    pub fn marked(&self, text: &str, number: u64) -> String {
        format!("{text} [{}-{number}]", self.run)
    }

    /// The number of a text's mark, if it is of this run.
    pub fn read_mark(&self, text: &str) -> Option<u64> {
        let (_, mark) = text.strip_suffix(']')?.rsplit_once('[')?;
        mark.strip_prefix(&self.run)?.strip_prefix('-')?.parse().ok()
    }

    /// Notes what is only there to be read back: a long run without `--verify` does not grow by it.
    pub fn keep(&self, note: impl FnOnce(&mut Notes)) {
        if self.keeps {
            note(&mut self.notes());
        }
    }

    /// Whether something with this fate is still to be remembered: to be read back, or to be picked again.
    pub fn wants(&self, fate: Fate) -> bool {
        self.keeps || fate == Fate::There
    }

    /// All notes, which nobody adds to any more.
    pub fn take(&self) -> Notes {
        std::mem::take(&mut *self.notes())
    }

    /// The notes.
    pub fn notes(&self) -> MutexGuard<'_, Notes> {
        lock(&self.notes)
    }
}

/// What tells texts apart that need not be remembered.
pub fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// A text field of an answer, empty if there is none.
pub fn text_of(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_back_by_their_run_alone() {
        let (ledger, other) = (Ledger::new("0a1b".to_owned(), true), Ledger::new("0a1c".to_owned(), true));
        let text = ledger.marked("Сильно [и точно]", 17);
        assert_eq!((ledger.read_mark(&text), other.read_mark(&text)), (Some(17), None));
        assert_eq!(ledger.read_mark("Сильно [и точно]"), None);
    }

    #[test]
    fn only_writes_that_were_over_before_are_written_over() {
        let mut register = Register::default();
        let began = Instant::now();
        register.settle(began, 1);
        // At the same time as the first.
        register.settle(began, 2);
        assert!(register.may_be(&1) && register.may_be(&2));
        let later = Instant::now() + std::time::Duration::from_millis(1);
        register.doubt(4);
        register.settle(later, 3);
        assert!(!register.may_be(&1) && !register.may_be(&2) && register.may_be(&3) && register.may_be(&4));
        assert!(!register.is_doubtful() && Register::<u8>::default().is_doubtful());
    }
}
