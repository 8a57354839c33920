//! Cursors of the feed: a place in it as opaque text, good on every instance.
//!
//! There are two forms. `f1` has a row and its time; it is given where there are no ticks, and stays good when there are.
//! `f2` has a tick with its mark, and may have a [`Snapshot`] whose events are [`Seen`].

use std::fmt::Write;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use request::subscribe::EVENT_ID_BYTES_MAX;

use super::event::{Mark, Position, Stamp};

/// Bytes of a cursor's text at most: each is the id of an event.
pub const CURSOR_BYTES_MAX: usize = EVENT_ID_BYTES_MAX;

/// A place in the feed of one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedCursor {
    /// The epoch that the place is good in.
    pub epoch: String,
    /// The event that was seen last.
    pub mark: Mark,
    /// What was seen of that which follows.
    pub seen: Option<Arc<Seen>>,
}

/// Events behind a place that were seen in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What the list was read in.
    pub snapshot: Snapshot,
    /// The last tick that has something of it.
    pub tick: i64,
    /// That tick's mark.
    pub mark: i64,
}

impl Seen {
    /// Whether the event at this place was in the list.
    pub fn has(&self, position: Position) -> bool {
        position.tick <= self.tick && self.snapshot.shows(position.xact)
    }
}

/// Which transactions are visible: PostgreSQL's `pg_snapshot`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    xmin: i64,
    xmax: i64,
    /// Transactions between that are not, in ascending order.
    running: Vec<i64>,
}

impl Snapshot {
    /// Reads PostgreSQL's text, `xmin:xmax:running`.
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

    /// The opaque form of this one.
    pub fn text(&self) -> String {
        encode(&self.epoch, self.mark, self.seen.as_deref())
    }

    /// Reads what [`encode`](Self::encode) has written; nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > CURSOR_BYTES_MAX {
            return None;
        }
        let decoded = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (form, rest) = decoded.split_once(':')?;
        let (epoch, rest) = rest.split_once(':')?;
        let (mark, seen) = match form {
            "f1" => (parse_row(rest)?, None),
            "f2" => parse_place(rest)?,
            _ => return None,
        };
        let cursor = Self { epoch: epoch.to_owned(), mark, seen: seen.map(Arc::new) };
        (cursor.text() == text).then_some(cursor)
    }
}

/// What the cursors of some events have in common.
#[derive(Clone, Debug)]
pub struct CursorScope {
    /// The epoch of the events.
    pub epoch: Arc<str>,
    /// What whoever gets them has seen of those that follow.
    pub seen: Option<Arc<Seen>>,
}

impl CursorScope {
    /// The cursor of the event at this place.
    pub fn cursor(&self, mark: Mark) -> String {
        encode(&self.epoch, mark, self.seen.as_deref())
    }
}

fn encode(epoch: &str, mark: Mark, seen: Option<&Seen>) -> String {
    let Mark { position: Position { tick, xact, id }, stamp } = mark;
    let mut text = match stamp {
        Stamp::At(at_us) => format!("f1:{epoch}:{xact}:{id}:{at_us}"),
        Stamp::Tick(mark) if mark_is_end(xact, id) => format!("f2:{epoch}:{tick}:{mark}:end"),
        Stamp::Tick(mark) => format!("f2:{epoch}:{tick}:{mark}:{xact}:{id}"),
    };
    if let Some(Seen { snapshot, tick, mark }) = seen {
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

/// The rest of the form `f1`.
fn parse_row(text: &str) -> Option<Mark> {
    let mut numbers = text.split(':').map(number);
    let mark = Mark::of_row(numbers.next()??, numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some(mark)
}

/// The rest of the form `f2`.
fn parse_place(text: &str) -> Option<(Mark, Option<Seen>)> {
    let (place, seen) = text.split_once('/').map_or((text, None), |(place, seen)| (place, Some(seen)));
    let mut parts = place.splitn(3, ':');
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

fn parse_seen(text: &str) -> Option<Seen> {
    let mut parts = text.splitn(3, ':');
    let (tick, mark) = (number(parts.next()?)?, number(parts.next()?)?);
    Some(Seen { snapshot: Snapshot::parse(parts.next()?)?, tick, mark })
}

#[cfg(test)]
mod tests;
