//! A thing, and which values it may have by what was written.
//!
//! A write takes place at some moment between its start and its end; one whose outcome is unknown at any moment after
//! its start, or never. So of two writes one is older only if it ended before the other started.

use smallvec::SmallVec;

use crate::history::line::CallOutcome;

/// Stands for no value.
pub const NOTHING: u32 = u32::MAX;
/// Stands for no register.
pub const NONE: u32 = u32::MAX;
/// Writes of a thing that are remembered: memory depends on the number of things.
const WRITES_MAX: usize = 64;

/// What kind of thing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThingKind {
    /// A comment of the run.
    Comment,
    /// A publication of the run.
    Publication,
    /// A user of the run.
    User,
    /// A session of the run.
    Session,
    /// An order: it may be from before the run.
    Order,
    /// Anything else: it may have had a value before the run.
    Other,
}

impl ThingKind {
    /// Whether nothing like it was there before the run, so that each value is written once.
    pub fn is_of_run(self) -> bool {
        !matches!(self, Self::Order | Self::Other)
    }

    /// Whether a complete reading that does not name it says that it is not there.
    pub fn is_listed(self) -> bool {
        matches!(self, Self::Comment | Self::Publication | Self::Order)
    }
}

/// A write.
#[derive(Clone, Copy, Debug)]
pub struct WriteRecord {
    /// When it was sent first.
    pub start: u64,
    /// When it was known to be done.
    pub end: u64,
    /// The line.
    pub line: u32,
    /// What it wrote.
    pub value: u32,
    /// Who.
    pub session: u16,
    /// How it ended.
    pub outcome: CallOutcome,
}

impl WriteRecord {
    /// Whether a state that has a write that started at `floor` cannot have this value any more.
    fn is_older_than(&self, floor: u64) -> bool {
        self.outcome == CallOutcome::Done && self.end < floor
    }
}

/// What a session knows of a thing: it may not see anything older.
#[derive(Clone, Copy, Debug, Default)]
pub struct Floor {
    /// When the write that it knows of started; 0 if it knows of none.
    pub start: u64,
    /// What that wrote.
    pub value: u32,
    /// The line by which it knows.
    pub line: u32,
    /// Whether it wrote that itself.
    pub is_own: bool,
}

/// A thing.
#[derive(Debug)]
pub struct Register {
    /// What it is.
    pub kind: ThingKind,
    /// Its number, if it is of the run.
    pub number: u32,
    /// The hash of the id of what it needs to be there, or 0.
    pub under: u64,
    /// Who wrote what.
    pub writes: SmallVec<[WriteRecord; 1]>,
    /// Whether older writes are forgotten.
    pub is_pruned: bool,
    /// The part of the feed in which it was heard of, counted from 1.
    pub heard: u8,
    /// The reading in which it was found.
    pub reading: u32,
    /// What was found.
    pub found: u32,
    /// How often it was found.
    pub times: u8,
    /// Where.
    pub found_line: u32,
}

impl Register {
    /// Nothing is known of it.
    pub fn new(kind: ThingKind, number: u32) -> Self {
        Self {
            kind,
            number,
            under: 0,
            writes: SmallVec::new(),
            is_pruned: false,
            heard: 0,
            reading: 0,
            found: NOTHING,
            times: 0,
            found_line: 0,
        }
    }

    /// Adds a write.
    pub fn write(&mut self, write: WriteRecord) {
        if self.writes.len() == WRITES_MAX {
            // Refused and early ones tell least.
            let place = self.writes.iter().position(|write| write.outcome == CallOutcome::Refused).unwrap_or(0);
            self.is_pruned |= self.writes[place].outcome != CallOutcome::Refused;
            self.writes.remove(place);
        }
        self.writes.push(write);
    }

    /// The writes that may have happened.
    pub fn possible(&self) -> impl Iterator<Item = &WriteRecord> {
        self.writes.iter().filter(|write| write.outcome != CallOutcome::Refused)
    }

    /// The last write that is known to have happened.
    pub fn last_done(&self) -> Option<&WriteRecord> {
        self.writes.iter().filter(|write| write.outcome == CallOutcome::Done).max_by_key(|write| write.start)
    }

    /// The floor of whoever knows all that was acknowledged.
    pub fn final_floor(&self) -> Floor {
        self.last_done().map_or_else(Floor::default, |write| Floor {
            start: write.start,
            value: write.value,
            line: write.line,
            is_own: false,
        })
    }

    /// What a session's own writes say that had ended before a moment.
    pub fn own_floor(&self, session: u16, before: u64) -> Floor {
        let own = self
            .writes
            .iter()
            .filter(|write| write.session == session && write.outcome == CallOutcome::Done && write.end < before);
        own.max_by_key(|write| write.start).map_or_else(Floor::default, |write| Floor {
            start: write.start,
            value: write.value,
            line: write.line,
            is_own: true,
        })
    }

    /// Whether a read that ended at `end` may see a value, above a floor. What it is under may be gone by then.
    pub fn may_be(&self, value: u32, floor: Floor, end: u64, may_be_gone: bool) -> bool {
        let is_written = self
            .possible()
            .any(|write| write.value == value && write.start <= end && !write.is_older_than(floor.start));
        if is_written {
            return true;
        }
        let knows_nothing = floor.start == 0;
        if value == NOTHING {
            return knows_nothing || may_be_gone;
        }
        // Forgotten writes wrote smaller numbers than those that followed.
        let is_forgotten = self.is_pruned && (knows_nothing || (self.kind.is_of_run() && value > floor.value));
        is_forgotten || (knows_nothing && !self.kind.is_of_run())
    }

    /// Whether a deletion may have happened that was sent before a moment.
    pub fn may_be_deleted(&self, before: u64) -> bool {
        self.possible().any(|write| write.value == NOTHING && write.start <= before)
    }
}
