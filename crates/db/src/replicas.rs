//! The positions of the servers behind the read URL, so that a session sees its own changes.
//!
//! One address may lead to several servers, each connection to a different one. The pool cannot choose among its
//! connections: a query that must see a position uses them only once **all** servers that they may lead to have reached
//! it. Each new connection reports which server it has reached. While a query waits, one connection for each server is
//! polled.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use migration::connect::{Arrivals, Generation, Lifetime, SERVER};
use request::position::Position;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement, TryGetable};
use telemetry::metrics;
use tokio::sync::watch;
use tokio::time::{sleep, timeout, timeout_at};

use super::place::silence;

/// The maximum number of servers behind one address that are polled. If there are more, queries that must see a
/// position read from the leader.
const SERVERS_MAX: usize = 8;

/// The timeout of a server's reply with its position. These connections are for nothing else.
const POLL_TIMEOUT: Duration = Duration::from_millis(500);

/// The interval of polls.
const POLL_GAP: Duration = Duration::from_millis(2);

/// The interval of attempts to connect to a server that is not polled.
const SEARCH_GAP: Duration = Duration::from_millis(250);

/// The number of connections in each attempt.
const SEARCHES: usize = 3;

/// If a server gets no new connection for this long, all connections to it have expired.
const KNOWN_FOR: Duration = Lifetime::SHORT.max.saturating_add(Duration::from_secs(10));

/// The maximum number of connections for polling.
pub(super) const CONNECTIONS_MAX: usize = SERVERS_MAX + SEARCHES;

/// Creates a pool with one connection.
pub(super) type OpenPoller = Box<dyn Fn() -> DatabaseConnection + Send + Sync>;

/// The servers behind the read URL. Cloning is cheap; clones share it.
#[derive(Clone)]
pub(super) struct Replicas(Arc<ReplicaState>);

struct ReplicaState {
    /// The generation of the connections for queries.
    generation: Generation,
    servers: Mutex<Servers>,
    polling: AtomicBool,
    polled: watch::Sender<()>,
    pollers: tokio::sync::Mutex<Pollers>,
    is_lagging: AtomicBool,
    wait_max_ms: AtomicU64,
    lag_max_ms: AtomicU64,
}

/// The known state of the servers.
#[derive(Debug, Default)]
struct Servers {
    known: HashMap<String, ReplicaServer>,
    /// The highest position that an admitted query must see.
    floor: i64,
    /// The number of connections that reached a server below that position.
    arrived_late: u64,
}

#[derive(Clone, Copy, Debug)]
struct ReplicaServer {
    connected: Instant,
    position: i64,
}

struct Pollers {
    open: OpenPoller,
    searched: Option<Instant>,
    all: Vec<Poller>,
}

/// A connection to a server, with the server's name.
struct Poller {
    pool: DatabaseConnection,
    server: String,
}

/// How long queries wait for replicas, and how far replicas may lag.
#[derive(Clone, Copy, Debug)]
pub struct ReplicaLimits {
    /// How long a query waits for replicas that have not reached its position.
    pub wait_max: Duration,
    /// Replicas are not used while one of them lags more.
    pub lag_max: Duration,
}

impl Replicas {
    /// The servers that connections of this generation lead to. `open` connects to one of them.
    pub(super) fn new(generation: Generation, open: OpenPoller) -> Self {
        let pollers = Pollers { open, searched: None, all: Vec::new() };
        Self(Arc::new(ReplicaState {
            generation,
            servers: Mutex::default(),
            polling: AtomicBool::new(false),
            polled: watch::channel(()).0,
            pollers: tokio::sync::Mutex::new(pollers),
            is_lagging: AtomicBool::new(false),
            wait_max_ms: AtomicU64::new(200),
            lag_max_ms: AtomicU64::new(5_000),
        }))
    }

    pub(super) fn set_limits(&self, limits: ReplicaLimits) {
        let in_ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.0.wait_max_ms.store(in_ms(limits.wait_max), Ordering::Relaxed);
        self.0.lag_max_ms.store(in_ms(limits.lag_max), Ordering::Relaxed);
    }

    /// Must be notified of each connection for queries.
    pub(super) fn arrivals(&self) -> Arrivals {
        let replicas = self.clone();
        Arrivals(Arc::new(move |server, position| replicas.servers().arrive(server, position)))
    }

