//! Runs a mutation when the leader may be missing: waits for a leader, and retries if that is safe.
//!
//! A retry is safe if nothing that commits was sent yet, if the database reported that nothing was done, or with an
//! idempotency key, because the key's row exists exactly if the change does. Otherwise the outcome is unknown, and the
//! mutation is not retried. A transaction's number could be looked up, but getting it takes a round trip.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, FixedOffset, Utc};
use request::error::{ApiError, ApiResult, has_done_nothing, is_leaderless};
use request::viewer::RequestMutations;
use sea_orm::{DbBackend, DbErr};
use telemetry::metrics;

use super::{Job, MutationCall, Outcome, log_failure, run};
use crate::change::Change;
use crate::idempotency::IdempotencyKey;

/// The commits that a mutation has sent.
#[derive(Debug, Default)]
pub(super) struct SentCommits {
    request: Option<RequestMutations>,
    /// Whether the last one has no response yet.
    is_open: AtomicBool,
    /// Whether one will never have a response.
    is_lost: AtomicBool,
    /// The times of the changes that they commit.
    times: Mutex<Vec<DateTime<Utc>>>,
}

impl SentCommits {
    /// Records that a commit is about to be sent, for a change made at this time.
    pub(super) fn note(&self, now: DateTime<Utc>) {
        if let Some(request) = &self.request {
            request.note_sent();
        }
        self.times.lock().unwrap_or_else(PoisonError::into_inner).push(now);
        self.is_open.store(true, Ordering::Relaxed);
    }

    /// Records that the last one has changed nothing.
    pub(super) fn settle(&self) {
        self.is_open.store(false, Ordering::Relaxed);
    }

    /// Whether a change made at this time may be this mutation's own.
    pub(super) fn includes(&self, time: DateTime<FixedOffset>) -> bool {
        self.times.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|sent| *sent == time)
    }

    fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Gives up waiting for a response to the last one, if it has none yet.
    fn give_up(&self) {
        self.is_lost.fetch_or(self.is_open(), Ordering::Relaxed);
    }

    /// Whether a change that failed with this error may have been made.
    fn is_unknown_after(&self, error: &DbErr) -> bool {
        self.is_lost.load(Ordering::Relaxed) || self.is_open() && !has_done_nothing(error)
    }
}

/// Runs a mutation until its outcome is known, or its time to wait for a leader has passed.
///
/// # Errors
/// Top-level errors: `Unknown` if the change may have been made.
pub(super) async fn run_on_leader(
    change: &Change<'_>,
    call: &MutationCall<'_>,
    key: Option<&IdempotencyKey>,
    job: &dyn Job,
) -> ApiResult<Outcome> {
    let db = &change.services.db;
    let sent = SentCommits { request: change.caller.map(|caller| caller.mutations.clone()), ..SentCommits::default() };
    let mut is_unknown = false;
    loop {
        sent.settle();
        let error = match attempt(change, call, key, job, &sent).await {
            Err(ApiError::Database(error)) => error,
            Err(ApiError::Busy(_) | ApiError::Exhausted(_)) if is_unknown => return Err(unknown()),
            outcome => return outcome,
        };
        db.writes.note_failure(&error);
        let error = db.explain(error).await;
        if db.write.get_database_backend() != DbBackend::Postgres {
            return Err(ApiError::Database(log_failure(error)));
        }
        is_unknown |= sent.is_unknown_after(&error);
        let is_safe = key.is_some() || !is_unknown;
        match is_safe && is_leaderless(&error) && change.wait_for_leader().await.is_ok_and(|is_found| is_found) {
            true => {
                metrics::cluster().mutations_repeated.inc();
                tracing::debug!(mutation = call.mutation, "retrying a mutation: {error}");
            }
            false if is_unknown => {
                log_failure(error);
                return Err(unknown());
            }
            false => return Err(ApiError::Database(log_failure(error))),
        }
    }
}

/// Runs it once. It holds no turn to write while it waits for a leader.
async fn attempt(
    change: &Change<'_>,
    call: &MutationCall<'_>,
    key: Option<&IdempotencyKey>,
    job: &dyn Job,
    sent: &SentCommits,
) -> ApiResult<Outcome> {
    let db = &change.services.db;
    change.pass_to_leader().await?;
    let turn = db.turn_to_write(change.address()).await?;
    let writer = db.writer();
    let mut running = Box::pin(run(&writer, call, key.cloned(), job, sent));
    let outcome = tokio::select! {
        outcome = &mut running => outcome,
        () = db.cluster.wait_until_lost() => {
            if !sent.is_open() || key.is_some() {
                sent.give_up();
                return Err(ApiError::Database(db::silence().into()));
            }
            // The statement that was sent may still get a response.
            running.await
        }
    };
    turn.end();
    outcome
}

fn unknown() -> ApiError {
    metrics::cluster().mutations_unknown.inc();
    ApiError::Unknown
}

impl Change<'_> {
    /// When the request began.
    fn began(&self) -> Instant {
        self.caller.map_or_else(Instant::now, |caller| caller.mutations.began())
    }

    /// Reads from the leader. Reads again if the leader was lost meanwhile and another one appears in time.
    ///
    /// # Errors
    /// The database failed.
    pub async fn read<T, F: Future<Output = Result<T, DbErr>>>(&self, read: impl Fn() -> F) -> ApiResult<T> {
        loop {
            let error = match read().await {
                Ok(found) => return Ok(found),
                Err(error) => error,
            };
            if !is_leaderless(&error) || !self.wait_for_leader().await? {
                return Err(error.into());
            }
        }
    }

    /// Waits until a leader is seen again, and returns whether one was.
    ///
    /// # Errors
    /// Too many requests are waiting already.
    pub(crate) async fn wait_for_leader(&self) -> ApiResult<bool> {
        self.services.db.leader_queue.wait(self.address(), self.began()).await
    }

    /// Waits if there is no leader.
    ///
    /// # Errors
    /// No leader appeared in time, or too many requests are waiting already.
    pub(crate) async fn pass_to_leader(&self) -> ApiResult<()> {
        self.services.db.leader_queue.pass(self.address(), self.began()).await
    }
}
