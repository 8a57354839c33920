//! The state of the PostgreSQL servers as an instance sees it: whether there is a leader, and how far it and the
//! replica are.
//!
//! The state is up to date only if something calls [`look`](Cluster::look) regularly. With SQLite there is nothing to
//! see.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use migration::connect::Generation;
use request::error::{describe, is_disconnected, is_full};
use request::retry::LogLimiter;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement, TryGetable};
use telemetry::metrics;
use tokio::sync::watch;
use tokio::time::timeout;

use super::place::{Liveness, is_silence, silence};
use super::probe::why_unreachable;
use super::replicas::Replicas;

/// The timeout of a look.
const LOOK_TIMEOUT: Duration = Duration::from_millis(700);

/// How long the leader's positions are remembered.
const POSITIONS_AGE_MAX: Duration = Duration::from_secs(60);

/// How far a replica may lag behind the leader's last known state if it is to resolve sessions.
pub const SESSION_LAG_MAX: Duration = Duration::from_secs(5);

/// How long after the leader was last seen a replica may resolve sessions. Beyond a network partition, sessions end
/// without the replica's knowledge.
const SESSIONS_RESOLVED_FOR: Duration = Duration::from_secs(600);

/// The same, by the time of the last transaction that it has replayed, if no leader was seen yet.
const SESSION_AGE_S_MAX: f64 = 60.0;

/// Whether it is a standby, its position, the leader's timeline, the age of the last replayed transaction, and whether
/// changes are refused.
const LOOK: &str = "
    SELECT pg_is_in_recovery(),
        (CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0') ELSE pg_current_wal_flush_lsn() END
            - '0/0'::pg_lsn)::bigint,
        CASE WHEN NOT pg_is_in_recovery()
            THEN ('x' || substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8))::bit(32)::bigint END,
        extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8,
        current_setting('transaction_read_only')::bool";

/// The state of the servers. Cloning is cheap; clones share it.
#[derive(Clone, Debug)]
pub struct Cluster(Arc<ClusterState>);

#[derive(Debug)]
struct ClusterState {
    leader: WatchedServer,
    replica: Option<WatchedServer>,
    replicas: Option<Replicas>,
    history: Mutex<LeaderHistory>,
    lag_log: Mutex<LogLimiter>,
    leader_seen: watch::Sender<LeaderSeen>,
}

/// What the looks have found in the leader's place.
#[derive(Clone, Copy, Debug, Default)]
struct LeaderSeen {
    /// Looks that found a server that accepts changes.
    found: u64,
    /// Looks since then that found no leader.
    missed: u32,
    /// How often the leader was replaced by another one.
    changes: u64,
}

/// After this many failed looks, operations that wait for the leader's response are given up. A single look may just
/// have been slow.
const LOST_AFTER: u32 = 2;

/// A server, with a connection for its own use.
#[derive(Debug)]
pub(super) struct WatchedServer {
    /// A pool with one connection.
    pub(super) pool: DatabaseConnection,
    pub(super) own: Generation,
    /// The generations of all pools that lead to it.
    pub(super) generations: Vec<Generation>,
    pub(super) liveness: Liveness,
    /// Its name in messages, with the flag.
    pub(super) name: String,
}

/// The leader's position at past times.
#[derive(Debug, Default)]
struct LeaderHistory {
    timeline: Option<i64>,
    positions: VecDeque<(Instant, i64)>,
}

/// What a server reports about itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerState {
    pub(super) is_standby: bool,
    position: i64,
    timeline: Option<i64>,
    replayed_s_ago: Option<f64>,
    is_read_only: bool,
}

impl Cluster {
    pub(super) fn new(leader: WatchedServer, replica: Option<WatchedServer>, replicas: Option<Replicas>) -> Self {
        let (history, lag_log, leader_seen) = (Mutex::default(), Mutex::default(), watch::Sender::default());
        Self(Arc::new(ClusterState { leader, replica, replicas, history, lag_log, leader_seen }))
    }

    /// Looks at all servers, each for less than a second. Records and logs what has changed.
    pub async fn look(&self) {
        let ClusterState { leader, replica, .. } = &*self.0;
        if leader.pool.get_database_backend() != DbBackend::Postgres {
            return;
        }
        let replica = async {
            match replica {
                Some(replica) => Some((replica, replica.look().await)),
                None => None,
            }
        };
        let (led, replica) = tokio::join!(leader.look(), replica);
        let led = led.and_then(|state| match state.is_standby {
            true => Err(DbErr::Custom("it is a standby".to_owned())),
            false => Ok(state),
        });
        leader.note(led.as_ref().err());
        metrics::cluster().leader_known.set((!leader.liveness.is_away()).into());
        let is_another = led.as_ref().is_ok_and(|state| self.note_leader(state));
        // This comes last, so that those who wait use new connections.
        self.0.leader_seen.send_modify(|seen| {
            seen.changes += u64::from(is_another);
            match &led {
                Ok(state) => {
                    seen.missed = 0;
                    seen.found += u64::from(!state.is_read_only);
                }
                // A full server still serves its open connections.
                Err(error) => seen.missed += u32::from(!is_full(error)),
            }
        });
        if let Some((replica, seen)) = replica {
            replica.note(seen.as_ref().err());
            if let Some(replicas) = &self.0.replicas {
                replicas.start_to_poll();
            }
            self.note_lag(seen.as_ref().ok());
        }
    }

