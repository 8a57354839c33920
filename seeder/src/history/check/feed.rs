//! Compares the events of listeners: the first listener that receives an event records it, the others are compared.
//!
//! The feed has parts. A listener whose cursor has expired starts a new part, at a position near that of others. Its
//! first events are held until the first event of the part arrives.

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
    /// The number of the comment, if the run made it.
    pub comment: u32,
    /// The line where it was received first.
    pub line: u32,
}

/// The position of a listener.
#[derive(Debug)]
enum ListenerPosition {
    /// The number of events of its part that it has received.
    At(usize),
    /// Its events are not yet known to be before the part or in it.
    Joining(Vec<FeedEntry>),
}

/// A listener.
#[derive(Debug)]
struct ListenerProgress {
    part: usize,
    position: ListenerPosition,
    number: u32,
}

/// Events between two losses of history.
#[derive(Debug, Default)]
pub struct FeedPart {
    /// The events in order.
    pub order: Vec<FeedEntry>,
    positions: HashMap<u64, usize, BuildHasherDefault<DefaultHasher>>,
}

/// All events of all listeners.
#[derive(Debug, Default)]
pub struct FeedHistory {
    /// The parts.
    pub parts: Vec<FeedPart>,
    listeners: Vec<ListenerProgress>,
    /// The number of events.
    pub events: u64,
    /// When a listener last restarted.
    pub restarted: Option<u64>,
}

/// How an event fits the feed.
pub struct EventMatch {
    /// The part, counted from 1.
    pub part: u8,
    /// Whether it is the first time in this part.
    pub is_first: bool,
}

impl FeedHistory {
    /// A feed with listeners that start at one cursor.
    pub fn new(listeners: u32) -> Self {
        let listeners = (0..listeners)
            .map(|number| ListenerProgress { part: 0, position: ListenerPosition::At(0), number })
            .collect();
        Self { parts: vec![FeedPart::default()], listeners, events: 0, restarted: None }
    }

    /// The number of listeners.
    pub fn listeners(&self) -> usize {
        self.listeners.len()
    }

    /// Whether this listener exists. The next number adds a listener at the first cursor.
    pub fn has(&mut self, number: u32) -> bool {
        let count = self.listeners.len();
        if number as usize == count {
            self.listeners.push(ListenerProgress { part: 0, position: ListenerPosition::At(0), number });
        }
        number as usize <= count
    }

    /// A listener restarts with a new cursor.
    pub fn restart(&mut self, listener: u32, at: u64) {
        let listener = &mut self.listeners[listener as usize];
        listener.part += 1;
        listener.position = ListenerPosition::Joining(Vec::new());
        if listener.part == self.parts.len() {
            self.parts.push(FeedPart::default());
        }
        self.restarted = self.restarted.max(Some(at));
    }

    /// A listener receives an event.
    pub fn receive(&mut self, listener: u32, id: &str, comment: u32, line: u32, findings: &mut Findings) -> EventMatch {
        self.events += 1;
        let key = hash(id);
        let state = &mut self.listeners[listener as usize];
        let part = &mut self.parts[state.part];
        let known = part.positions.get(&key).copied();
        let mut shift = 0;
        let entry = FeedEntry { key, comment, line };
        if let Some(at) = known
            && comment != NONE
        {
            part.order[at].comment = comment;
        }
        match &mut state.position {
            ListenerPosition::At(position) => {
                *position = part.follow(*position, known, entry, id, state.number, findings);
            }
            ListenerPosition::Joining(held) => {
                held.push(entry);
                match known {
                    // Its first events precede those with which others began.
                    Some(0) => {
                        held.pop();
                        part.begin_with(held);
                        shift = held.len();
                        // It moves with the shift below.
                        state.position = ListenerPosition::At(1);
                    }
                    Some(at) => {
                        if let [missed, _, ..] = held.as_slice() {
                            findings.add(FindingKind::ListenersDiffer, [missed.line, part.order[at].line], || {
                                format!("listener {} received an event before {id} that others did not", state.number)
                            });
                        }
                        state.position = ListenerPosition::At(at + 1);
                    }
                    None if part.order.is_empty() => {
                        part.begin_with(held);
                        state.position = ListenerPosition::At(held.len());
                    }
                    None => {}
                }
            }
        }
        let number = state.part;
        for state in self.listeners.iter_mut().filter(|state| shift > 0 && state.part == number) {
            if let ListenerPosition::At(position) = &mut state.position {
                *position += shift;
            }
        }
        EventMatch { part: u8::try_from(number + 1).unwrap_or(u8::MAX), is_first: known.is_none() }
    }

    /// Finds listeners that have not received everything.
    pub fn find_behind(&self, findings: &mut Findings) {
        for ListenerProgress { part, position, number } in &self.listeners {
            let order = &self.parts[*part].order;
            let (has, of) = match position {
                ListenerPosition::At(position) => (*position, order.len()),
                // It restarted, and received nothing that others did: one side has missed events.
                ListenerPosition::Joining(held) if !held.is_empty() => {
                    findings.add(FindingKind::ListenersDiffer, [held[0].line, order[0].line], || {
                        format!(
                            "listener {number} restarted and received {} events that no other listener received",
                            held.len()
                        )
                    });
                    continue;
                }
                ListenerPosition::Joining(_) => (0, order.len()),
            };
            if has < of {
                findings.add(FindingKind::MissedEvent, [order[has].line], || {
                    format!(
                        "listener {number} received {has} of {of} events: it lacks the one that others received next"
                    )
                });
            }
        }
    }
}

impl FeedPart {
    /// Advances a listener that has received `position` events. Returns how many it has then.
    fn follow(
        &mut self,
        position: usize,
        known: Option<usize>,
        entry: FeedEntry,
        id: &str,
        listener: u32,
        findings: &mut Findings,
    ) -> usize {
        match known {
            Some(at) if at == position => position + 1,
            Some(at) if at > position => {
                let missed = self.order[position].line;
                findings.add(FindingKind::ListenersDiffer, [entry.line, missed], || {
                    format!("listener {listener} received {id} where others received another comment")
                });
                at + 1
            }
            Some(at) => {
                findings.add(FindingKind::RepeatedEvent, [entry.line, self.order[at].line], || {
                    format!("listener {listener} received {id} again, or after later events")
                });
                position
            }
            // Others did not receive it here; their positions stay.
            None if position < self.order.len() => {
                findings.add(FindingKind::ListenersDiffer, [entry.line, self.order[position].line], || {
                    format!("listener {listener} received {id} where others received another comment")
                });
                position
            }
            None => {
                self.positions.insert(entry.key, self.order.len());
                self.order.push(entry);
                self.order.len()
            }
        }
    }

    /// Inserts events before those of the part.
    fn begin_with(&mut self, held: &[FeedEntry]) {
        self.order.splice(0..0, held.iter().copied());
        self.positions = self.order.iter().enumerate().map(|(position, entry)| (entry.key, position)).collect();
    }
}
