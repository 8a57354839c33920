//! Checks a history line by line, without the server.
//!
//! - `register`: a thing and its possible values. `feed`: the events of listeners.
//! - `finding`: faults. `finish`: checks that need the whole history. `command`: `seeder check`.
//!
//! Memory depends on the number of things, and of things that sessions read of each other, not on that of lines.

mod command;
mod feed;
mod finding;
mod finish;
mod register;
mod spans;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use anyhow::{anyhow, bail};
use serde::Serialize;

pub use command::run;
use feed::FeedHistory;
use finding::FindingKind;
use finding::Findings;
pub use finish::Conclusion;
use register::{Floor, NONE, NOTHING, Register, ThingKind, WriteRecord};
pub use spans::Outages;
use spans::Spans;

use super::line::{CallOutcome, HistoryCall, HistoryEvent, HistoryLine, HistoryRun, ThingValue};

/// The feed has an outage if an acknowledged comment arrives later than this, in microseconds.
const DELAY_MICROS: u64 = 1_000_000;
/// Reads that are checked at the end, when all writes are known.
const SUSPECTS_MAX: usize = 100_000;

/// A read that did not fit what was known when it ended.
#[derive(Clone, Copy, Debug)]
struct Suspect {
    thing: u32,
    value: u32,
    session: u16,
    floor: Floor,
    end: u64,
    line: u32,
}

/// The size of a history.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Lines.
    pub lines: u64,
    /// Calls.
    pub calls: u64,
    /// Things that were written or found.
    pub things: u64,
    /// Values that sessions read.
    pub reads: u64,
    /// Events.
    pub events: u64,
    /// Values at the end.
    pub found: u64,
}

/// Checks a history.
pub struct Checker {
    run: HistoryRun,
    counts: Counts,
    names: HashMap<String, u16>,
    things: HashMap<u64, u32, BuildHasherDefault<DefaultHasher>>,
    registers: Vec<Register>,
    /// The publications of the run, by the hashes of their ids.
    publications: HashMap<u64, u32>,
    /// Names of things that are more than a number.
    labels: HashMap<u32, Box<str>>,
    /// What sessions have read of each other's things.
    floors: HashMap<(u16, u32), Floor>,
    suspects: Vec<Suspect>,
    /// Whether the reads have so many faults that no more are recorded.
    is_flooded: bool,
    feed: FeedHistory,
    delays: Spans,
    reading: u32,
    findings: Findings,
}

impl Checker {
    /// Starts a check of a run's history.
    pub fn new(run: HistoryRun) -> Self {
        Self {
            feed: FeedHistory::new(run.listeners),
            run,
            counts: Counts { lines: 1, ..Counts::default() },
            names: HashMap::new(),
            things: HashMap::default(),
            registers: Vec::new(),
            publications: HashMap::new(),
            labels: HashMap::new(),
            floors: HashMap::new(),
            suspects: Vec::new(),
            is_flooded: false,
            delays: Spans::default(),
            reading: 0,
            findings: Findings::default(),
        }
    }

    /// Checks a line.
    ///
    /// # Errors
    /// The line is invalid.
    pub fn take(&mut self, line: &HistoryLine) -> anyhow::Result<()> {
        self.counts.lines += 1;
        let number = self.counts.lines;
        let at = u32::try_from(number).map_err(|_| anyhow!("line {number}: a history has at most 2^32 lines"))?;
        let taken = match line {
            HistoryLine::Call(call) => self.take_call(call, at),
            HistoryLine::Event(event) => self.take_event(event, at),
            HistoryLine::Restart(restart) => self.check_listener(restart.listener).map(|()| {
                self.feed.restart(restart.listener, restart.at);
            }),
            HistoryLine::Reading(_) => {
                self.reading += 1;
                self.counts.found = 0;
                Ok(())
            }
            HistoryLine::Found(found) => self.take_found(found, at),
            HistoryLine::Run(_) | HistoryLine::End(_) => Ok(()),
        };
        taken.map_err(|error| anyhow!("line {number}: {error}"))
    }

