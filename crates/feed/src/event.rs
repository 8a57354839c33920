//! The events of the feed, their positions, and topics.

use std::time::Instant;

/// A position in the order of the feed. On PostgreSQL: the tick, then the transaction's number, then the row's. On
/// SQLite: only the row's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The tick that shows the event. [`FIRST_TICK`](Self::FIRST_TICK) on SQLite, and without ticks.
    pub tick: i64,
    /// The transaction's number; 0 on SQLite.
    pub xact: i64,
    /// The row's number.
    pub id: i64,
}

impl Position {
    /// The tick of all events before the first tick, which will show them in the same order.
    pub const FIRST_TICK: i64 = 1;

    /// The position of a row without ticks.
    pub const fn of_row(xact: i64, id: i64) -> Self {
        Self { tick: Self::FIRST_TICK, xact, id }
    }

    /// The position after all events of a tick.
    pub const fn end_of(tick: i64) -> Self {
        Self { tick, xact: i64::MAX, id: i64::MAX }
    }
}

/// Distinguishes a position from the same one in a history that was lost and rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stamp {
    /// When the event was written, in microseconds since 1970. Another event may get the position, but not in the
    /// same microsecond.
    At(i64),
    /// The random mark of the tick.
    Tick(i64),
}

/// A position in one history of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The position.
    pub position: Position,
    /// The history.
    pub stamp: Stamp,
}

impl Mark {
    /// The position of a row without ticks, and when the row was written.
    pub const fn of_row(xact: i64, id: i64, at_us: i64) -> Self {
        Self { position: Position::of_row(xact, id), stamp: Stamp::At(at_us) }
    }
}

/// The kind of an event in the comment feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The comment was written.
    Added,
    /// Its text was changed.
    Edited,
    /// It was deleted.
    Deleted,
    /// An editor hid it.
    Hidden,
}

impl EventKind {
    /// Parses the name in the table.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "ADDED" => Self::Added,
            "EDITED" => Self::Edited,
            "DELETED" => Self::Deleted,
            "HIDDEN" => Self::Hidden,
            _ => return None,
        })
    }
}

/// The subject of a comment, by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum About {
    /// A movie.
    Movie(i32),
    /// A publication.
    Publication(i32),
}

/// An event in the comment feed.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Its position in the feed.
    pub mark: Mark,
    /// Its kind.
    pub kind: EventKind,
    /// The comment's key.
    pub comment: i32,
    /// The subject of the comment.
    pub about: About,
    /// When it was written, by the clock of this process.
    pub written: Instant,
    /// When this process read it; when it was written, if the process did not follow the feed yet.
    pub read: Instant,
}

/// A set of kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kinds(u8);

impl Kinds {
    /// New comments.
    pub const ADDED: Self = Self(1 << EventKind::Added as u8);
    /// Changes of comments.
    pub const CHANGES: Self = Self(Self::ALL.0 & !Self::ADDED.0);
    /// Everything.
    pub const ALL: Self = Self(0b1111);

    /// Whether the set contains the kind.
    pub const fn contains(self, kind: EventKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// Whether it contains only new comments (`true`) or only changes (`false`); `None` if it contains both.
    pub(super) fn are_added(self) -> Option<bool> {
        match (self.contains(EventKind::Added), self.0 & Self::CHANGES.0 != 0) {
            (true, true) => None,
            (is_added, _) => Some(is_added),
        }
    }
}

impl FromIterator<EventKind> for Kinds {
    fn from_iter<I: IntoIterator<Item = EventKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |set, kind| set | 1 << kind as u8))
    }
}

/// The events that a follower wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Topic {
    /// Their kinds.
    pub kinds: Kinds,
    /// The subject of the comments; `None`: any.
    pub about: Option<About>,
}

impl Topic {
    /// Whether the event belongs to the topic.
    pub fn wants(&self, event: &Event) -> bool {
        self.kinds.contains(event.kind) && self.about.is_none_or(|about| about == event.about)
    }
}

/// Why no more events come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The events that the listener has seen are not in the database's history, or events that it missed were
    /// removed.
    Expired,
    /// The server is stopping.
    Stopping,
}
