//! Checks that need the whole history: the values at the end, missed events, the order of events.

use super::finding::{FindingKind, Findings};
use super::register::{Floor, NOTHING, Register, ThingKind};
use super::spans::Outages;
use super::{Checker, Counts, Suspect};
use crate::history::line::CallOutcome;

/// The result of a check.
#[derive(Clone, Debug)]
pub struct Conclusion {
    /// The faults.
    pub findings: Findings,
    /// How much was checked.
    pub counts: Counts,
    /// When listeners received nothing for more than a second, although a comment was acknowledged.
    pub feed_outages: Outages,
}

impl Checker {
    /// Ends the check. `read`: the last reading is complete. `heard`: listeners had time to receive everything.
    pub fn conclude(mut self, read: bool, heard: bool) -> Conclusion {
        let mut findings = std::mem::take(&mut self.findings);
        for suspect in &self.suspects {
            self.judge_read(suspect, &mut findings);
        }
        if read {
            self.judge_end(&mut findings);
        }
        if heard {
            self.feed.find_behind(&mut findings);
            self.judge_heard(read, &mut findings);
        }
        self.judge_order(&mut findings);
        self.counts.things = self.registers.len() as u64;
        Conclusion { findings, counts: self.counts, feed_outages: self.delays.outages() }
    }

    /// The number of wrong values at the end, and of events that some listener has not received yet.
    pub fn open(&self) -> (u64, u64) {
        let (mut end, mut heard) = (Findings::default(), Findings::default());
        self.judge_end(&mut end);
        self.feed.find_behind(&mut heard);
        self.judge_heard(false, &mut heard);
        (end.total(), heard.total())
    }

    /// Checks a read when all writes are known.
    fn judge_read(&self, suspect: &Suspect, findings: &mut Findings) {
        let Suspect { thing, value, session, floor, line, .. } = *suspect;
        let register = &self.registers[thing as usize];
        if !self.is_suspect(suspect) {
            return;
        }
        let (name, who) = (self.name(thing), self.session_name(session));
        let known = register.writes.iter().find(|write| write.value == value && value != NOTHING);
        match known {
            Some(write) if write.outcome == CallOutcome::Refused => {
                findings.add(FindingKind::RefusedPresent, [line, write.line], || {
                    format!("{who} read {name} as {}, which was refused", shown(value))
                });
            }
            None if value != NOTHING && !register.is_pruned => {
                findings.add(FindingKind::OtherViewer, [line, floor.line], || {
                    format!("{who} read {name} as {}, which nobody wrote", shown(value))
                });
            }
            _ => {
                let (kind, how) = if floor.is_own {
                    (FindingKind::ReadYourWrites, "written")
                } else {
                    (FindingKind::MonotonicReads, "read")
                };
                findings.add(kind, [line, floor.line], || {
                    format!("{who} read {name} as {} after having {how} {}", shown(value), shown(floor.value))
                });
            }
        }
    }

    fn judge_end(&self, findings: &mut Findings) {
        for (index, register) in self.registers.iter().enumerate() {
            let is_found = register.reading == self.reading && self.reading > 0;
            let value = match is_found {
                true => register.found,
                false if register.kind.is_listed() => NOTHING,
                // The reading does not include it.
                false => continue,
            };
            let name = || self.name(u32::try_from(index).unwrap_or(u32::MAX));
            if is_found && register.times > 1 && value != NOTHING {
                findings.add(FindingKind::Twice, [register.found_line], || {
                    format!("{} was sent again and exists twice", name())
                });
            }
            let floor = register.final_floor();
            if !register.may_be(value, floor, u64::MAX, self.may_be_gone(register.under, u64::MAX)) {
                describe_end(register, value, floor, findings, name);
            } else if value == NOTHING && register.kind == ThingKind::Comment && register.heard > 0 {
                let is_excused = self.feed.parts.len() > 1 || self.may_be_gone(register.under, u64::MAX);
                if !is_excused && register.possible().next().is_some() {
                    findings
                        .add(FindingKind::Missing, [], || format!("listeners received {}, and it is missing", name()));
                }
            }
        }
    }

    fn judge_heard(&self, read: bool, findings: &mut Findings) {
        if self.feed.listeners() == 0 {
            return;
        }
        for (index, register) in self.registers.iter().enumerate() {
            if register.kind != ThingKind::Comment {
                continue;
            }
            let name = || self.name(u32::try_from(index).unwrap_or(u32::MAX));
            let line = register.writes.first().map_or(0, |write| write.line);
            if register.heard > 0 && register.possible().next().is_none() {
                findings.add(FindingKind::RefusedPresent, [line], || {
                    format!("listeners received {}, which was refused or never sent", name())
                });
            }
            let is_there = read && register.reading == self.reading && register.found != NOTHING;
            let done = register.last_done();
            // A listener that restarts loads what existed then as a list.
            let start = done.or_else(|| register.possible().next()).map(|write| write.start);
            let is_loaded = self.feed.restarted.is_some_and(|at| start.is_none_or(|start| start <= at));
            // A deleted comment's event has no text to identify it.
            let is_excused = is_loaded || self.may_be_gone(register.under, u64::MAX);
            if register.heard == 0 && (done.is_some() || is_there) && !is_excused {
                findings.add(FindingKind::MissedEvent, [line], || {
                    format!("{} was acknowledged, and no listener received it", name())
                });
            }
        }
    }

    /// A comment that existed before another was sent comes first: the other may be a reply to it.
    fn judge_order(&self, findings: &mut Findings) {
        for part in &self.feed.parts {
            // The earliest end of all later events.
            let mut earliest: Option<(u64, u32, u32)> = None;
            for entry in part.order.iter().rev() {
                let Some(register) = self.registers.get(entry.comment as usize) else { continue };
                let Some(write) = register.possible().next() else { continue };
                if let Some((end, other, line)) = earliest
                    && end < write.start
                {
                    findings.add(FindingKind::WritesFollowReads, [entry.line, line], || {
                        let (first, second) = (self.name(other), self.name(entry.comment));
                        format!("listeners received {second} before {first}, which existed before {second} was sent")
                    });
                }
                if write.outcome == CallOutcome::Done && earliest.is_none_or(|(end, ..)| write.end < end) {
                    earliest = Some((write.end, entry.comment, entry.line));
                }
            }
        }
    }
}

fn describe_end(register: &Register, value: u32, floor: Floor, findings: &mut Findings, name: impl Fn() -> String) {
    let found = register.found_line;
    let same = register.writes.iter().find(|write| write.value == value);
    let (kind, lines, text) = match value {
        NOTHING => (FindingKind::Missing, [0, floor.line], "was acknowledged and is missing".to_owned()),
        _ if floor.start > 0 && floor.value == NOTHING => {
            let text = "exists, although its deletion was acknowledged".to_owned();
            (FindingKind::WrongValue, [found, floor.line], text)
        }
        _ if floor.start == 0 && same.is_some() => {
            let line = same.map_or(0, |write| write.line);
            (FindingKind::RefusedPresent, [found, line], "was refused and exists".to_owned())
        }
        _ if floor.start == 0 => (FindingKind::RefusedPresent, [found, 0], "was never sent and exists".to_owned()),
        _ => {
            let text = format!("is {}, not the last acknowledged value {}", shown(value), shown(floor.value));
            (FindingKind::WrongValue, [found, floor.line], text)
        }
    };
    findings.add(kind, lines, || format!("{} {text}", name()));
}

fn shown(value: u32) -> String {
    if value == NOTHING { "nothing".to_owned() } else { value.to_string() }
}
