//! Runs mutations: each in one transaction, retried if it fails only because of a concurrent one, and only once for
//! each idempotency key.
//!
//! [`changes`](crate::changes) describes mutations and checks their rules before they run.
//!
//! A run takes a turn to write and begins the transaction, on SQLite with `BEGIN IMMEDIATE`. With an idempotency key,
//! it claims the key, runs the work in a savepoint, and stores how it ended. Then it commits. A rejected change is
//! rolled back. Payloads are read afterwards, using what the work returned.
//!
//! On PostgreSQL a mutation may have a [single statement](super::single), which replaces all this if nothing conflicts.
//! It runs first.

use std::time::Duration;

use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use db::Transaction;
use futures_util::future::BoxFuture;
use migration::connect::{self, Writer};
use request::clock;
use request::error::{ApiError, ApiResult, is_locked, is_stale, is_transient, is_violation, log_database};
use request::planted::{self, PlantedFault};
use request::policy::{self, Rule};
use request::viewer::Viewer;
use sea_orm::{DbBackend, DbErr};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use self::repeat::SentCommits;
use super::change::Change;
use super::idempotency::{Claim, Ending, IdempotencyKey, Repeat};
use super::problem::Rejection;
use super::rows::ReturnedRow;
use super::services::{WriteRates, WriteServices};
use super::single::{SingleCall, SingleFn, SingleStatement};

/// A change in progress: the transaction, the time, and the viewer.
#[derive(Debug)]
pub struct Work {
    txn: Transaction,
    now: DateTime<Utc>,
    mutation: String,
    rule: Rule,
    viewer: Option<Viewer>,
}

impl Work {
    /// The transaction. Every statement of the change uses it.
    pub fn txn(&self) -> &Transaction {
        &self.txn
    }

    /// The time of the change, the same in all its rows.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// The time of the change, for an object last changed at `before`. It is always later, even if clocks differ.
    pub fn later_than(&self, before: DateTime<FixedOffset>) -> DateTime<FixedOffset> {
        self.now.fixed_offset().max(before + TimeDelta::microseconds(1))
    }

    /// The mutation's name in the schema, such as `addComment`.
    pub fn mutation(&self) -> &str {
        &self.mutation
    }

    /// The user who makes the change. `None` for an operator at the command line, and for anonymous users.
    pub fn anyone(&self) -> Option<Viewer> {
        self.viewer
    }

    /// The user who makes the change, in mutations for signed-in users.
    ///
    /// # Errors
    /// `Unauthenticated`, which the rule of such a mutation prevents.
    pub fn viewer(&self) -> ApiResult<Viewer> {
        self.viewer.ok_or(ApiError::Unauthenticated)
    }

    /// Checks that the viewer may do this to an object of `owner`, who may be deleted. Call it before any error about
    /// the input is returned.
    ///
    /// # Errors
    /// `Forbidden`.
    pub fn may_change(&self, owner: Option<i32>) -> Result<(), Rejection> {
        if self.rule.permits(self.viewer, owner) {
            return Ok(());
        }
        Err(Rejection::Failed(match self.rule {
            Rule::Has(role) => policy::needs_role(role),
            Rule::OwnerOr(_) => ApiError::Forbidden("only the owner and editors can do this"),
            _ => ApiError::Forbidden("only the owner can do this"),
        }))
    }
}

/// An ending, and whether an earlier request with the same key produced it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How the mutation ended.
    pub ending: Ending,
    /// Whether an earlier request made the change instead of this one.
    pub repeated: bool,
    /// The changed row, if the statement returned it.
    pub row: Option<ReturnedRow>,
}

impl Outcome {
    /// An ending without a row.
    pub fn new(ending: Ending, repeated: bool) -> Self {
        Self { ending, repeated, row: None }
    }
}

/// Does a mutation's work within its transaction. It runs again if the transaction conflicts with another one.
pub type WorkFn<I, O> = for<'w> fn(&'w Work, &'w I) -> BoxFuture<'w, Result<O, Rejection>>;

/// A mutation's work with its outcome as JSON, so that one runner serves all mutations.
trait Job: Sync {
    fn run<'w>(&'w self, work: &'w Work) -> BoxFuture<'w, Result<Json, Rejection>>;

    /// The single statement that can replace it.
    fn single(&self, _: SingleCall) -> Option<SingleStatement> {
        None
    }
}

struct WithInput<'i, I, O> {
    input: &'i I,
    single: Option<SingleFn<I>>,
    work: WorkFn<I, O>,
}

impl<I: Sync, O: Serialize> Job for WithInput<'_, I, O> {
    fn run<'w>(&'w self, work: &'w Work) -> BoxFuture<'w, Result<Json, Rejection>> {
        Box::pin(async move {
            let outcome = (self.work)(work, self.input).await?;
            serde_json::to_value(outcome)
                .map_err(|error| ApiError::Internal(format!("an outcome is not valid JSON: {error}")).into())
        })
    }

    fn single(&self, call: SingleCall) -> Option<SingleStatement> {
        self.single?(call, self.input)
    }
}