    /// Runs work with the [watchers](Self::watchers), for less than a second.
    ///
    /// # Errors
    /// The database failed or did not respond.
    pub async fn in_time<T>(&self, work: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        let mut work = std::pin::pin!(work);
        match timeout(LOOK_TIMEOUT, &mut work).await {
            Ok(outcome) => outcome,
            Err(_) => {
                // Before the drop, so that the connection is not reused.
                self.0.leader.own.end();
                self.0.replica.iter().for_each(|replica| replica.own.end());
                let (leader, reader) = self.watchers();
                let reason = match why_unreachable(reader).await {
                    Some(reason) => Some(reason),
                    None => why_unreachable(leader).await,
                };
                Err(reason.unwrap_or_else(silence))
            }
        }
    }

    /// Whether the last look did not find the leader.
    pub fn is_leader_away(&self) -> bool {
        self.0.leader.liveness.is_away()
    }

    /// Waits until a look finds a server that accepts changes.
    pub(super) async fn wait_for_leader(&self) {
        let mut seen = self.0.leader_seen.subscribe();
        let before = seen.borrow_and_update().found;
        // The sender lives as long as `self`.
        let _ = seen.wait_for(|seen| seen.found > before).await;
    }

    /// Waits before the leader is queried again: for this long, or until a missing leader appears, if that is earlier.
    pub async fn pause(&self, pause: Duration) {
        match self.is_leader_away() {
            // It does not matter which of the two ended the wait.
            true => drop(timeout(pause, self.wait_for_leader()).await),
            false => tokio::time::sleep(pause).await,
        }
    }

    /// Waits until looks have missed the leader, or found another one.
    pub async fn wait_until_lost(&self) {
        let mut seen = self.0.leader_seen.subscribe();
        let before = seen.borrow().changes;
        let _ = seen.wait_for(|seen| seen.missed >= LOST_AFTER || seen.changes != before).await;
    }

    /// Whether the last look found no replica. `None` if there are no replicas to read from.
    pub fn is_replica_away(&self) -> Option<bool> {
        self.0.replica.as_ref().map(|replica| replica.liveness.is_away())
    }

    /// The connections for looks: to the server for changes, and to the server for queries.
    pub fn watchers(&self) -> (&DatabaseConnection, &DatabaseConnection) {
        let leader = &self.0.leader.pool;
        match &self.0.replica {
            Some(replica) if !replica.liveness.is_away() => (leader, &replica.pool),
            _ => (leader, leader),
        }
    }

    /// Whether a server has replayed enough to resolve sessions: it must know about ended ones.
    pub(super) fn may_resolve_sessions(&self, state: &ServerState) -> bool {
        let history = self.history();
        match history.positions.is_empty() {
            _ if !state.is_standby => true,
            true => state.replayed_s_ago.is_some_and(|ago| ago <= SESSION_AGE_S_MAX),
            false => history.may_resolve_sessions(state.position, Instant::now()),
        }
    }

    /// The leader's position when it was last seen.
    pub(super) fn leader_position(&self) -> Option<i64> {
        self.history().positions.back().map(|(_, position)| *position)
    }

    /// Returns whether the leader has changed.
    fn note_leader(&self, state: &ServerState) -> bool {
        let mut history = self.history();
        let mut is_another = false;
        if let Some(timeline) = state.timeline {
            metrics::cluster().leader_timeline.set(timeline);
            let before = history.timeline.replace(timeline);
            if let Some(before) = before.filter(|before| *before != timeline) {
                is_another = true;
                metrics::cluster().failovers.inc();
                tracing::warn!("another leader: timeline {timeline} after {before}");
                history.positions.clear();
                self.0.leader.end_generations();
                self.0.replicas.iter().for_each(Replicas::forget);
            }
        }
        history.note(Instant::now(), state.position);
        is_another
    }

    fn note_lag(&self, replica: Option<&ServerState>) {
        let Some(replica) = replica else { return };
        let seen = if replica.is_standby { replica.position } else { i64::MAX };
        // The slowest of all servers behind the address.
        let least = self.0.replicas.as_ref().and_then(Replicas::least).map_or(seen, |least| least.min(seen));
        let lag = if least == i64::MAX { Some(Duration::ZERO) } else { self.history().lag(least) };
        let lag_s = lag.unwrap_or(POSITIONS_AGE_MAX).as_secs_f64();
        metrics::cluster().replica_lag.set(lag_s);
        let lag_min = lag.unwrap_or_else(|| self.history().span());
        if self.0.replicas.as_ref().is_some_and(|replicas| replicas.note_lag(lag_min)) && !self.is_leader_away() {
            tracing::warn!("queries read from the leader: a server behind --database-read-url lags by {lag_s:.1} s");
        }
        if lag_s > SESSION_LAG_MAX.as_secs_f64() && !self.is_leader_away() {
            let mut log = self.0.lag_log.lock().unwrap_or_else(PoisonError::into_inner);
            if log.note(Instant::now()).is_some() {
                tracing::warn!("{} lags {lag_s:.1} s behind", self.0.replica.as_ref().map_or("", |seen| &seen.name));
            }
        }
    }

