//! Runs mutations: one transaction each, run again when it fails only because of others at the same
//! moment, and only once for each idempotency key.
//!
//! The policy was asked before ([`policy::Guarded`](crate::policy::Guarded)). A domain's mutation is
//!
//! ```ignore
//! async fn add_comment(&self, ctx: &Context<'_>, input: AddCommentInput) -> Answer<AddCommentPayload> {
//!     mutate(ctx, async move |work| service::add(work, &input).await).await
//! }
//! ```
//!
//! where the service gives what the payload's object is found by, or a [`Rejection`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_graphql::{Context, ID, ObjectType, OutputType};
use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use migration::connect::{self, Writer};
use sea_orm::DbErr;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ctx::ContextExt;
use super::id::{Id, NodeType};
use super::in_place::InPlace;
use super::kept::Kept;
use super::load::Node;
use super::problem::{Rejection, UserError};
use super::wake::Wake;
use crate::clock;
use crate::db::{Db, Transaction};
use crate::error::{ApiError, ApiResult, is_locked, is_stale, is_transient, log_database};
use crate::idempotency::{Claim, Key, Repeat};
use crate::policy::{Rule, rule_of};
use crate::rate::{Rate, Who};
use crate::viewer::{Role, Viewer};

/// How much users may change in a while: in the schema's data. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct WriteRates {
    /// Mutations.
    pub mutations: Rate,
    /// Idempotency keys that are new: each has a row for a day.
    pub keys: Rate,
}

impl WriteRates {
    /// Counts a mutation of whoever asks, before anything is done for it. Editors and admins, who bring in whole
    /// catalogues, are not counted.
    ///
    /// # Errors
    /// `RateLimited`.
    pub fn admit(ctx: &Context<'_>) -> ApiResult<()> {
        let Some((writes, who)) = Self::of(ctx) else { return Ok(()) };
        writes.mutations.take(who, Instant::now())
    }

    fn of<'a>(ctx: &Context<'a>) -> Option<(&'a Self, Who)> {
        let caller = ctx.caller()?;
        let trusted = caller.viewer.is_some_and(|viewer| viewer.role > Role::Member);
        if trusted { None } else { Some((ctx.data_opt::<Self>()?, Who::of(caller))) }
    }
}

/// What every mutation's resolver gives: null only beside a top-level error, which then leaves the
/// document's other mutations alone.
pub type Answer<P> = ApiResult<Option<P>>;

/// A change that is being made: the transaction, the time, and who makes it.
#[derive(Debug)]
pub struct Work {
    txn: Transaction,
    now: DateTime<Utc>,
    mutation: String,
    rule: Rule,
    viewer: Option<Viewer>,
}

impl Work {
    /// The transaction, for every statement of the change.
    pub fn txn(&self) -> &Transaction {
        &self.txn
    }

    /// The time of the change, the same in all its rows.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// The time of the change of an object that was changed at `before`: always later, whatever the clocks
    /// say.
    pub fn later_than(&self, before: DateTime<FixedOffset>) -> DateTime<FixedOffset> {
        self.now.fixed_offset().max(before + TimeDelta::microseconds(1))
    }

    /// The mutation's name in the schema, such as `addComment`.
    pub fn mutation(&self) -> &str {
        &self.mutation
    }

    /// Who makes the change; `None` for an operator at the command line and where nobody needs to be
    /// signed in.
    pub fn anyone(&self) -> Option<Viewer> {
        self.viewer
    }

    /// Who makes the change, where somebody has to be signed in.
    ///
    /// # Errors
    /// `Unauthenticated`, which the policy has made impossible for such mutations.
    pub fn viewer(&self) -> ApiResult<Viewer> {
        self.viewer.ok_or(ApiError::Unauthenticated)
    }

    /// Passes whoever may do this to an object of `owner`, who may be gone. To be asked before
    /// anything is said of the input.
    ///
    /// # Errors
    /// `Forbidden`.
    pub fn may_change(&self, owner: Option<i32>) -> Result<(), Rejection> {
        if self.rule.permits(self.viewer, owner) {
            return Ok(());
        }
        Err(Rejection::Failed(match self.rule {
            Rule::Has(role) => ApiError::needs_role(role),
            Rule::OwnerOr(_) => ApiError::Forbidden("this belongs to somebody else; its owner and editors may"),
            _ => ApiError::Forbidden("this belongs to somebody else"),
        }))
    }
}

