//! Listeners that are alike share one execution for each event, and its bytes.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_graphql::ServerError;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

use super::document::{Document, Key};
use super::event::{Event, Position, Stop, Topic};
use super::execution::{Execution, turns};
use super::follower::Follower;
use crate::answer::{Budget, UNSHARED};
use crate::error::ApiError;
use crate::http::{End, Payload};
use crate::metrics;
use crate::quota::{Exhausted, Quota, Share};
use crate::viewer::network;

/// Results that wait for a listener at most; one that is further behind is ended.
const BUFFER: usize = 128;

/// How long a group waits for most of its listeners when they are half a buffer behind.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many clients of a group are asked whose turn comes first.
const CLIENTS_ASKED: usize = 16;

/// The groups of this instance.
#[derive(Debug)]
pub(super) struct Groups {
    groups: Mutex<HashMap<Key, Arc<Group>>>,
    turns: Arc<Quota>,
}

/// Listeners that are alike, and what they get.
pub(super) struct Group {
    key: Key,
    topic: Topic,
    state: Mutex<State>,
    deserted: Notify,
}

struct State {
    /// Up to here events were executed.
    position: Position,
    /// How many hold the group, by their clients.
    members: HashMap<IpAddr, usize>,
    /// None when the group has ended, for the reason in `ended`.
    results: Option<broadcast::Sender<Arc<Delivered>>>,
    ended: Option<Reason>,
}

/// Why a group has ended.
#[derive(Clone, Debug)]
pub(super) enum Reason {
    /// The feed has.
    Stop(Stop),
    /// It cannot be executed any more.
    Refused(Vec<ServerError>),
}

impl From<Reason> for End {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Stop(Stop::Expired) => Self::Refused(vec![ApiError::CursorExpired.into_server_error()]),
            Reason::Stop(Stop::Stopping) => Self::Stopping,
            Reason::Refused(errors) => Self::Refused(errors),
        }
    }
}

/// A result, and who has taken it.
struct Delivered {
    position: Position,
    /// None once it is dropped to make room: whoever has not taken it is too far behind.
    payload: Mutex<Option<Payload>>,
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

    /// A place in the group with this key, if there is one.
    pub(super) fn enter(self: &Arc<Self>, key: &Key, client: IpAddr) -> Option<Member> {
        let groups = self.lock();
        let group = groups.get(key)?;
        Some(self.join(group, client))
    }

    fn join(self: &Arc<Self>, group: &Arc<Group>, client: IpAddr) -> Member {
        let client = network(client);
        *group.lock().members.entry(client).or_default() += 1;
        Member { groups: Arc::clone(self), group: Arc::clone(group), client }
    }

    /// A place in the group of those with this document, which is founded with `execution` if nobody else was
    /// quicker.
    pub(super) fn found(
        self: &Arc<Self>,
        document: &Document,
        topic: Topic,
        follow: impl FnOnce() -> Follower,
        execution: Execution,
    ) -> Member {
        let (key, client) = (document.key.clone(), document.client);
        let mut groups = self.lock();
        if let Some(group) = groups.get(&key) {
            return self.join(group, client);
        }
        let follower = follow();
        let (results, _) = broadcast::channel(BUFFER);
        let state = State {
            position: follower.covered(),
            members: HashMap::new(),
            results: Some(results.clone()),
            ended: None,
        };
        let group = Arc::new(Group { key: key.clone(), topic, state: Mutex::new(state), deserted: Notify::new() });
        groups.insert(key, Arc::clone(&group));
        metrics::feed().groups.inc();
        let member = self.join(&group, client);
        // A runtime that ends drops the driver at once, which locks what is locked here.
        drop(groups);
        let driver = Driver { groups: Arc::clone(self), group, results };
        tokio::spawn(driver.run(follower, execution));
        member
    }