    fn take_call(&mut self, call: &HistoryCall, line: u32) -> anyhow::Result<()> {
        if call.end < call.start {
            bail!("the call ends before it begins");
        }
        if call.instance as usize >= self.run.urls.len() {
            bail!("the first line names {} servers; server {} does not exist", self.run.urls.len(), call.instance);
        }
        self.counts.calls += 1;
        let session = self.session(call.session.as_deref())?;
        if let Some(wrote) = &call.wrote {
            let (thing, value) = self.sight(wrote)?;
            let register = &mut self.registers[thing as usize];
            if let Some(under) = &call.under {
                register.under = hash(under);
            }
            if let (Some(id), ThingKind::Publication) = (&call.id, register.kind) {
                self.publications.insert(hash(id), thing);
            }
            let (start, end, outcome) = (call.start, call.end, call.outcome);
            register.write(WriteRecord { start, end, line, value, session, outcome });
        }
        let other = call.viewer.as_ref().filter(|viewer| Some(*viewer) != call.session.as_ref());
        if let Some(other) = other {
            self.findings.add(FindingKind::OtherViewer, [line], || {
                format!("{} got a response for {other}", call.session.as_deref().unwrap_or("an anonymous client"))
            });
        }
        if !call.stale && call.outcome == CallOutcome::Done {
            for saw in &call.saw {
                let (thing, value) = self.sight(saw)?;
                self.take_read(thing, value, session, call, line);
            }
        }
        Ok(())
    }

    /// A session reads a value, which must not be older than what it knows.
    fn take_read(&mut self, thing: u32, value: u32, session: u16, call: &HistoryCall, line: u32) {
        self.counts.reads += 1;
        let register = &self.registers[thing as usize];
        let own = register.own_floor(session, call.start);
        let read = self.floors.get(&(session, thing)).copied().unwrap_or_default();
        let floor = if read.start > own.start { read } else { own };
        let may_be_gone = self.may_be_gone(register.under, call.end);
        if !register.may_be(value, floor, call.end, may_be_gone) {
            if self.suspects.len() == SUSPECTS_MAX && !self.is_flooded {
                self.clear_suspects();
            }
            if self.suspects.len() < SUSPECTS_MAX {
                self.suspects.push(Suspect { thing, value, session, floor, end: call.end, line });
            }
            return;
        }
        let is_of_run = register.kind.is_of_run();
        let writes = &mut self.registers[thing as usize].writes;
        let mut seen = writes.iter_mut().filter(|write| write.value == value && write.outcome != CallOutcome::Refused);
        let (Some(write), None) = (seen.next(), seen.next()) else { return };
        if is_of_run && value != NOTHING {
            // A write that was seen is done.
            write.outcome = CallOutcome::Done;
            write.end = write.end.min(call.end);
        }
        // A missing thing may be one that never existed.
        let is_known = value != NOTHING || floor.start > 0;
        if is_known && write.session != session && write.start > read.start {
            let floor = Floor { start: write.start, value, line, is_own: false };
            self.floors.insert((session, thing), floor);
        }
    }

    /// Removes reads whose writes are known by now.
    fn clear_suspects(&mut self) {
        let suspects = std::mem::take(&mut self.suspects);
        self.suspects = suspects.into_iter().filter(|suspect| self.is_suspect(suspect)).collect();
        // There are enough faults: stop looking for more.
        self.is_flooded = self.suspects.len() > SUSPECTS_MAX / 2;
    }

    fn is_suspect(&self, &Suspect { thing, value, floor, end, .. }: &Suspect) -> bool {
        let register = &self.registers[thing as usize];
        !register.may_be(value, floor, end, self.may_be_gone(register.under, end))
    }

