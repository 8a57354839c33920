//! Where statements are sent: the leader, which takes changes, or a replica, and what is known of it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use migration::connect::Generation;
use request::error::{is_disconnected, is_read_only, is_unavailable};
use sea_orm::error::ConnAcquireErr;
use sea_orm::{DatabaseConnection, DbBackend, DbErr, RuntimeErr};
use tokio::time::timeout;

use super::reach::Reach;

/// How long an attempt may take at a place that does not answer others either.
pub(super) const ATTEMPT_MAX: Duration = Duration::from_millis(900);

/// Between two looks whether what is waited for is to be given up.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// A place that has answered so lately is just slow. Looks at a slow one are up to 0.95 s apart.
const FRESH: Duration = Duration::from_millis(1_400);

/// Looks without an answer after which a server is away.
const MISSES: u32 = 2;

/// A pool of connections, and what is known of the server behind it. Cloning is cheap.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) pool: DatabaseConnection,
    /// Of its connections.
    pub(super) generation: Generation,
    pub(super) sight: Sight,
    /// Clones are one.
    pub(super) reach: Arc<Reach>,
}

/// What was last seen of a server. Until somebody looks, it is taken to be there. Cloning is cheap; clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Sight(Arc<SightState>);

#[derive(Debug, Default)]
struct SightState {
    away: AtomicBool,
    /// Looks without an answer since the last answer.
    misses: AtomicU32,
    /// When it last answered, in milliseconds since [`START`]; 0 for never.
    answered_ms: AtomicU64,
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Sight {
    /// Notes an answer; says whether the server was away.
    pub(super) fn note_answer(&self) -> bool {
        let now_ms = u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        self.0.answered_ms.store(now_ms, Ordering::Relaxed);
        self.0.misses.store(0, Ordering::Relaxed);
        self.0.away.swap(false, Ordering::Relaxed)
    }

    /// Notes a look without an answer; says whether the server is away since then. It is at once if that is certain,
    /// and else after the second such look: one that has much to do answers late.
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
    pub(super) fn new(pool: DatabaseConnection, generation: Generation, sight: Sight) -> Self {
        Self { pool, generation, sight, reach: Arc::default() }
    }

    /// Asks, unless the server does not answer. That of a place that is known to be away, or that has another beside
    /// it, is waited for [`ATTEMPT_MAX`]; longer while it answers others.
    ///
    /// # Errors
    /// Whatever the database answers, or that it does not.
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
                // Before it is dropped, so that its connection is not kept. The others may be of use.
                self.generation.lose();
                return Err(silence());
            }
        }
    }

    fn is_lost(&self, started: Instant, has_other: bool) -> bool {
        let is_silent = || self.generation.has_ended_since(started) || !self.sight.has_answered_lately();
        self.sight.is_away() || has_other && is_silent()
    }

    /// Why the database cannot be reached, if that is why no connection was free in time.
    pub(super) async fn reason(&self, error: &DbErr) -> Option<DbErr> {
        self.reach.reason(&self.pool, error).await
    }

    pub(super) fn note(&self, error: &DbErr) {
        note_broken(&self.generation, error);
    }
}

/// Has connections replaced if the error shows that they are of no use, or tested if it shows that one is.
pub(super) fn note_broken(generation: &Generation, error: &DbErr) {
    if is_read_only(error) {
        generation.end();
    } else if is_disconnected(error) {
        generation.doubt();
    }
}

/// Whether a read may do better on another connection, or elsewhere. A conflict of a replica with what it replays is
/// of this kind; so is a pool whose connections are all lost.
pub(super) fn is_retried(error: &DbErr) -> bool {
    is_unavailable(error) && !matches!(error, DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))
        || request::error::is_transient(error)
}

/// The server says nothing.
pub fn silence() -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(Arc::new(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))))
}

/// Whether the server says nothing, rather than that it cannot serve.
pub(super) fn is_silence(error: &DbErr) -> bool {
    let DbErr::Conn(RuntimeErr::SqlxError(error)) = error else { return false };
    matches!(&**error, sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_late_once_is_not_away() {
        let sight = Sight::default();
        assert!(!sight.note_miss(false) && !sight.is_away());
        assert!(!sight.note_answer());
        assert!(!sight.note_miss(false) && sight.note_miss(false) && sight.is_away());
        assert!(!sight.note_miss(false), "it was away before");
        assert!(sight.note_answer() && !sight.is_away());
        assert!(sight.note_miss(true) && sight.is_away(), "nothing listens there");
        assert!(is_silence(&silence()));
    }
}