    fn remove(&self, group: &Arc<Group>) {
        let mut groups = self.lock();
        if groups.get(&group.key).is_some_and(|found| Arc::ptr_eq(found, group)) {
            groups.remove(&group.key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Group>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Group {
    /// For whom the next event is executed: whoever of those who listen has the shortest queue, so that nobody waits
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
    fn take(&self, budget: Option<&Budget>, bytes: u64) -> Result<Option<Share>, Exhausted> {
        let Some(budget) = budget else { return Ok(None) };
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a group alive.
#[derive(Debug)]
pub(super) struct Member {
    groups: Arc<Groups>,
    group: Arc<Group>,
    client: IpAddr,
}

impl Member {
    /// The events that the group is about.
    pub(super) fn topic(&self) -> Topic {
        self.group.topic
    }

    /// Begins to listen: to what stands behind `covered` and behind the place that is given back.
    pub(super) fn listen(self, covered: Position) -> (Listener, Position) {
        let state = self.group.lock();
        let results = state.results.as_ref().map(broadcast::Sender::subscribe);
        let position = state.position;
        drop(state);
        (Listener { results, behind: covered.max(position), member: self }, position)
    }
}

impl Drop for Member {
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
    results: Option<broadcast::Receiver<Arc<Delivered>>>,
    /// What stands up to here it has from elsewhere.
    behind: Position,
    member: Member,
}

impl fmt::Debug for Delivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivered").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Listener {
    /// The next result.
    ///
    /// # Errors
    /// There will be none.
    pub(super) async fn next(&mut self) -> Result<Payload, End> {
        while let Some(results) = &mut self.results {
            match results.recv().await {
                Ok(delivered) => {
                    delivered.taken.fetch_add(1, Ordering::Relaxed);
                    if delivered.position > self.behind {
                        let payload = delivered.lock().clone();
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

impl Delivered {
    fn lock(&self) -> MutexGuard<'_, Option<Payload>> {
        self.payload.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Executes a group's document for its events until the group is deserted or the feed ends.
struct Driver {
    groups: Arc<Groups>,
    group: Arc<Group>,
    results: broadcast::Sender<Arc<Delivered>>,
}

impl Driver {
    async fn run(self, follower: Follower, execution: Execution) {
        tokio::select! {
            reason = self.drive(follower, execution) => self.group.lock().ended = Some(reason),
            () = self.group.deserted.notified() => {}
        }
    }

    async fn drive(&self, mut follower: Follower, mut execution: Execution) -> Reason {
        let (mut flow, mut kept, budget) = (Flow::default(), Kept::default(), execution.budget());
        let take = |bytes| self.group.take(budget.as_deref(), bytes);
        loop {
            let event = match follower.next().await {
                Ok(event) => event,
                Err(stop) => return Reason::Stop(stop),
            };
            let turns = &self.groups.turns;
            let room = |bytes| {
                take(bytes).or_else(|_| {
                    kept.make_room();
                    take(bytes)
                })
            };
            let outcome = execution.run(event, follower.epoch(), turns, self.group.client(turns), room).await;
            match outcome {
                Ok(payload) => {
                    let delivered = flow.send(self, &event, payload);
                    kept.keep(delivered, take);
                }
                Err(End::Refused(errors)) => return Reason::Refused(errors),
                Err(_) => return Reason::Stop(Stop::Stopping),
            }
            flow.wait().await;
        }
    }
}

/// Whatever ends the driver, a panic too: nobody waits for a group that nobody drives.
impl Drop for Driver {
    fn drop(&mut self) {
        self.groups.remove(&self.group);
        self.group.lock().results = None;
        metrics::feed().groups.dec();
    }
}

/// Bytes of results that a group keeps for its listeners whatever others keep.
const KEPT_BYTES_MIN: u64 = 32 << 10;

/// Bytes of results that a group keeps at most; at least the newest result.
const KEPT_BYTES_MAX: u64 = 1 << 20;

/// The results that a group keeps, and the share of those that have none of their own.
#[derive(Default)]
struct Kept {
    results: VecDeque<(Arc<Delivered>, u64)>,
    bytes: u64,
    /// Of these, in results that have no share.
    unshared: u64,
    share: Option<Share>,
}

impl Kept {
    /// Keeps a result, and drops what there is no room for, the oldest first.
    fn keep(&mut self, delivered: Arc<Delivered>, take: impl Fn(u64) -> Result<Option<Share>, Exhausted>) {
        let bytes = delivered.lock().as_ref().map_or(0, |payload| payload.json.len() as u64);
        self.results.push_back((delivered, bytes));
        self.bytes += bytes;
        self.unshared += unshared(bytes);
        while self.results.len() > BUFFER || (self.results.len() > 1 && !self.has_room(&take)) {
            self.drop_oldest();
        }
    }

    fn has_room(&mut self, take: impl Fn(u64) -> Result<Option<Share>, Exhausted>) -> bool {
        // The client that it was taken for may have gone.
        self.share = None;
        let wanted = self.unshared.saturating_sub(KEPT_BYTES_MIN);
        self.bytes <= KEPT_BYTES_MAX && (wanted == 0 || take(wanted).map(|share| self.share = share).is_ok())
    }

    /// Leaves the newest result, or none if there is no other: whoever has not taken it comes back for it.
    fn make_room(&mut self) {
        let left = usize::from(self.results.len() > 1);
        while self.results.len() > left {
            self.drop_oldest();
        }
        self.share = None;
    }

    fn drop_oldest(&mut self) {
        if let Some((oldest, bytes)) = self.results.pop_front() {
            oldest.lock().take();
            self.bytes -= bytes;
            self.unshared -= unshared(bytes);
        }
    }
}

fn unshared(bytes: u64) -> u64 {
    if bytes > UNSHARED { 0 } else { bytes }
}

/// Keeps a group from running ahead of all its listeners, as in a burst. It waits for most of them, and
/// not for those that are slow.
#[derive(Default)]
struct Flow {
    /// What was sent last: half a buffer.
    sent: VecDeque<Arc<Delivered>>,
    /// Most have not taken what they could; they are not waited for again before they do.
    impatient: bool,
}

impl Flow {
    fn send(&mut self, driver: &Driver, event: &Event, payload: Payload) -> Arc<Delivered> {
        let mut state = driver.group.lock();
        let expected = driver.results.receiver_count();
        let position = event.mark.position;
        let delivered =
            Arc::new(Delivered { position, payload: Mutex::new(Some(payload)), expected, taken: AtomicUsize::new(0) });
        // Nobody listening is no fault: all are still catching up.
        let _ = driver.results.send(Arc::clone(&delivered));
        state.position = position;
        drop(state);
        metrics::feed().delivered(event.written.elapsed(), expected);
        self.sent.push_back(Arc::clone(&delivered));
        delivered
    }

    async fn wait(&mut self) {
        if self.sent.len() <= BUFFER / 2 {
            return;
        }
        let Some(oldest) = self.sent.pop_front() else { return };
        let deadline = Instant::now() + PATIENCE;
        while oldest.taken.load(Ordering::Relaxed) < oldest.expected.div_ceil(2) {
            if self.impatient || Instant::now() > deadline {
                self.impatient = true;
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.impatient = false;
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at what it did not expect")]
mod tests {
    use async_graphql::futures_util::stream::{Stream, StreamExt};
    use async_graphql::{Context, EmptyMutation, Object, Request, Result, Schema, Subscription};
    use migration::connect::pool_options;

    use super::*;
    use crate::feed::event::{Kinds, Mark};
    use crate::feed::execution::events;
    use crate::feed::hub::Hub;
    use crate::feed::source::{Page, Source};

    const TOPIC: Topic = Topic { kinds: Kinds::Added, about: None };

    struct Queries;

    #[Object]
    impl Queries {
        async fn nothing(&self) -> bool {
            false
        }
    }

    struct Subscriptions;

    #[Subscription]
    impl Subscriptions {
        async fn added(&self, ctx: &Context<'_>) -> Result<impl Stream<Item = bool> + 'static> {
            Ok(events(ctx, TOPIC, None)?.map(|sent| sent.is_ok()))
        }
    }

    /// As when the server's grace is over while somebody begins to listen.
    #[test]
    fn a_group_that_is_founded_while_the_runtime_ends_holds_up_nobody() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (document, execution, hub) = runtime.block_on(async {
            let document = Document::read(Request::new("subscription { added }"), &[]).unwrap();
            let schema = Schema::new(Queries, EmptyMutation, Subscriptions);
            let (execution, topic) = Execution::start(&schema, document.request()).await.unwrap();
            assert_eq!(topic, TOPIC);
            // Never connected to.
            let source = Source::Sqlite(pool_options().connect_lazy("sqlite::memory:").unwrap());
            let edge = Mark::default();
            let page = Page { epoch: "abcdefabcdef".into(), intact: true, waiting: None, edge, events: Vec::new() };
            (document, execution, Arc::new(Hub::new(source, page)))
        });
        let handle = runtime.handle().clone();
        // Waits until it takes no more tasks.
        drop(runtime);
        let (done, founded) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let _entered = handle.enter();
            let groups = Arc::new(Groups::new());
            let member = groups.found(&document, TOPIC, || Follower::begin(hub, TOPIC), execution);
            done.send((groups.lock().is_empty(), member.group.lock().results.is_none())).unwrap();
        });
        let (is_forgotten, has_ended) =
            founded.recv_timeout(Duration::from_secs(30)).expect("it does not wait for itself");
        assert!(is_forgotten && has_ended);
    }
}