    fn history(&self) -> MutexGuard<'_, LeaderHistory> {
        self.0.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WatchedServer {
    async fn look(&self) -> Result<ServerState, DbErr> {
        let mut looking = std::pin::pin!(look_at(&self.pool));
        let outcome = timeout(LOOK_TIMEOUT, &mut looking).await;
        if !matches!(outcome, Ok(Ok(_))) {
            // Before the drop, so that the connection is not reused.
            self.own.end();
        }
        match outcome {
            Err(_) | Ok(Err(DbErr::ConnectionAcquire(_))) => {
                Err(why_unreachable(&self.pool).await.unwrap_or_else(silence))
            }
            // One broken connection does not mean that the server is away, unless no other can be opened.
            Ok(Err(error)) if is_disconnected(&error) => match why_unreachable(&self.pool).await {
                None => Err(silence()),
                Some(reason) => Err(if is_silence(&reason) { error } else { reason }),
            },
            Ok(outcome) => outcome,
        }
    }

    /// A server that does not respond may just be slow: it counts as missing from the second time on.
    fn note(&self, failure: Option<&DbErr>) {
        let changed = match failure.filter(|error| !is_full(error)) {
            None => {
                let changed = self.liveness.note_answer();
                if changed {
                    tracing::info!("{} answers again", self.name);
                }
                changed
            }
            Some(error) => {
                let changed = self.liveness.note_miss(!is_silence(error));
                if changed {
                    tracing::warn!("{} is away: {}", self.name, describe(error));
                }
                changed
            }
        };
        if changed {
            self.end_generations();
        }
    }

    fn end_generations(&self) {
        for generation in &self.generations {
            generation.end();
        }
    }
}

/// Queries a server about itself.
pub(super) async fn look_at(db: &impl ConnectionTrait) -> Result<ServerState, DbErr> {
    let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, LOOK)).await?;
    let row = row.ok_or_else(silence)?;
    Ok(ServerState {
        is_standby: bool::try_get_by(&row, 0)?,
        position: i64::try_get_by(&row, 1)?,
        timeline: Option::try_get_by(&row, 2)?,
        replayed_s_ago: Option::try_get_by(&row, 3)?,
        is_read_only: bool::try_get_by(&row, 4)?,
    })
}

impl LeaderHistory {
    fn note(&mut self, now: Instant, position: i64) {
        self.positions.push_back((now, position));
        while self.positions.front().is_some_and(|(at, _)| now.duration_since(*at) > POSITIONS_AGE_MAX) {
            self.positions.pop_front();
        }
    }

    /// Whether a replica at this position may resolve sessions.
    fn may_resolve_sessions(&self, position: i64, now: Instant) -> bool {
        let is_recent =
            self.positions.back().is_some_and(|(seen, _)| now.duration_since(*seen) <= SESSIONS_RESOLVED_FOR);
        is_recent && self.lag(position).is_some_and(|lag| lag <= SESSION_LAG_MAX)
    }

    /// The period for which positions are known.
    fn span(&self) -> Duration {
        match (self.positions.front(), self.positions.back()) {
            (Some((first, _)), Some((last, _))) => last.duration_since(*first),
            _ => Duration::ZERO,
        }
    }

    /// How long before the last look the leader was at the replica's position. `None` if that is further back than
    /// known.
    fn lag(&self, position: i64) -> Option<Duration> {
        let (last, _) = self.positions.back()?;
        let (reached, _) = self.positions.iter().rev().find(|(_, passed)| *passed <= position)?;
        Some(last.duration_since(*reached))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_is_measured_by_the_leader_s_past_positions() {
        let (mut history, start) = (LeaderHistory::default(), Instant::now());
        assert_eq!(history.lag(7), None);
        for (second, position) in [(0, 100), (1, 200), (2, 200), (3, 300)] {
            history.note(start + Duration::from_secs(second), position);
        }
        let lag_s = |position| history.lag(position).map(|lag| lag.as_secs());
        assert_eq!([300, 400, 299, 200, 150, 99].map(lag_s), [Some(0), Some(0), Some(1), Some(1), Some(3), None]);
        history.note(start + Duration::from_secs(62), 400);
        assert_eq!(history.lag(200).map(|lag| lag.as_secs()), Some(60));
        assert_eq!(history.lag(100), None, "too long ago");
        let tells = |position, second| history.may_resolve_sessions(position, start + Duration::from_secs(second));
        assert!(tells(400, 62) && tells(400, 662) && !tells(400, 663), "ten minutes after the leader was seen");
        assert!(!tells(200, 62), "it lags");
    }
}