    /// Whether all servers have reached a position. If so, queries that must see it are admitted.
    pub(super) fn let_in(&self, position: Position) -> bool {
        self.servers().let_in(position)
    }

    /// Waits briefly until all servers have reached a position.
    pub(super) async fn wait_for(&self, position: Position) -> bool {
        if self.let_in(position) {
            return true;
        }
        let (started, wait_max) = (Instant::now(), Duration::from_millis(self.0.wait_max_ms.load(Ordering::Relaxed)));
        let mut polled = self.0.polled.subscribe();
        let is_reached = loop {
            self.start_to_poll();
            let outcome = timeout_at((started + wait_max).into(), polled.changed()).await;
            if self.let_in(position) {
                break true;
            }
            if outcome.is_err() {
                break false;
            }
        };
        metrics::cluster().replica_wait.observe(started.elapsed().as_secs_f64());
        is_reached
    }

    /// A value to compare after a read. `None` if a server has not reached the position.
    pub(super) fn before_read(&self) -> Option<u64> {
        let servers = self.servers();
        servers.have_reached(servers.floor).then_some(servers.arrived_late)
    }

    /// Whether a read since then may have used a server that has not reached the position.
    pub(super) fn has_met_late(&self, before: u64) -> bool {
        self.servers().arrived_late != before
    }

    /// The lowest position of all. `None` if none is known.
    pub(super) fn least(&self) -> Option<i64> {
        self.servers().known.values().map(|server| server.position).min()
    }

    /// Removes all servers: positions of another timeline are meaningless.
    pub(super) fn forget(&self) {
        self.0.generation.end();
        let mut servers = self.servers();
        (servers.known, servers.floor) = (HashMap::new(), 0);
    }

    pub(super) fn is_lagging(&self) -> bool {
        self.0.is_lagging.load(Ordering::Relaxed)
    }

    /// Records the lag of the slowest server. Returns whether it has just exceeded the limit.
    pub(super) fn note_lag(&self, lag: Duration) -> bool {
        let is_lagging = lag > Duration::from_millis(self.0.lag_max_ms.load(Ordering::Relaxed));
        !self.0.is_lagging.swap(is_lagging, Ordering::Relaxed) && is_lagging
    }

    /// Polls all servers in a separate task, unless one is running: the caller may be dropped.
    pub(super) fn start_to_poll(&self) {
        if !self.0.polling.swap(true, Ordering::AcqRel) {
            let polling = Polling(self.clone());
            tokio::spawn(async move {
                sleep(POLL_GAP).await;
                polling.0.poll().await;
            });
        }
    }

    async fn poll(&self) {
        let mut pollers = self.0.pollers.lock().await;
        let mut alive = Vec::new();
        for poller in std::mem::take(&mut pollers.all) {
            match ask(&poller.pool).await {
                Ok((server, position)) if server == poller.server && self.servers().note(&server, position) => {
                    alive.push(poller);
                }
                // The connection was reopened to another server, or no query reads from this one any longer.
                Ok(_) => close(poller.pool),
                Err(error) => {
                    tracing::debug!("a replica does not report its position: {error}");
                    close(poller.pool);
                    self.lose(&poller.server);
                }
            }
        }
        pollers.all = alive;
        self.servers().forget_old();
        self.search(&mut pollers).await;
    }

    /// A server is gone, and the connections to it too.
    fn lose(&self, server: &str) {
        let lost = Instant::now();
        self.0.generation.end();
        // A connection that is being opened now may still be used later.
        let is_settled = |known: &ReplicaServer| lost.duration_since(known.connected) > SEARCH_GAP;
        let mut servers = self.servers();
        if servers.known.get(server).is_some_and(is_settled) {
            servers.known.remove(server);
        }
    }

