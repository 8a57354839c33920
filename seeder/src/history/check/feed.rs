//! What listeners heard, compared: whoever hears an event first writes it down, the others compare.
//!
//! The feed has parts: a listener whose cursor has expired begins anew, at a place a little before others or behind
//! them. Its first events are held until one comes that the part begins with.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use super::finding::{FindingKind, Findings};
use super::hash;
use super::register::NONE;

/// An event.
#[derive(Clone, Copy, Debug)]
pub struct FeedEntry {
    /// The hash of the comment's id.
    key: u64,
    /// The comment, if it is of the run.
    pub comment: u32,
    /// Where it was heard first.
    pub line: u32,
}

/// Where a listener is.
#[derive(Debug)]
enum ListenerPlace {
    /// So many events of its part are behind it.
    At(usize),
    /// What it has heard is not yet known to be before or in its part.
    Joining(Vec<FeedEntry>),
}

/// A listener.
#[derive(Debug)]
struct ListenerState {
    part: usize,
    place: ListenerPlace,
    number: u32,
}

/// Events between two losses of history.
#[derive(Debug, Default)]
pub struct FeedPart {
    /// In order.
    pub order: Vec<FeedEntry>,
    places: HashMap<u64, usize, BuildHasherDefault<DefaultHasher>>,
}

/// All that listeners heard.
#[derive(Debug, Default)]
pub struct Feed {
    /// Its parts.
    pub parts: Vec<FeedPart>,
    listeners: Vec<ListenerState>,
    /// How many events there were.
    pub events: u64,
    /// When a listener began anew last.
    pub restarted: Option<u64>,
}

/// What hearing an event tells.
pub struct Hearing {
    /// The part, counted from 1.
    pub part: u8,
    /// Whether nobody had heard of it in this part.
    pub is_first: bool,
}

impl Feed {
    /// So many listeners, behind one cursor.
    pub fn new(listeners: u32) -> Self {
        let listeners =
            (0..listeners).map(|number| ListenerState { part: 0, place: ListenerPlace::At(0), number }).collect();
        Self { parts: vec![FeedPart::default()], listeners, events: 0, restarted: None }
    }

    /// How many listeners there are.
    pub fn listeners(&self) -> usize {
        self.listeners.len()
    }

    /// One listener more, behind the first cursor: the numbers follow each other. Says whether there is this one.
    pub fn has(&mut self, number: u32) -> bool {
        let count = self.listeners.len();
        if number as usize == count {
            self.listeners.push(ListenerState { part: 0, place: ListenerPlace::At(0), number });
        }
        number as usize <= count
    }

    /// A listener begins anew.
    pub fn restart(&mut self, listener: u32, at: u64) {
        let listener = &mut self.listeners[listener as usize];
        listener.part += 1;
        listener.place = ListenerPlace::Joining(Vec::new());
        if listener.part == self.parts.len() {
            self.parts.push(FeedPart::default());
        }
        self.restarted = self.restarted.max(Some(at));
    }

    /// A listener hears of an event.
    pub fn hear(&mut self, listener: u32, id: &str, comment: u32, line: u32, findings: &mut Findings) -> Hearing {
        self.events += 1;
        let key = hash(id);
        let state = &mut self.listeners[listener as usize];
        let part = &mut self.parts[state.part];
        let known = part.places.get(&key).copied();
        let mut shift = 0;
        let entry = FeedEntry { key, comment, line };
        if let Some(at) = known
            && comment != NONE
        {
            part.order[at].comment = comment;
        }
        match &mut state.place {
            ListenerPlace::At(place) => {
                *place = part.follow(*place, known, entry, id, state.number, findings);
            }
            ListenerPlace::Joining(held) => {
                held.push(entry);
                match known {
                    // Its first events come before what others began with.
                    Some(0) => {
                        held.pop();
                        part.begin_with(held);
                        shift = held.len();
                        // With what follows, which shifts it.
                        state.place = ListenerPlace::At(1);
                    }
                    Some(at) => {
                        if let [missed, _, ..] = held.as_slice() {
                            findings.add(FindingKind::ListenersDiffer, [missed.line, part.order[at].line], || {
                                format!("listener {} heard an event before {id} that others did not hear", state.number)
                            });
                        }
                        state.place = ListenerPlace::At(at + 1);
                    }
                    None if part.order.is_empty() => {
                        part.begin_with(held);
                        state.place = ListenerPlace::At(held.len());
                    }
                    None => {}
                }
            }
        }
        let number = state.part;
        for state in self.listeners.iter_mut().filter(|state| shift > 0 && state.part == number) {
            if let ListenerPlace::At(place) = &mut state.place {
                *place += shift;
            }
        }
        Hearing { part: u8::try_from(number + 1).unwrap_or(u8::MAX), is_first: known.is_none() }
    }

    /// Which listeners have not heard of everything.
    pub fn find_behind(&self, findings: &mut Findings) {
        for ListenerState { part, place, number } in &self.listeners {
            let order = &self.parts[*part].order;
            let (has, of) = match place {
                ListenerPlace::At(place) => (*place, order.len()),
                // It has begun anew, and heard nothing that others heard: they have missed that, or it has missed theirs.
                ListenerPlace::Joining(held) if !held.is_empty() => {
                    findings.add(FindingKind::ListenersDiffer, [held[0].line, order[0].line], || {
                        format!(
                            "listener {number} began anew and heard {} events, of which others heard none",
                            held.len()
                        )
                    });
                    continue;
                }
                ListenerPlace::Joining(_) => (0, order.len()),
            };
            if has < of {
                findings.add(FindingKind::MissedEvent, [order[has].line], || {
                    format!("listener {number} heard {has} of {of} events: it did not hear of the one that others heard next")
                });
            }
        }
    }
}

impl FeedPart {
    /// Goes on with a listener that has heard `place` events. Gives how many it has heard then.
    fn follow(
        &mut self,
        place: usize,
        known: Option<usize>,
        entry: FeedEntry,
        id: &str,
        listener: u32,
        findings: &mut Findings,
    ) -> usize {
        match known {
            Some(at) if at == place => place + 1,
            Some(at) if at > place => {
                let missed = self.order[place].line;
                findings.add(FindingKind::ListenersDiffer, [entry.line, missed], || {
                    format!("listener {listener} heard of {id} where others heard of another comment")
                });
                at + 1
            }
            Some(at) => {
                findings.add(FindingKind::RepeatedEvent, [entry.line, self.order[at].line], || {
                    format!("listener {listener} heard of {id} again, or after what others heard later")
                });
                place
            }
            // Others did not hear of it here; they go on as they are.
            None if place < self.order.len() => {
                findings.add(FindingKind::ListenersDiffer, [entry.line, self.order[place].line], || {
                    format!("listener {listener} heard of {id} where others heard of another comment")
                });
                place
            }
            None => {
                self.places.insert(entry.key, self.order.len());
                self.order.push(entry);
                self.order.len()
            }
        }
    }

    /// Puts events before those that are there.
    fn begin_with(&mut self, held: &[FeedEntry]) {
        self.order.splice(0..0, held.iter().copied());
        self.places = self.order.iter().enumerate().map(|(place, entry)| (entry.key, place)).collect();
    }
}