/// What a mutation gives: its object, and `errors`. [`payload!`] makes one.
pub trait Payload: Sized {
    /// By what the object is found, once the change is committed. It is kept with the idempotency
    /// key.
    type Outcome: Serialize + DeserializeOwned + Send + Sync;

    /// Reads the object as it is now.
    fn load(ctx: &Context<'_>, outcome: Self::Outcome) -> impl Future<Output = ApiResult<Self>> + Send;

    /// Adds problems.
    fn refuse(errors: Vec<UserError>, shown: Option<Self>) -> Self;
}

/// A payload's object: how it is read anew after the change.
pub trait Produced: OutputType + Send + Sync + Sized {
    /// By what it is found.
    type Outcome: Serialize + DeserializeOwned + Send + Sync;

    /// Reads it as it is now; `None` when it is gone again.
    fn find(ctx: &Context<'_>, outcome: Self::Outcome) -> impl Future<Output = ApiResult<Option<Self>>> + Send;
}

impl<N: Node> Produced for N {
    type Outcome = Id<N>;

    async fn find(ctx: &Context<'_>, outcome: Id<N>) -> ApiResult<Option<N>> {
        ctx.find(outcome).await
    }
}

impl<N: Node + ObjectType> Produced for InPlace<N> {
    type Outcome = Id<N>;

    async fn find(ctx: &Context<'_>, outcome: Id<N>) -> ApiResult<Option<Self>> {
        Ok(ctx.find(outcome).await?.map(Self))
    }
}

/// The id of an object that is no more, as `deletedId`.
#[derive(Clone, Copy, Debug)]
pub struct Deleted<N>(Id<N>);

impl<N: NodeType> Produced for Deleted<N> {
    type Outcome = Id<N>;

    async fn find(_: &Context<'_>, outcome: Id<N>) -> ApiResult<Option<Self>> {
        Ok(Some(Self(outcome)))
    }
}

/// Shown as the standard `ID` scalar.
impl<N: NodeType> OutputType for Deleted<N> {
    fn type_name() -> std::borrow::Cow<'static, str> {
        <ID as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut async_graphql::registry::Registry) -> String {
        <ID as OutputType>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &async_graphql::ContextSelectionSet<'_>,
        field: &async_graphql::Positioned<async_graphql::parser::types::Field>,
    ) -> async_graphql::ServerResult<async_graphql::Value> {
        self.0.resolve(ctx, field).await
    }
}

/// Makes a payload of a field and `errors`:
/// `payload!(AddCommentPayload, "What `addComment` gives.", comment: Comment, "The new comment.");`
macro_rules! payload {
    ($payload:ident, $about:literal, $field:ident: $object:ty, $desc:literal) => {
        #[doc = $about]
        #[derive(Debug, async_graphql::SimpleObject)]
        pub struct $payload {
            #[doc = $desc]
            pub $field: Option<$object>,
            /// Why nothing has changed; empty when all is well.
            pub errors: Vec<$crate::kit::problem::UserError>,
        }

        impl $crate::kit::mutate::Payload for $payload {
            type Outcome = <$object as $crate::kit::mutate::Produced>::Outcome;

            async fn load(ctx: &async_graphql::Context<'_>, outcome: Self::Outcome) -> $crate::error::ApiResult<Self> {
                let $field = <$object as $crate::kit::mutate::Produced>::find(ctx, outcome).await?;
                Ok(Self { $field, errors: Vec::new() })
            }

            fn refuse(errors: Vec<$crate::kit::problem::UserError>, shown: Option<Self>) -> Self {
                Self { $field: shown.and_then(|shown| shown.$field), errors }
            }
        }
    };
}
pub(crate) use payload;

/// How a mutation has ended: kept as JSON with its idempotency key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The change is made; what it has made is found by this.
    Done(serde_json::Value),
    /// Nothing has changed, for these reasons, with the object as it is if that matters.
    Refused(Vec<UserError>, Option<serde_json::Value>),
}

