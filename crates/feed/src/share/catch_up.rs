//! A returning listener. It gets what it missed from the group's recent results, or from an execution that all
//! share that missed the same events.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use request::budget::UNSHARED;
use request::quota::Exhausted;
use request::subscribe::{End, SubscriptionResult};
use telemetry::metrics;
use tokio::time::sleep;

use crate::event::{Event, Position};
use crate::execution::{BATCH_MAX, EventResult, FeedExecution};
use crate::follower::Follower;
use crate::group::{Group, Groups, Listener, Membership};
use crate::hub::Hub;

/// The pause before room for a result is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// A returning listener.
pub(super) struct CatchUp {
    groups: Arc<Groups>,
    group: Arc<Group>,
    hub: Arc<Hub>,
    client: IpAddr,
    follower: Follower,
    /// Its membership, until it listens to the group.
    member: Option<Membership>,
    /// Set when it listens already. Events up to this position of the group must still be sent.
    pub(super) joined: Option<(Listener, Position)>,
    /// Missed events that were not sent yet.
    events: VecDeque<Event>,
    /// Results that wait to be sent.
    pub(super) results: VecDeque<SubscriptionResult>,
}

impl CatchUp {
    pub(super) fn new(
        (groups, hub): (&Arc<Groups>, &Arc<Hub>),
        client: IpAddr,
        follower: Follower,
        member: Membership,
    ) -> Self {
        Self {
            groups: Arc::clone(groups),
            group: Arc::clone(member.group()),
            hub: Arc::clone(hub),
            client,
            follower,
            member: Some(member),
            joined: None,
            events: VecDeque::new(),
            results: VecDeque::new(),
        }
    }

    /// Adds the next missed results, or returns the listener for all later ones.
    pub(super) async fn next(&mut self) -> Result<Option<Listener>, End> {
        while self.events.is_empty() {
            let mut events = match &self.joined {
                // The group has read further in the table than the hub.
                Some((_, done)) if self.follower.covered() < *done => self.follower.next(BATCH_MAX).await?,
                _ => self.follower.missed(BATCH_MAX).await?,
            };
            match self.joined.take() {
                None if events.is_empty() => {
                    let Some(member) = self.member.take() else { return Err(End::Stopping) };
                    self.joined = Some(member.listen(self.follower.covered()));
                }
                None => self.events = events,
                Some((listener, done)) => {
                    events.retain(|event| event.mark.position <= done);
                    if events.is_empty() {
                        return Ok(Some(listener));
                    }
                    self.events = events;
                    self.joined = Some((listener, done));
                }
            }
        }
        let mut is_refused = false;
        while self.results.is_empty() {
            let results = match self.recent() {
                results if results.is_empty() => self.execute().await?,
                results => results,
            };
            if let Err(exhausted) = self.take(results) {
                if !is_refused {
                    metrics::count_limit(exhausted.limit());
                }
                is_refused = true;
                sleep(RETRY).await;
            }
        }
        Ok(None)
    }

    /// The group's results of the next events.
    fn recent(&self) -> Vec<SubscriptionResult> {
        let since = FeedExecution::fresh_since(&self.hub, []);
        self.events.iter().map_while(|event| self.find(event, since)).collect()
    }

    fn find(&self, event: &Event, since: Instant) -> Option<SubscriptionResult> {
        self.group.recent(&self.groups, event, since.max(event.read)).filter(|_| self.is_shared())
    }

    /// Whether results are the same for others. A cursor after a list contains what the list showed.
    fn is_shared(&self) -> bool {
        self.follower.scope().seen.is_none()
    }

    /// Executes the next events, unless another listener has executed them meanwhile.
    async fn execute(&self) -> Result<Vec<SubscriptionResult>, End> {
        let mut execution = self.group.catching_up.lock().await;
        let since = FeedExecution::fresh_since(&self.hub, []);
        let missing = self.events.iter().take_while(|event| self.find(event, since).is_none());
        let mut missing: VecDeque<_> = missing.copied().collect();
        if missing.is_empty() {
            return Ok(self.recent());
        }
        let turns = self.groups.turns();
        let turn = (turns, self.group.client(turns));
        // Each listener takes room for itself.
        let outcomes = execution.run((&mut missing, self.follower.scope()), turn, |_| Ok(None)).await?;
        if self.is_shared() {
            outcomes.iter().for_each(|outcome| self.group.remember(&self.groups, outcome));
        }
        Ok(outcomes.into_iter().map(EventResult::held).collect())
    }

    /// Takes the next results for which there is room, and removes their events.
    fn take(&mut self, results: Vec<SubscriptionResult>) -> Result<(), Exhausted> {
        let mut unshared = 0;
        for result in results {
            let bytes = result.json.len() as u64;
            let share = match unshared + bytes <= UNSHARED {
                true => {
                    unshared += bytes;
                    None
                }
                false => match self.group.budget.take(self.client, bytes) {
                    Ok(share) => share,
                    Err(exhausted) if self.results.is_empty() => return Err(exhausted),
                    Err(_) => break,
                },
            };
            self.results.push_back(result.holding(share));
            self.events.pop_front();
        }
        Ok(())
    }
}