    /// Connects until each server is polled, but not forever: the address determines where connections lead.
    async fn search(&self, pollers: &mut Pollers) {
        let is_missing = |pollers: &Pollers| self.servers().lacks(&pollers.all);
        let is_due = pollers.searched.is_none_or(|searched| searched.elapsed() >= SEARCH_GAP);
        if !is_due || !is_missing(pollers) {
            return;
        }
        pollers.searched = Some(Instant::now());
        // Kept open meanwhile: an address may lead to the server with the fewest connections.
        let mut needless = Vec::new();
        for _ in 0..SEARCHES {
            let pool = (pollers.open)();
            match ask(&pool).await {
                Ok((server, position))
                    if self.servers().note(&server, position)
                        && pollers.all.iter().all(|poller| poller.server != server) =>
                {
                    pollers.all.push(Poller { pool, server });
                }
                _ => needless.push(pool),
            }
            if !is_missing(pollers) {
                break;
            }
        }
        needless.into_iter().for_each(close);
    }

    /// Closes its connections.
    pub(super) async fn close(&self) {
        for poller in std::mem::take(&mut self.0.pollers.lock().await.all) {
            close(poller.pool);
        }
    }

    fn servers(&self) -> MutexGuard<'_, Servers> {
        self.0.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The running poll. Notifies the others when it ends.
struct Polling(Replicas);

impl Drop for Polling {
    fn drop(&mut self) {
        let ReplicaState { polling, polled, .. } = &*self.0.0;
        polling.store(false, Ordering::Release);
        polled.send_replace(());
    }
}

impl Servers {
    fn arrive(&mut self, server: &str, position: i64) {
        let connected = Instant::now();
        let known = self.known.entry(server.to_owned()).or_insert(ReplicaServer { connected, position });
        *known = ReplicaServer { connected, position: known.position.max(position) };
        if known.position < self.floor {
            self.arrived_late += 1;
        }
    }

    /// Records a server's position. Returns whether queries may read from it.
    fn note(&mut self, server: &str, position: i64) -> bool {
        if self.known.is_empty() {
            self.arrive(server, position);
        }
        let Some(known) = self.known.get_mut(server) else { return false };
        known.position = known.position.max(position);
        true
    }

    fn have_reached(&self, position: i64) -> bool {
        !self.known.is_empty() && self.known.values().all(|server| server.position >= position)
    }

    fn let_in(&mut self, Position(position): Position) -> bool {
        let is_reached = self.have_reached(position);
        if is_reached {
            self.floor = self.floor.max(position);
        }
        is_reached
    }

    fn forget_old(&mut self) {
        if self.known.len() > 1 {
            self.known.retain(|_, server| server.connected.elapsed() < KNOWN_FOR);
        }
    }

    /// Whether a server is not polled.
    fn lacks(&self, pollers: &[Poller]) -> bool {
        let is_polled = |server: &String| pollers.iter().any(|poller| poller.server == *server);
        pollers.len() < SERVERS_MAX && (self.known.is_empty() || !self.known.keys().all(is_polled))
    }
}

async fn ask(pool: &DatabaseConnection) -> Result<(String, i64), DbErr> {
    let statement = Statement::from_string(DbBackend::Postgres, format!("SELECT {SERVER}"));
    let row = timeout(POLL_TIMEOUT, pool.query_one_raw(statement)).await.map_err(|_| silence())??;
    let row = row.ok_or_else(silence)?;
    Ok((String::try_get_by(&row, 0)?, i64::try_get_by(&row, 1)?))
}

/// Callers do not have to wait until it is closed.
fn close(pool: DatabaseConnection) {
    tokio::spawn(pool.close());
}

impl fmt::Debug for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replicas").field("servers", &*self.servers()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_admitted_once_all_servers_have_reached_the_position() {
        let mut servers = Servers::default();
        assert!(!servers.let_in(Position(0)), "none is known");
        servers.arrive("a", 100);
        assert!(servers.let_in(Position(100)) && !servers.let_in(Position(101)));
        assert!(servers.have_reached(servers.floor));
        servers.arrive("b", 99);
        assert_eq!((servers.arrived_late, servers.let_in(Position(100))), (1, false));
        assert!(!servers.have_reached(servers.floor));
        assert!(servers.note("b", 120) && !servers.note("c", 1), "no query reads from the third");
        servers.note("b", 110);
        assert!(servers.let_in(Position(100)) && !servers.let_in(Position(120)));
        servers.arrive("a", 300);
        assert!(servers.let_in(Position(120)), "positions never decrease");
        assert_eq!(servers.arrived_late, 1);
    }
}
