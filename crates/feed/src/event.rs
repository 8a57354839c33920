//! What the feed consists of: events, where they stand in its order, and which of them somebody wants.

use std::time::Instant;

/// A place in the feed's order: on PostgreSQL the tick, in it the transaction's number, and of those the row's; on SQLite
/// the row's number alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The tick that shows the event. [`FIRST_TICK`](Self::FIRST_TICK) on SQLite and where there are no ticks yet.
    pub tick: i64,
    /// The transaction's number; 0 on SQLite.
    pub xact: i64,
    /// The row's number.
    pub id: i64,
}

impl Position {
    /// The tick of everything that is told while there are no ticks: the first one will show it, in the same order.
    pub const FIRST_TICK: i64 = 1;

    /// The place of a row where there are no ticks.
    pub const fn of_row(xact: i64, id: i64) -> Self {
        Self { tick: Self::FIRST_TICK, xact, id }
    }

    /// The place behind all events of a tick.
    pub const fn end_of(tick: i64) -> Self {
        Self { tick, xact: i64::MAX, id: i64::MAX }
    }
}

/// What tells a place from the same one in a history that was lost and written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stamp {
    /// When the event at the place was written, in microseconds since 1970. Another event may take the place, but not at
    /// the same microsecond.
    At(i64),
    /// The random mark of the place's tick.
    Tick(i64),
}

/// A place in the feed, in one history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// Where it is.
    pub position: Position,
    /// In which history.
    pub stamp: Stamp,
}

impl Mark {
    /// The place of a row where there are no ticks, and when the row was written.
    pub const fn of_row(xact: i64, id: i64, at_us: i64) -> Self {
        Self { position: Position::of_row(xact, id), stamp: Stamp::At(at_us) }
    }
}

/// The kind of an event in the comment feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It was written.
    Added,
    /// Its text was changed.
    Edited,
    /// It was deleted.
    Deleted,
    /// An editor took it away.
    Hidden,
}

impl EventKind {
    /// Reads the name that it has in the table.
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

/// What a comment is about, by its key.
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
    /// Where it stands in the feed.
    pub mark: Mark,
    /// What happened.
    pub kind: EventKind,
    /// The comment's key.
    pub comment: i32,
    /// The movie or publication that the comment is about.
    pub about: About,
    /// When it was written, by this process's clock.
    pub written: Instant,
    /// When this process read it; when it was written, if that was before the process followed the feed.
    pub read: Instant,
}

/// A set of kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kinds(u8);

impl Kinds {
    /// New comments.
    pub const ADDED: Self = Self(1 << EventKind::Added as u8);
    /// What happens to comments afterwards.
    pub const CHANGES: Self = Self(Self::ALL.0 & !Self::ADDED.0);
    /// Everything.
    pub const ALL: Self = Self(0b1111);

    /// Whether the set has this kind.
    pub const fn contains(self, kind: EventKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// Whether it is new comments alone, or changes alone; `None` if it has both.
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

/// Which events somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Topic {
    /// Of which kinds.
    pub kinds: Kinds,
    /// On comments about what; about anything if left out.
    pub about: Option<About>,
}

impl Topic {
    /// Whether the event is one of them.
    pub fn wants(&self, event: &Event) -> bool {
        self.kinds.contains(event.kind) && self.about.is_none_or(|about| about == event.about)
    }
}

/// Why no more events come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// What the listener has seen is not in the database's history any more, or what it missed was
    /// removed.
    Expired,
    /// The server stops.
    Stopping,
}
