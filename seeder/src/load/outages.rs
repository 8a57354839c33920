//! Outages: times without success, by kind of operation.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::lock;
use crate::history::check::Outages;

/// A kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum OutageKind {
    /// Anonymous queries.
    AnonymousReads,
    /// Queries with a token.
    SignedInReads,
    /// Mutations.
    Mutations,
    /// Events of listeners.
    Feed,
}

impl OutageKind {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::AnonymousReads => "anonymous reads",
            Self::SignedInReads => "signed-in reads",
            Self::Mutations => "mutations",
            Self::Feed => "feed",
        }
    }
}

/// The outages of one kind.
#[derive(Debug, Default)]
pub struct OutageClock {
    since: Option<Instant>,
    succeeded: Option<Instant>,
    past: Outages,
}

impl OutageClock {
    /// A request failed: the outage starts when it was sent, or at the last success.
    pub fn fail(&mut self, sent_at: Instant) {
        let started = self.succeeded.map_or(sent_at, |succeeded| succeeded.max(sent_at));
        self.since.get_or_insert(started);
    }

    /// A request succeeded. If it was sent before the outage, the outage continues.
    pub fn succeed(&mut self, sent_at: Instant) {
        self.succeeded = Some(Instant::now());
        if let Some(since) = self.since.take_if(|since| *since <= sent_at) {
            self.past.add(since.elapsed().as_secs_f64());
        }
    }

    /// How long the current outage has lasted.
    pub fn open(&self) -> Option<Duration> {
        self.since.map(|since| since.elapsed())
    }

    /// All outages, including the current one.
    pub fn outages(&self) -> Outages {
        let mut outages = self.past;
        if let Some(open) = self.open() {
            outages.add(open.as_secs_f64());
        }
        outages
    }
}

/// The outages by kind.
#[derive(Debug, Default)]
pub struct OutageClocks(Mutex<BTreeMap<OutageKind, OutageClock>>);

impl OutageClocks {
    /// Records the outcome of a request.
    pub fn note(&self, kind: OutageKind, sent_at: Instant, has_succeeded: bool) {
        let mut clocks = lock(&self.0);
        let clock = clocks.entry(kind).or_default();
        if has_succeeded {
            clock.succeed(sent_at);
        } else {
            clock.fail(sent_at);
        }
    }

    /// The outages of the kinds that occurred.
    pub fn outages(&self) -> BTreeMap<OutageKind, Outages> {
        lock(&self.0).iter().map(|(kind, clock)| (*kind, clock.outages())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_lasts_until_something_sent_during_it_is_answered() {
        let mut clock = OutageClock::default();
        let before = Instant::now();
        let sent_at = before + Duration::from_micros(1);
        clock.fail(sent_at);
        clock.fail(Instant::now());
        clock.succeed(before);
        assert_eq!((clock.outages().count, clock.open().is_some()), (1, true));
        clock.succeed(sent_at);
        assert_eq!(clock.open(), None);
        clock.fail(Instant::now());
        assert_eq!(clock.outages().count, 2);
    }

    #[test]
    fn an_outage_begins_with_the_last_success() {
        let clocks = OutageClocks::default();
        let sent_at = Instant::now();
        clocks.note(OutageKind::Mutations, sent_at, true);
        let succeeded = Instant::now();
        clocks.note(OutageKind::Mutations, sent_at, false);
        clocks.note(OutageKind::AnonymousReads, sent_at, true);
        let outages = clocks.outages();
        assert!(outages[&OutageKind::Mutations].longest <= succeeded.elapsed().as_secs_f64() + 0.1);
        assert_eq!(outages[&OutageKind::AnonymousReads].count, 0);
        assert_eq!(outages[&OutageKind::Mutations].count, 1);
    }
}