/// An ending, and whether it is that of an earlier request with the same key.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How the mutation has ended.
    pub ending: Ending,
    /// Whether this request has changed nothing because an earlier one had.
    pub repeated: bool,
}

/// Runs the mutation that `ctx` is the field of, and reads what it gives.
///
/// # Errors
/// Top-level errors. What is wrong with the input is data of the payload.
pub async fn mutate<P: Payload>(
    ctx: &Context<'_>,
    work: impl AsyncFn(&Work) -> Result<P::Outcome, Rejection>,
) -> Answer<P> {
    let outcome = mutate_keyed(ctx, Repeat::SameArguments, work).await?;
    outcome.load(ctx).await.map(Some)
}

/// The same for a mutation that says itself what makes its input the same, or that an outcome is not
/// to be kept; and that has to know how it ended.
///
/// # Errors
/// Top-level errors.
pub async fn mutate_keyed<T: Serialize>(
    ctx: &Context<'_>,
    repeat: Repeat,
    work: impl AsyncFn(&Work) -> Result<T, Rejection>,
) -> ApiResult<Outcome> {
    let name = ctx.item.node.name.node.as_str();
    let key = Key::of(ctx, &repeat)?;
    let asked = Asked { mutation: name, rule: rule_of(name)?, viewer: ctx.viewer() };
    let key = key.map(|key| match WriteRates::of(ctx) {
        Some((rates, who)) => key.count_by(rates.keys.clone(), who),
        None => key,
    });
    let db = ctx.data_unchecked::<Db>();
    let turn = db.turn_to_write(ctx.address()).await?;
    let outcome = match Box::pin(run(&db.writer(), &asked, key.clone(), work)).await {
        Err(ApiError::Database(error)) => {
            db.writes.note_failure(&error);
            Err(ApiError::Database(db.explain(error).await))
        }
        other => other,
    };
    drop(turn);
    if let (Some(key), Err(_)) = (key, &outcome) {
        key.give_back();
    }
    if matches!(asked.rule, Rule::Has(_)) {
        ctx.data_unchecked::<Arc<Kept>>().forget();
    }
    if let Some(wake) = ctx.data_opt::<Wake>() {
        wake.call();
    }
    outcome
}

/// Runs a change without GraphQL: for the command line, whose users may do anything.
///
/// # Errors
/// What is wrong, or what has failed.
pub async fn run_as_operator<T: Serialize + DeserializeOwned>(
    db: &Writer,
    mutation: &str,
    work: impl AsyncFn(&Work) -> Result<T, Rejection>,
) -> Result<T, Rejection> {
    let asked = Asked { mutation, rule: Rule::Anyone, viewer: None };
    match run(db, &asked, None, work).await?.ending {
        Ending::Done(value) => Ok(read(value)?),
        Ending::Refused(errors, _) => Err(Rejection::Invalid(errors)),
    }
}

impl Outcome {
    /// The payload, with its object as it is now.
    ///
    /// # Errors
    /// Whatever keeps the object from being read.
    pub async fn load<P: Payload>(self, ctx: &Context<'_>) -> ApiResult<P> {
        match self.ending {
            Ending::Done(outcome) => P::load(ctx, read(outcome)?).await,
            Ending::Refused(errors, None) => Ok(P::refuse(errors, None)),
            Ending::Refused(errors, Some(outcome)) => {
                let shown = P::load(ctx, read(outcome)?).await?;
                Ok(P::refuse(errors, Some(shown)))
            }
        }
    }
}

fn read<T: DeserializeOwned>(outcome: serde_json::Value) -> ApiResult<T> {
    serde_json::from_value(outcome)
        .map_err(|error| ApiError::Internal(format!("a mutation's outcome is of another type: {error}")))
}

fn write<T: Serialize>(outcome: &T) -> ApiResult<serde_json::Value> {
    serde_json::to_value(outcome).map_err(|error| ApiError::Internal(format!("an outcome is no JSON: {error}")))
}

/// How often a transaction is tried that fails only because of others.
const TRIES_MAX: u32 = 5;

/// How long to wait at most before the second try; each further one may wait twice as long.
const PAUSE_MAX: Duration = Duration::from_millis(10);

