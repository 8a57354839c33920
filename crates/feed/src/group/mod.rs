//! Listeners with the same operation share one execution for each event, and its bytes.
//!
//! A [`driver`] executes the group's operation for new events. A returning listener executes it for all that missed
//! the same events ([`Group::catching_up`]). [`recent`] has the results of both for later ones. The [`backlog`]
//! limits the results that wait for slow listeners, and [`flow`] keeps the driver from running ahead of all of
//! them.

mod backlog;
mod driver;
mod flow;
mod recent;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use request::budget::Budget;
use request::error::{ApiError, RequestError};
use request::quota::{Exhausted, Quota, Share, network};
use request::subscribe::{End, SubscriptionResult};
use telemetry::metrics;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast};

use self::driver::Driver;
use self::recent::RecentResults;
use super::event::{Event, Position, StopReason};
use super::execution::{EventResult, FeedExecution, turns};
use super::follower::Follower;
use super::operation::{GroupKey, ListenerOperation};

/// Maximum number of results that wait for a listener. One that is further behind is ended.
const BUFFER: usize = 128;

/// Number of clients of a group that are compared to find whose turn comes first.
const CLIENTS_ASKED: usize = 16;

/// The groups of this instance.
#[derive(Debug)]
pub(super) struct Groups {
    groups: Mutex<HashMap<GroupKey, Arc<Group>>>,
    turns: Arc<Quota>,
    recent: RecentResults,
    next_number: AtomicU64,
}

/// Listeners with the same operation, and their results.
pub(super) struct Group {
    key: GroupKey,
    /// Unique among all groups of this instance, also earlier ones.
    number: u64,
    /// Executes missed events for one listener at a time. The others find the results.
    pub(super) catching_up: tokio::sync::Mutex<FeedExecution>,
    /// The budget of the results that wait for returning listeners.
    pub(super) budget: Arc<Budget>,
    state: Mutex<GroupState>,
    deserted: Notify,
}

struct GroupState {
    /// Events up to here were executed.
    position: Position,
    /// The number of memberships by client.
    members: HashMap<IpAddr, usize>,
    /// `None` if the group has ended, for the reason in `ended`.
    results: Option<broadcast::Sender<Arc<Delivery>>>,
    ended: Option<GroupEnd>,
}

/// Why a group has ended.
#[derive(Clone)]
enum GroupEnd {
    /// The feed ended.
    Stop(StopReason),
    /// Its operation was given up.
    Refused(Vec<RequestError>),
}

impl From<GroupEnd> for End {
    fn from(end: GroupEnd) -> Self {
        match end {
            GroupEnd::Stop(stop) => stop.into(),
            GroupEnd::Refused(errors) => Self::Refused(errors),
        }
    }
}

impl From<StopReason> for End {
    fn from(stop: StopReason) -> Self {
        match stop {
            StopReason::Expired => Self::Refused(vec![ApiError::CursorExpired.into()]),
            StopReason::Stopping => Self::Stopping,
        }
    }
}