    fn take_event(&mut self, event: &HistoryEvent, line: u32) -> anyhow::Result<()> {
        self.check_listener(event.listener)?;
        let thing = event.comment.map(|number| self.thing(&format!("comment/{number}"))).transpose()?;
        let heard = self.feed.receive(event.listener, &event.id, thing.unwrap_or(NONE), line, &mut self.findings);
        self.counts.events += 1;
        let Some(thing) = thing else { return Ok(()) };
        let register = &mut self.registers[thing as usize];
        if heard.is_first && register.heard == heard.part {
            self.findings.add(FindingKind::Twice, [line], || {
                format!("comment/{} was sent again and has a second event, {}", register.number, event.id)
            });
        }
        if register.heard == 0
            && let Some(write) = register.last_done()
            && write.end + DELAY_MICROS < event.at
        {
            self.delays.add(write.end, event.at);
        }
        register.heard = register.heard.max(heard.part);
        Ok(())
    }

    fn take_found(&mut self, found: &ThingValue, line: u32) -> anyhow::Result<()> {
        if self.reading == 0 {
            bail!("a value at the end comes before the start of a reading");
        }
        self.counts.found += 1;
        let (thing, value) = self.sight(found)?;
        let register = &mut self.registers[thing as usize];
        let is_again = register.reading == self.reading;
        register.times = if is_again { register.times.saturating_add(1) } else { 1 };
        register.reading = self.reading;
        register.found = value;
        register.found_line = line;
        Ok(())
    }

    /// One listener more than in the run receives everything again at the end.
    fn check_listener(&mut self, listener: u32) -> anyhow::Result<()> {
        if listener > self.run.listeners || !self.feed.has(listener) {
            bail!("the first line names {} listeners; listener {listener} does not exist", self.run.listeners);
        }
        Ok(())
    }

    fn session(&mut self, name: Option<&str>) -> anyhow::Result<u16> {
        let name = name.unwrap_or_default();
        if let Some(session) = self.names.get(name) {
            return Ok(*session);
        }
        let session = u16::try_from(self.names.len()).map_err(|_| anyhow!("more than 65536 sessions"))?;
        self.names.insert(name.to_owned(), session);
        Ok(session)
    }

    fn sight(&mut self, sight: &ThingValue) -> anyhow::Result<(u32, u32)> {
        Ok((self.thing(&sight.thing)?, sight.value.unwrap_or(NOTHING)))
    }

    fn thing(&mut self, name: &str) -> anyhow::Result<u32> {
        let key = hash(name);
        if let Some(thing) = self.things.get(&key) {
            return Ok(*thing);
        }
        let (word, rest) =
            name.split_once('/').ok_or_else(|| anyhow!("{name:?} is not a thing: the slash is missing"))?;
        let kind = match word {
            "comment" => ThingKind::Comment,
            "publication" => ThingKind::Publication,
            "user" => ThingKind::User,
            "session" => ThingKind::Session,
            "order" => ThingKind::Order,
            "rating" | "presence" => ThingKind::Other,
            _ => bail!("{name:?} is not a thing of a known kind"),
        };
        let thing = u32::try_from(self.registers.len()).map_err(|_| anyhow!("too many things"))?;
        let number = if kind.is_of_run() {
            rest.parse().map_err(|_| anyhow!("{name:?} has no number"))?
        } else {
            self.labels.insert(thing, name.into());
            0
        };
        self.things.insert(key, thing);
        self.registers.push(Register::new(kind, number));
        Ok(thing)
    }

    /// Whether the parent of something may have been deleted before a moment.
    fn may_be_gone(&self, under: u64, before: u64) -> bool {
        let publication = self.publications.get(&under);
        publication.is_some_and(|thing| self.registers[*thing as usize].may_be_deleted(before))
    }

    fn name(&self, thing: u32) -> String {
        if let Some(label) = self.labels.get(&thing) {
            return label.to_string();
        }
        let Register { kind, number, .. } = &self.registers[thing as usize];
        let word = match kind {
            ThingKind::Comment => "comment",
            ThingKind::Publication => "publication",
            ThingKind::User => "user",
            ThingKind::Session | ThingKind::Order | ThingKind::Other => "session",
        };
        format!("{word}/{number}")
    }

    fn session_name(&self, session: u16) -> &str {
        let name = self.names.iter().find(|(_, known)| **known == session).map_or("", |(name, _)| name);
        if name.is_empty() { "an anonymous client" } else { name }
    }
}

/// Replaces a name: two of ten million share one with a probability of three in a million.
fn hash(name: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(name)
}