/// What is to be done, and who wants it.
struct Asked<'a> {
    mutation: &'a str,
    rule: Rule,
    viewer: Option<Viewer>,
}

async fn run<T: Serialize>(
    db: &Writer,
    asked: &Asked<'_>,
    key: Option<Key>,
    work: impl AsyncFn(&Work) -> Result<T, Rejection>,
) -> ApiResult<Outcome> {
    let Asked { mutation, rule, viewer } = *asked;
    let mut tries = 0;
    loop {
        tries += 1;
        // SQLite has then waited for the lock of writers for as long as it may.
        let mut is_final = false;
        let attempt = match Transaction::begin(db).await {
            Ok(txn) => {
                let prepared = Work { txn, now: clock::now(), mutation: mutation.to_owned(), rule, viewer };
                Box::pin(attempt(prepared, key.as_ref(), &work)).await
            }
            Err(error) => {
                is_final = is_locked(&error);
                Err(unlogged(error))
            }
        };
        match attempt {
            Err(ApiError::Database(error)) if tries < TRIES_MAX && !is_final && is_transient(&error) => {
                tracing::debug!(mutation, tries, "a transaction met another one, and is tried again: {error}");
                if is_stale(&error) {
                    connect::forget_statements();
                }
                let pause = PAUSE_MAX * (1 << (tries - 1));
                tokio::time::sleep(pause.mul_f64(rand::random())).await;
            }
            Err(ApiError::Database(error)) => return Err(ApiError::Database(log_failure(error))),
            other => return other,
        }
    }
}

/// Logs what the database said, once, now that it is final.
fn log_failure(error: std::sync::Arc<DbErr>) -> std::sync::Arc<DbErr> {
    match std::sync::Arc::try_unwrap(error) {
        Ok(error) => log_database(error),
        // Somebody else has it, who has logged it.
        Err(shared) => shared,
    }
}

/// # Errors
/// `Database` is not logged yet.
async fn attempt<T: Serialize>(
    prepared: Work,
    key: Option<&Key>,
    work: &impl AsyncFn(&Work) -> Result<T, Rejection>,
) -> ApiResult<Outcome> {
    let Some(key) = key else {
        let ending = finish(Box::pin(work(&prepared)).await)?;
        match ending {
            Ending::Done(_) => commit(prepared.txn).await?,
            Ending::Refused(..) => roll_back(prepared.txn).await,
        }
        return Ok(Outcome { ending, repeated: false });
    };
    if let Claim::Known(ending) = key.claim(&prepared.txn, prepared.now).await? {
        roll_back(prepared.txn).await;
        return Ok(Outcome { ending, repeated: true });
    }
    // What is refused must leave nothing behind but its reasons.
    let Work { txn, now, mutation, rule, viewer } = prepared;
    let inner = Work { txn: txn.begin_savepoint().await.map_err(unlogged)?, now, mutation, rule, viewer };
    let ending = finish(Box::pin(work(&inner)).await)?;
    match ending {
        Ending::Done(_) => commit(inner.txn).await?,
        Ending::Refused(..) => inner.txn.rollback().await.map_err(unlogged)?,
    }
    key.keep(&txn, &ending).await?;
    commit(txn).await?;
    Ok(Outcome { ending, repeated: false })
}

async fn commit(txn: Transaction) -> ApiResult<()> {
    txn.commit().await.map_err(unlogged)
}

async fn roll_back(txn: Transaction) {
    if let Err(error) = txn.rollback().await {
        // Nothing was to be kept; the connection is not used again.
        tracing::debug!("a transaction could not be rolled back: {error}");
    }
}

fn unlogged(error: DbErr) -> ApiError {
    ApiError::Database(error.into())
}

/// # Errors
/// What is not the input's fault.
fn finish<T: Serialize>(outcome: Result<T, Rejection>) -> ApiResult<Ending> {
    match outcome {
        Ok(value) => Ok(Ending::Done(write(&value)?)),
        Err(Rejection::Invalid(errors)) => Ok(Ending::Refused(errors, None)),
        Err(Rejection::Stale(error, outcome)) => Ok(Ending::Refused(vec![error], Some(outcome))),
        Err(Rejection::Failed(error)) => Err(error),
    }
}
