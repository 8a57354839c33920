//! Cursors of the feed: a position as opaque text, valid on every instance.
//!
//! There are two forms. `f1` has a row and its time. It is used without ticks, and stays valid when there are ticks.
//! `f2` has a tick with its mark, and may have a [`Snapshot`] whose events are [`ListedEvents`].

use std::fmt::Write;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use request::subscribe::EVENT_ID_BYTES_MAX;

use super::event::{Mark, Position, Stamp};

/// Maximum size of a cursor's text in bytes. A cursor is also the id of an event.
pub const CURSOR_BYTES_MAX: usize = EVENT_ID_BYTES_MAX;

/// A position in the feed of one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedCursor {
    /// The epoch of the position.
    pub epoch: String,
    /// The last event that was seen.
    pub mark: Mark,
    /// Later events that were seen in a list.
    pub seen: Option<Arc<ListedEvents>>,
}

/// Events after a position that were seen in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedEvents {
    /// The snapshot of the list.
    pub snapshot: Snapshot,
    /// The last tick that has some of the events.
    pub tick: i64,
    /// The mark of that tick.
    pub mark: i64,
}

impl ListedEvents {
    /// Whether the event at this position was in the list.
    pub fn has(&self, position: Position) -> bool {
        position.tick <= self.tick && self.snapshot.shows(position.xact)
    }
}

/// The visible transactions: PostgreSQL's `pg_snapshot`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    xmin: i64,
    xmax: i64,
    /// Invisible transactions between them, in ascending order.
    running: Vec<i64>,
}

impl Snapshot {
    /// Parses PostgreSQL's text, `xmin:xmax:running`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let (xmin, xmax) = (number(parts.next()?)?, number(parts.next()?)?);
        let running = match parts.next()? {
            "" => Vec::new(),
            list => list.split(',').map(number).collect::<Option<Vec<_>>>()?,
        };
        let is_ordered = xmin <= xmax && running.is_sorted_by(|one, next| one < next);
        let is_between = running.iter().all(|xact| (xmin..xmax).contains(xact));
        (is_ordered && is_between).then_some(Self { xmin, xmax, running })
    }

    /// Whether the transaction is visible, if it was committed.
    pub fn shows(&self, xact: i64) -> bool {
        xact < self.xmin || (xact < self.xmax && self.running.binary_search(&xact).is_err())
    }

    fn encode(&self) -> String {
        let mut text = format!("{}:{}:", self.xmin, self.xmax);
        for (index, xact) in self.running.iter().enumerate() {
            let _ = write!(text, "{}{xact}", if index > 0 { "," } else { "" });
        }
        text
    }
}

impl FeedCursor {
    /// The opaque form: letters, digits, `-` and `_`.
    pub fn encode(epoch: &str, mark: Mark) -> String {
        encode(epoch, mark, None)
    }

    /// The opaque form of this cursor.
    pub fn text(&self) -> String {
        encode(&self.epoch, self.mark, self.seen.as_deref())
    }

    /// Parses a text of [`encode`](Self::encode); `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > CURSOR_BYTES_MAX {
            return None;
        }
        let decoded = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (form, rest) = decoded.split_once(':')?;
        let (epoch, rest) = rest.split_once(':')?;
        let (mark, seen) = match form {
            "f1" => (parse_row(rest)?, None),
            "f2" => parse_position(rest)?,
            _ => return None,
        };
        let cursor = Self { epoch: epoch.to_owned(), mark, seen: seen.map(Arc::new) };
        (cursor.text() == text).then_some(cursor)
    }
}

/// The common parts of the cursors of some events.
#[derive(Clone, Debug)]
pub struct CursorScope {
    /// The epoch of the events.
    pub epoch: Arc<str>,
    /// Later events that the listener has seen in a list.
    pub seen: Option<Arc<ListedEvents>>,
}

impl CursorScope {
    /// The cursor of the event at this position.
    pub fn cursor(&self, mark: Mark) -> String {
        encode(&self.epoch, mark, self.seen.as_deref())
    }
}

fn encode(epoch: &str, mark: Mark, seen: Option<&ListedEvents>) -> String {
    let Mark { position: Position { tick, xact, id }, stamp } = mark;
    let mut text = match stamp {
        Stamp::At(at_us) => format!("f1:{epoch}:{xact}:{id}:{at_us}"),
        Stamp::Tick(mark) if mark_is_end(xact, id) => format!("f2:{epoch}:{tick}:{mark}:end"),
        Stamp::Tick(mark) => format!("f2:{epoch}:{tick}:{mark}:{xact}:{id}"),
    };
    if let Some(ListedEvents { snapshot, tick, mark }) = seen {
        let _ = write!(text, "/{tick}:{mark}:{}", snapshot.encode());
    }
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

fn mark_is_end(xact: i64, id: i64) -> bool {
    let end = Position::end_of(0);
    (xact, id) == (end.xact, end.id)
}

fn number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number| *number >= 0)
}

/// Parses the rest of the form `f1`.
fn parse_row(text: &str) -> Option<Mark> {
    let mut numbers = text.split(':').map(number);
    let mark = Mark::of_row(numbers.next()??, numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some(mark)
}

/// Parses the rest of the form `f2`.
fn parse_position(text: &str) -> Option<(Mark, Option<ListedEvents>)> {
    let (position, seen) = text.split_once('/').map_or((text, None), |(position, seen)| (position, Some(seen)));
    let mut parts = position.splitn(3, ':');
    let (tick, mark) = (number(parts.next()?)?, number(parts.next()?)?);
    let position = match parts.next()? {
        "end" => Position::end_of(tick),
        row => {
            let (xact, id) = row.split_once(':')?;
            Position { tick, xact: number(xact)?, id: number(id)? }
        }
    };
    let seen = match seen {
        None => None,
        Some(text) => Some(parse_seen(text)?),
    };
    Some((Mark { position, stamp: Stamp::Tick(mark) }, seen))
}

fn parse_seen(text: &str) -> Option<ListedEvents> {
    let mut parts = text.splitn(3, ':');
    let (tick, mark) = (number(parts.next()?)?, number(parts.next()?)?);
    Some(ListedEvents { snapshot: Snapshot::parse(parts.next()?)?, tick, mark })
}

#[cfg(test)]
mod tests;