/// Runs a mutation. `repeat` determines when its input is the same as that of an earlier request.
///
/// # Errors
/// Top-level errors.
pub async fn mutate_keyed<I: Sync, O: Serialize>(
    change: &Change<'_>,
    repeat: Repeat,
    input: &I,
    work: WorkFn<I, O>,
) -> ApiResult<Outcome> {
    run_keyed(change, repeat, &WithInput { input, single: None, work }).await
}

/// Runs a mutation that has a single statement. On PostgreSQL, the statement runs first.
///
/// # Errors
/// Top-level errors.
pub async fn mutate_single<I: Sync, O: Serialize>(
    change: &Change<'_>,
    input: &I,
    (single, work): (SingleFn<I>, WorkFn<I, O>),
) -> ApiResult<Outcome> {
    run_keyed(change, Repeat::SameArguments, &WithInput { input, single: Some(single), work }).await
}

async fn run_keyed(change: &Change<'_>, same: Repeat, job: &dyn Job) -> ApiResult<Outcome> {
    let WriteServices { rates, registry_cache, wake, .. } = change.services;
    let call = MutationCall { mutation: change.mutation, rule: change.rule, viewer: change.viewer() };
    let known = if planted::is_planted(PlantedFault::LoseKey) { None } else { IdempotencyKey::of(change, &same) };
    let key = known.map(|key| match WriteRates::counted(change.caller) {
        Some(who) => key.count_by(rates.keys.clone(), who),
        None => key,
    });
    let outcome = Box::pin(repeat::run_on_leader(change, &call, key.as_ref(), job)).await;
    if outcome.is_ok() && planted::strikes(PlantedFault::LoseKey) {
        return Err(ApiError::Internal("a response is lost: a planted fault".to_owned()));
    }
    if let (Some(key), Err(_)) = (key, &outcome) {
        key.give_back();
    }
    if matches!(call.rule, Rule::Has(_)) {
        registry_cache.forget();
    }
    wake.call();
    outcome
}

/// Runs a change without GraphQL, for the command line, whose users may do everything.
///
/// # Errors
/// The change was rejected or failed.
pub async fn run_as_operator<I: Sync, O: Serialize + DeserializeOwned>(
    db: &Writer,
    mutation: &str,
    input: &I,
    work: WorkFn<I, O>,
) -> Result<O, Rejection> {
    let call = MutationCall { mutation, rule: Rule::Anyone, viewer: None };
    let outcome = run(db, &call, None, &WithInput { input, single: None, work }, &SentCommits::default()).await;
    let outcome = outcome.map_err(|error| match error {
        ApiError::Database(error) => ApiError::Database(log_failure(error)),
        other => other,
    });
    match outcome?.ending {
        Ending::Done(value) => Ok(read(value)?),
        Ending::Refused(errors, _) => Err(Rejection::Invalid(errors)),
    }
}

/// Parses a stored outcome.
///
/// # Errors
/// It has another type.
pub(crate) fn read<T: DeserializeOwned>(outcome: Json) -> ApiResult<T> {
    serde_json::from_value(outcome)
        .map_err(|error| ApiError::Internal(format!("a mutation's outcome is of another type: {error}")))
}

/// How often a transaction runs at most if it fails only because of others.
const TRIES_MAX: u32 = 5;

/// The maximum wait before the second try. It doubles with each further one.
const PAUSE_MAX: Duration = Duration::from_millis(10);

/// A mutation to run, and its viewer.
struct MutationCall<'a> {
    mutation: &'a str,
    rule: Rule,
    viewer: Option<Viewer>,
}

/// # Errors
/// `Database` is not logged yet.
async fn run(
    db: &Writer,
    call: &MutationCall<'_>,
    key: Option<IdempotencyKey>,
    job: &dyn Job,
    sent: &SentCommits,
) -> ApiResult<Outcome> {
    let MutationCall { mutation, rule, viewer } = *call;
    let mut tries = 0;
    // These faults apply to the commit of a transaction.
    let in_transactions = [PlantedFault::AcknowledgeEarly, PlantedFault::SkipWait].into_iter().any(planted::is_planted);
    let mut single = SingleTry { is_stopped: in_transactions || db.db.get_database_backend() != DbBackend::Postgres };
    loop {
        tries += 1;
        // SQLite has then waited for the write lock for the full timeout.
        let mut is_final = false;
        let attempt = match single.run(db, viewer, key.as_ref(), job, sent).await {
            Some(outcome) => outcome,
            None => match Transaction::begin(db).await {
                Ok(txn) => {
                    let prepared = Work { txn, now: clock::now(), mutation: mutation.to_owned(), rule, viewer };
                    Box::pin(attempt(prepared, key.as_ref(), job, sent)).await
                }
                Err(error) => {
                    is_final = is_locked(&error);
                    Err(unlogged(error))
                }
            },
        };
        match attempt {
            Err(ApiError::Database(error)) if tries < TRIES_MAX && !is_final && is_transient(&error) => {
                tracing::debug!(mutation, tries, "retrying a transaction that conflicted with another one: {error}");
                if is_stale(&error) {
                    connect::forget_statements();
                }
                let pause = PAUSE_MAX * (1 << (tries - 1));
                tokio::time::sleep(pause.mul_f64(rand::random())).await;
            }
            outcome => return outcome,
        }
    }
}

