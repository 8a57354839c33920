//! Listeners that are alike share one execution for each event, and its bytes.
//!
//! A [`driver`] executes the group's operation. The [`backlog`] bounds the results that wait for slow listeners, and
//! [`flow`] keeps the driver from running ahead of all of them.

mod backlog;
mod driver;
mod flow;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use request::answer::Budget;
use request::error::ApiError;
use request::quota::{Exhausted, Quota, Share, network};
use request::subscribe::{End, SubscriptionResult};
use telemetry::metrics;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast};

use self::driver::Driver;
use super::event::{Position, StopReason};
use super::execution::{FeedExecution, turns};
use super::follower::Follower;
use super::operation::{GroupKey, ListenerOperation};

/// Results that wait for a listener at most; one that is further behind is ended.
const BUFFER: usize = 128;

/// How many clients of a group are asked whose turn comes first.
const CLIENTS_ASKED: usize = 16;

/// The groups of this instance.
#[derive(Debug)]
pub(super) struct Groups {
    groups: Mutex<HashMap<GroupKey, Arc<Group>>>,
    turns: Arc<Quota>,
}

/// Listeners that are alike, and what they get.
pub(super) struct Group {
    key: GroupKey,
    state: Mutex<GroupState>,
    deserted: Notify,
}

struct GroupState {
    /// Up to here events were executed.
    position: Position,
    /// How many hold the group, by their clients.
    members: HashMap<IpAddr, usize>,
    /// None when the group has ended, for the reason in `ended`.
    results: Option<broadcast::Sender<Arc<Delivery>>>,
    ended: Option<StopReason>,
}

impl From<StopReason> for End {
    fn from(stop: StopReason) -> Self {
        match stop {
            StopReason::Expired => Self::Refused(vec![ApiError::CursorExpired.into()]),
            StopReason::Stopping => Self::Stopping,
        }
    }
}

/// A result, and who has taken it.
struct Delivery {
    position: Position,
    /// None once it is dropped to make room: whoever has not taken it is too far behind.
    payload: Mutex<Option<SubscriptionResult>>,
    /// Listeners when it was sent.
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
        Self { groups: Mutex::default(), turns: turns() }
    }

    /// Turns to execute events.
    pub(super) fn turns(&self) -> &Arc<Quota> {
        &self.turns
    }

    /// A place in the group of those with this operation, which is founded if there is none.
    pub(super) fn enter(
        self: &Arc<Self>,
        operation: &ListenerOperation,
        found: impl FnOnce() -> (Follower, FeedExecution),
    ) -> Membership {
        let mut groups = self.lock();
        if let Some(group) = groups.get(&operation.key) {
            return self.join(group, operation.client);
        }
        let (follower, execution) = found();
        let (results, _) = broadcast::channel(BUFFER);
        let state = GroupState {
            position: follower.covered(),
            members: HashMap::new(),
            results: Some(results.clone()),
            ended: None,
        };
        let key = operation.key.clone();
        let group = Arc::new(Group { key: key.clone(), state: Mutex::new(state), deserted: Notify::new() });
        groups.insert(key, Arc::clone(&group));
        metrics::feed().groups.inc();
        let member = self.join(&group, operation.client);
        // A runtime that ends drops the driver at once, which locks what is locked here.
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
    /// For whom the next events are executed: whoever of those who listen has the shortest queue, so that nobody waits
    /// for what another has subscribed to besides.
    fn client(&self, turns: &Quota) -> IpAddr {
        let clients: Vec<_> = self.lock().members.keys().copied().take(CLIENTS_ASKED).collect();
        match clients[..] {
            [client] => client,
            _ => {
                let next = clients.into_iter().min_by_key(|client| turns.load(*client));
                next.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
            }
        }
    }

    /// Room for results, of whichever client has some left of those that listen: one that holds all it may have costs
    /// others nothing.
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
    /// Begins to listen: to what stands behind `covered` and behind the place that is given back.
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
    /// Has the group stand here, as if it had read the table.
    pub(super) fn put_group_at(&self, position: Position) {
        self.group.lock().position = position;
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // In this order, as whoever enters does.
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

/// Takes what its group gets.
#[derive(Debug)]
pub(super) struct Listener {
    results: Option<broadcast::Receiver<Arc<Delivery>>>,
    /// What stands up to here it has from elsewhere.
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
    /// There will be none.
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
        let ended = self.member.group.lock().ended;
        Err(ended.unwrap_or(StopReason::Stopping).into())
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

    use migration::connect::pool_options;
    use serde_json::json;

    use super::*;
    use crate::event::Mark;
    use crate::hub::Hub;
    use crate::source::{FeedOrder, HistoryPage, Source};
    use crate::testing::{TOPIC, executor, prepare, read_root_field, subscription};

    /// As when the server's grace is over while somebody begins to listen.
    #[test]
    fn a_group_that_is_founded_while_the_runtime_ends_holds_up_nobody() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (operation, execution, hub) = runtime.block_on(async {
            let executor = executor(|_| Ok(String::new()));
            let prepared = prepare(&executor.engine, "subscription { happened { text } }", &json!({}));
            let operation =
                ListenerOperation::read(subscription(prepared, 1_000), &executor.engine, read_root_field).unwrap();
            // Never connected to.
            let source = Source::Sqlite(pool_options().connect_lazy("sqlite::memory:").unwrap());
            let edge = Mark::of_row(0, 0, 0);
            let page = HistoryPage {
                epoch: "abcdefabcdef".into(),
                order: FeedOrder::Rows,
                intact: true,
                waiting: None,
                edge,
                events: Vec::new(),
            };
            let execution = operation.execution(&executor);
            (operation, execution, Arc::new(Hub::new(source, page)))
        });
        let handle = runtime.handle().clone();
        // Waits until it takes no more tasks.
        drop(runtime);
        let (done, founded) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let _entered = handle.enter();
            let groups = Arc::new(Groups::new());
            let member = groups.enter(&operation, || (Follower::begin(hub, TOPIC), execution));
            done.send((groups.lock().is_empty(), member.group.lock().results.is_none())).unwrap();
        });
        let (is_forgotten, has_ended) =
            founded.recv_timeout(Duration::from_secs(30)).expect("it does not wait for itself");
        assert!(is_forgotten && has_ended);
    }
}
