//! A thing and its possible values.
//!
//! A write takes effect at some moment between its start and its end. If its outcome is unknown, it takes effect at
//! any moment after its start, or never. One write is older than another only if it ended before the other started.

use smallvec::SmallVec;

use crate::history::line::CallOutcome;

/// The value of a thing that does not exist.
pub const NOTHING: u32 = u32::MAX;
/// No register.
pub const NONE: u32 = u32::MAX;
/// Writes of a thing that are stored: memory depends on the number of things.
const WRITES_MAX: usize = 64;

/// The kind of a thing.
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
    /// An order. It may be from before the run.
    Order,
    /// Anything else. It may have had a value before the run.
    Other,
}

impl ThingKind {
    /// Whether it cannot be from before the run, so that each value is written once.
    pub fn is_of_run(self) -> bool {
        !matches!(self, Self::Order | Self::Other)
    }

    /// Whether a complete reading lists all things of this kind, so that others do not exist.
    pub fn is_listed(self) -> bool {
        matches!(self, Self::Comment | Self::Publication | Self::Order)
    }
}

/// A write.
#[derive(Clone, Copy, Debug)]
pub struct WriteRecord {
    /// When it was first sent.
    pub start: u64,
    /// When its response came.
    pub end: u64,
    /// Its line.
    pub line: u32,
    /// The value.
    pub value: u32,
    /// The session.
    pub session: u16,
    /// Its outcome.
    pub outcome: CallOutcome,
}

impl WriteRecord {
    /// Whether a state with a write that started at `floor` can no longer have this value.
    fn is_older_than(&self, floor: u64) -> bool {
        self.outcome == CallOutcome::Done && self.end < floor
    }
}

/// What a session knows of a thing. It must not see an older value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Floor {
    /// When the known write started; 0 if there is none.
    pub start: u64,
    /// The value of that write.
    pub value: u32,
    /// The line that shows it.
    pub line: u32,
    /// Whether the session wrote it.
    pub is_own: bool,
}

/// A thing.
#[derive(Debug)]
pub struct Register {
    /// Its kind.
    pub kind: ThingKind,
    /// Its number, if the run made it.
    pub number: u32,
    /// The hash of the id of its parent, or 0.
    pub under: u64,
    /// The writes.
    pub writes: SmallVec<[WriteRecord; 1]>,
    /// Whether old writes were removed.
    pub is_pruned: bool,
    /// The part of the feed that has its event, counted from 1.
    pub heard: u8,
    /// The reading that found it.
    pub reading: u32,
    /// The value found.
    pub found: u32,
    /// How often the reading found it.
    pub times: u8,
    /// The line of that.
    pub found_line: u32,
}

impl Register {
    /// A thing of which nothing is known.
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
            // Refused writes and early ones matter least.
            let index = self.writes.iter().position(|write| write.outcome == CallOutcome::Refused).unwrap_or(0);
            self.is_pruned |= self.writes[index].outcome != CallOutcome::Refused;
            self.writes.remove(index);
        }
        self.writes.push(write);
    }

    /// The writes that may have taken effect.
    pub fn possible(&self) -> impl Iterator<Item = &WriteRecord> {
        self.writes.iter().filter(|write| write.outcome != CallOutcome::Refused)
    }

    /// The last write that is known to have taken effect.
    pub fn last_done(&self) -> Option<&WriteRecord> {
        self.writes.iter().filter(|write| write.outcome == CallOutcome::Done).max_by_key(|write| write.start)
    }

    /// The floor of a session that knows every acknowledged write.
    pub fn final_floor(&self) -> Floor {
        self.last_done().map_or_else(Floor::default, |write| Floor {
            start: write.start,
            value: write.value,
            line: write.line,
            is_own: false,
        })
    }

    /// The floor of a session's own writes that ended before a moment.
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

    /// Whether a read that ended at `end` may return a value, given a floor. `may_be_gone`: its parent may be
    /// deleted.
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
        // Removed writes have smaller numbers than later ones.
        let is_forgotten = self.is_pruned && (knows_nothing || (self.kind.is_of_run() && value > floor.value));
        is_forgotten || (knows_nothing && !self.kind.is_of_run())
    }

    /// Whether a deletion that was sent before a moment may have taken effect.
    pub fn may_be_deleted(&self, before: u64) -> bool {
        self.possible().any(|write| write.value == NOTHING && write.start <= before)
    }
}