/// A result, and the number of listeners that took it.
struct Delivery {
    position: Position,
    /// `None` if it was dropped to make room. A listener that has not taken it is too far behind.
    payload: Mutex<Option<SubscriptionResult>>,
    /// The number of listeners when it was sent.
    expected: usize,
    taken: AtomicUsize,
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Groups {
    pub(super) fn new() -> Self {
        let (groups, recent, next_number) = (Mutex::default(), RecentResults::new(), AtomicU64::default());
        Self { groups, turns: turns(), recent, next_number }
    }

    /// The turns to execute events.
    pub(super) fn turns(&self) -> &Arc<Quota> {
        &self.turns
    }

    /// A membership in the group with this operation, which is created if it does not exist.
    pub(super) fn enter(
        self: &Arc<Self>,
        operation: &ListenerOperation,
        found: impl FnOnce() -> (Follower, [FeedExecution; 2]),
    ) -> Membership {
        let mut groups = self.lock();
        if let Some(group) = groups.get(&operation.key) {
            return self.join(group, operation.client);
        }
        let (follower, [execution, catching_up]) = found();
        let (results, _) = broadcast::channel(BUFFER);
        let state = GroupState {
            position: follower.covered(),
            members: HashMap::new(),
            results: Some(results.clone()),
            ended: None,
        };
        let key = operation.key.clone();
        let group = Arc::new(Group {
            key: key.clone(),
            number: self.next_number.fetch_add(1, Ordering::Relaxed),
            budget: Arc::clone(catching_up.budget()),
            catching_up: tokio::sync::Mutex::new(catching_up),
            state: Mutex::new(state),
            deserted: Notify::new(),
        });
        groups.insert(key, Arc::clone(&group));
        metrics::feed().groups.inc();
        let member = self.join(&group, operation.client);
        // A runtime that ends drops the driver immediately, which takes this lock.
        drop(groups);
        let driver = Driver { groups: Arc::clone(self), group, results };
        tokio::spawn(driver.run(follower, execution));
        member
    }

    fn join(self: &Arc<Self>, group: &Arc<Group>, client: IpAddr) -> Membership {
        let client = network(client);
        *group.lock().members.entry(client).or_default() += 1;
        Membership { groups: Arc::clone(self), group: Arc::clone(group), client }
    }

    fn remove(&self, group: &Arc<Group>) {
        let mut groups = self.lock();
        if groups.get(&group.key).is_some_and(|found| Arc::ptr_eq(found, group)) {
            groups.remove(&group.key);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<GroupKey, Arc<Group>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Group {
    /// A recent result of an event, if it was executed since that moment.
    pub(super) fn recent(&self, groups: &Groups, event: &Event, since: Instant) -> Option<SubscriptionResult> {
        groups.recent.get((self.number, event.mark.position), since)
    }

    /// Stores a result for returning listeners.
    pub(super) fn remember(&self, groups: &Groups, result: &EventResult) {
        let key = (self.number, result.event.mark.position);
        groups.recent.add(key, result.payload.clone(), result.started);
    }

    /// The client whose turn the next events use: the one with the shortest queue among those that listen, so that
    /// nobody waits for another's other subscriptions.
    pub(super) fn client(&self, turns: &Quota) -> IpAddr {
        let clients: Vec<_> = self.lock().members.keys().copied().take(CLIENTS_ASKED).collect();
        match clients[..] {
            [client] => client,
            _ => {
                let next = clients.into_iter().min_by_key(|client| turns.load(*client));
                next.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
            }
        }
    }

    /// Takes room for results from any listening client that has some left, so that a client at its limit does not
    /// block others.
    fn take(&self, budget: &Budget, bytes: u64) -> Result<Option<Share>, Exhausted> {
        let state = self.lock();
        let mut taken = Ok(None);
        for client in state.members.keys() {
            taken = budget.take(*client, bytes);
            if !matches!(taken, Err(Exhausted { by_client: true, .. })) {
                break;
            }
        }
        taken
    }

    fn lock(&self) -> MutexGuard<'_, GroupState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a group alive.
#[derive(Debug)]
pub(super) struct Membership {
    groups: Arc<Groups>,
    group: Arc<Group>,
    client: IpAddr,
}

impl Membership {
    /// The group.
    pub(super) fn group(&self) -> &Arc<Group> {
        &self.group
    }

    /// Starts to listen: after `covered`, and after the position that is returned.
    pub(super) fn listen(self, covered: Position) -> (Listener, Position) {
        let state = self.group.lock();
        let results = state.results.as_ref().map(broadcast::Sender::subscribe);
        let position = state.position;
        drop(state);
        (Listener { results, behind: covered.max(position), member: self }, position)
    }
}

#[cfg(test)]
impl Membership {
    /// Moves the group to a position, as if it had read the table.
    pub(super) fn put_group_at(&self, position: Position) {
        self.group.lock().position = position;
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // The same order of locks as in `enter`.
        let mut groups = self.groups.lock();
        let mut state = self.group.lock();
        if let Entry::Occupied(mut own) = state.members.entry(self.client) {
            *own.get_mut() -= 1;
            if *own.get() == 0 {
                own.remove();
            }
        }
        if state.members.is_empty() {
            if groups.get(&self.group.key).is_some_and(|found| Arc::ptr_eq(found, &self.group)) {
                groups.remove(&self.group.key);
            }
            self.group.deserted.notify_one();
        }
    }
}

/// Receives the results of its group.
#[derive(Debug)]
pub(super) struct Listener {
    results: Option<broadcast::Receiver<Arc<Delivery>>>,
    /// It has the results up to here from elsewhere.
    behind: Position,
    member: Membership,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Listener {
    /// The next result.
    ///
    /// # Errors
    /// No more results will come.
    pub(super) async fn next(&mut self) -> Result<SubscriptionResult, End> {
        while let Some(results) = &mut self.results {
            match results.recv().await {
                Ok(delivery) => {
                    delivery.taken.fetch_add(1, Ordering::Relaxed);
                    if delivery.position > self.behind {
                        let payload = delivery.lock().clone();
                        return payload.ok_or_else(Self::lag);
                    }
                }
                Err(RecvError::Lagged(_)) => return Err(Self::lag()),
                Err(RecvError::Closed) => break,
            }
        }
        let ended = self.member.group.lock().ended.clone();
        Err(ended.map_or(End::Stopping, End::from))
    }

    fn lag() -> End {
        metrics::feed().lagged.inc();
        End::Lagged
    }
}

impl Delivery {
    fn lock(&self) -> MutexGuard<'_, Option<SubscriptionResult>> {
        self.payload.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at what it did not expect")]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::testing::{TOPIC, executor, hub, prepare, read_root_field, subscription};

    /// The server's grace period ends while a client starts to listen.
    #[test]
    fn creating_a_group_while_the_runtime_ends_blocks_nobody() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (operation, executions, hub) = runtime.block_on(async {
            let executor = executor(|_| Ok(String::new()));
            let prepared = prepare(&executor.engine, "subscription { happened { text } }", &json!({}));
            let operation =
                ListenerOperation::read(subscription(prepared, 1_000), &executor.engine, read_root_field).unwrap();
            let hub = hub();
            let executions = [(); 2].map(|()| operation.execution(&executor, &hub));
            (operation, executions, hub)
        });
        let handle = runtime.handle().clone();
        // Waits until it accepts no more tasks.
        drop(runtime);
        let (done, founded) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let _entered = handle.enter();
            let groups = Arc::new(Groups::new());
            let member = groups.enter(&operation, || (Follower::begin(hub, TOPIC), executions));
            done.send((groups.lock().is_empty(), member.group.lock().results.is_none())).unwrap();
        });
        let (is_forgotten, has_ended) =
            founded.recv_timeout(Duration::from_secs(30)).expect("it does not wait for itself");
        assert!(is_forgotten && has_ended);
    }
}