/// Runs a job's single statement until it conflicts.
struct SingleTry {
    is_stopped: bool,
}

impl SingleTry {
    /// Returns the outcome, or that of a failure that the work could not explain. `None` if it has changed nothing:
    /// then the work must run.
    async fn run(
        &mut self,
        db: &Writer,
        viewer: Option<Viewer>,
        key: Option<&IdempotencyKey>,
        job: &dyn Job,
        sent: &SentCommits,
    ) -> Option<ApiResult<Outcome>> {
        let (now, viewer) = (clock::now(), viewer.filter(|_| !self.is_stopped));
        let single = viewer.and_then(|viewer| job.single(SingleCall { viewer, now }));
        let single = single.filter(|_| key.is_none_or(IdempotencyKey::admit));
        let outcome = match single {
            Some(single) => {
                sent.note(now);
                single.run(&db.db, now, key).await
            }
            None => Ok(None),
        };
        match outcome {
            Ok(Some((outcome, row))) => {
                return Some(Ok(Outcome { row: Some(row), ..Outcome::new(Ending::Done(outcome), false) }));
            }
            Err(error) if !is_violation(&error) => return Some(Err(unlogged(error))),
            Ok(None) | Err(_) => {}
        }
        sent.settle();
        self.is_stopped = true;
        if let Some(key) = key {
            key.give_back();
        }
        None
    }
}

/// Logs the database's error once, when it is final.
fn log_failure(error: std::sync::Arc<DbErr>) -> std::sync::Arc<DbErr> {
    match std::sync::Arc::try_unwrap(error) {
        Ok(error) => log_database(error),
        // Another holder of the error has logged it.
        Err(shared) => shared,
    }
}

/// # Errors
/// `Database` is not logged yet.
async fn attempt(
    prepared: Work,
    key: Option<&IdempotencyKey>,
    job: &dyn Job,
    sent: &SentCommits,
) -> ApiResult<Outcome> {
    sent.settle();
    let Some(key) = key else {
        let ending = finish(job.run(&prepared).await)?;
        match ending {
            Ending::Done(_) => {
                sent.note(prepared.now);
                commit(prepared.txn).await?;
            }
            Ending::Refused(..) => roll_back(prepared.txn).await,
        }
        return Ok(Outcome::new(ending, false));
    };
    if let Claim::Known(ending, kept_at) = key.claim(&prepared.txn, prepared.now).await? {
        roll_back(prepared.txn).await;
        // If this request's earlier response was lost, the ending is its own.
        return Ok(Outcome::new(ending, !sent.includes(kept_at)));
    }
    // A rejected change must leave nothing behind except its errors.
    let Work { txn, now, mutation, rule, viewer } = prepared;
    let inner = Work { txn: txn.begin_savepoint().await.map_err(unlogged)?, now, mutation, rule, viewer };
    let ending = finish(job.run(&inner).await)?;
    match ending {
        Ending::Done(_) => commit_now(inner.txn).await?,
        Ending::Refused(..) => inner.txn.rollback().await.map_err(unlogged)?,
    }
    key.keep(&txn, &ending).await?;
    sent.note(now);
    commit(txn).await?;
    Ok(Outcome::new(ending, false))
}

async fn commit(txn: Transaction) -> ApiResult<()> {
    if planted::strikes(PlantedFault::AcknowledgeEarly) {
        roll_back(txn).await;
        return Ok(());
    }
    if planted::strikes(PlantedFault::SkipWait) {
        // The change becomes visible later than its response.
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            commit_now(txn).await
        });
        return Ok(());
    }
    commit_now(txn).await
}

async fn commit_now(txn: Transaction) -> ApiResult<()> {
    txn.commit().await.map_err(unlogged)
}

async fn roll_back(txn: Transaction) {
    if let Err(error) = txn.rollback().await {
        // Nothing was to be stored, and the connection is not used again.
        tracing::debug!("a transaction could not be rolled back: {error}");
    }
}

fn unlogged(error: DbErr) -> ApiError {
    ApiError::Database(error.into())
}

/// # Errors
/// The failure is not an error of the input.
fn finish(outcome: Result<Json, Rejection>) -> ApiResult<Ending> {
    match outcome {
        Ok(outcome) => Ok(Ending::Done(outcome)),
        Err(Rejection::Invalid(errors)) => Ok(Ending::Refused(errors, None)),
        Err(Rejection::Stale(error, outcome)) => Ok(Ending::Refused(vec![error], Some(outcome))),
        Err(Rejection::Failed(error)) => Err(error),
    }
}

mod repeat;
#[cfg(test)]
mod tests;
