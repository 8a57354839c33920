//! The target of statements, which is the leader or a replica, and the known state of its server.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use migration::connect::Generation;
use request::error::{is_disconnected, is_read_only, is_unavailable};
use sea_orm::error::ConnAcquireErr;
use sea_orm::{DatabaseConnection, DbBackend, DbErr, RuntimeErr};
use tokio::time::timeout;

use super::probe::ConnectionProbe;

/// The timeout of an attempt on a server that does not answer others either.
pub(super) const ATTEMPT_MAX: Duration = Duration::from_millis(900);

/// The interval of checks whether to give up waiting.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// A server that has answered within this time is just slow. Looks at a slow one are up to 0.95 s apart.
const FRESH: Duration = Duration::from_millis(1_400);

/// The number of looks without an answer after which a server counts as away.
const MISSES: u32 = 2;

/// A pool of connections, and the known state of its server. Cloning is cheap.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) pool: DatabaseConnection,
    /// The generation of its connections.
    pub(super) generation: Generation,
    pub(super) liveness: Liveness,
    /// Clones share it.
    pub(super) probe: Arc<ConnectionProbe>,
}

/// What was last seen of a server. Before the first look, it counts as available. Cloning is cheap; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Liveness(Arc<LivenessState>);

#[derive(Debug, Default)]
struct LivenessState {
    away: AtomicBool,
    /// Looks without an answer since the last answer.
    misses: AtomicU32,
    /// The time of its last answer, in milliseconds since [`START`]; 0 for never.
    answered_ms: AtomicU64,
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Liveness {
    /// Records an answer. Returns whether the server was away.
    pub(super) fn note_answer(&self) -> bool {
        let now_ms = u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        self.0.answered_ms.store(now_ms, Ordering::Relaxed);
        self.0.misses.store(0, Ordering::Relaxed);
        self.0.away.swap(false, Ordering::Relaxed)
    }

    /// Records a look without an answer. Returns whether the server is away because of it: immediately if that is
    /// certain, otherwise after the second such look, because a busy server answers late.
    pub(super) fn note_miss(&self, is_certain: bool) -> bool {
        let misses = self.0.misses.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        (is_certain || misses >= MISSES) && !self.0.away.swap(true, Ordering::Relaxed)
    }

    pub(super) fn is_away(&self) -> bool {
        self.0.away.load(Ordering::Relaxed)
    }

    pub(super) fn has_answered_lately(&self) -> bool {
        let answered = Duration::from_millis(self.0.answered_ms.load(Ordering::Relaxed));
        !answered.is_zero() && START.elapsed().saturating_sub(answered) < FRESH
    }
}

impl Place {
    pub(super) fn new(pool: DatabaseConnection, generation: Generation, liveness: Liveness) -> Self {
        Self { pool, generation, liveness, probe: Arc::default() }
    }

    /// Runs a query, unless the server does not answer. If the server is known to be away, or there is another one to
    /// try, the query gets [`ATTEMPT_MAX`]; it gets longer while the server answers others.
    ///
    /// # Errors
    /// The database failed or did not respond.
    pub(super) async fn attempt<T>(
        &self,
        has_other: bool,
        ask: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        if self.pool.get_database_backend() != DbBackend::Postgres {
            return ask.await;
        }
        let started = Instant::now();
        let mut asking = std::pin::pin!(ask);
        loop {
            if let Ok(outcome) = timeout(TICK, &mut asking).await {
                return outcome.inspect_err(|error| self.note(error));
            }
            if started.elapsed() >= ATTEMPT_MAX && self.is_lost(started, has_other) {
                // Before the drop, so that the connection is not reused. The others may still work.
                self.generation.lose();
                return Err(silence());
            }
        }
    }

    fn is_lost(&self, started: Instant, has_other: bool) -> bool {
        let is_silent = || self.generation.has_ended_since(started) || !self.liveness.has_answered_lately();
        self.liveness.is_away() || has_other && is_silent()
    }

    /// Why the database cannot be reached, if that is why no connection was free in time.
    pub(super) async fn reason(&self, error: &DbErr) -> Option<DbErr> {
        self.probe.reason(&self.pool, error).await
    }

    pub(super) fn note(&self, error: &DbErr) {
        note_broken(&self.generation, error);
    }
}

/// Replaces connections if the error shows that they are unusable. Tests them if it shows that one is.
pub(super) fn note_broken(generation: &Generation, error: &DbErr) {
    if is_read_only(error) {
        generation.end();
    } else if is_disconnected(error) {
        generation.doubt();
    }
}

/// Whether a read may succeed on another connection or server. This includes a conflict of a replica with what it
/// replays, and a pool whose connections are all lost.
pub(super) fn is_retried(error: &DbErr) -> bool {
    is_unavailable(error) && !matches!(error, DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))
        || request::error::is_transient(error)
}

/// The error for a server that does not respond.
pub fn silence() -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(Arc::new(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))))
}

/// Whether the server does not respond, rather than reporting that it cannot serve.
pub(super) fn is_silence(error: &DbErr) -> bool {
    let DbErr::Conn(RuntimeErr::SqlxError(error)) = error else { return false };
    matches!(&**error, sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_late_once_is_not_away() {
        let liveness = Liveness::default();
        assert!(!liveness.note_miss(false) && !liveness.is_away());
        assert!(!liveness.note_answer());
        assert!(!liveness.note_miss(false) && liveness.note_miss(false) && liveness.is_away());
        assert!(!liveness.note_miss(false), "it was away before");
        assert!(liveness.note_answer() && !liveness.is_away());
        assert!(liveness.note_miss(true) && liveness.is_away(), "nothing listens there");
        assert!(is_silence(&silence()));
    }
}
