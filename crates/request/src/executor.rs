//! Executes the operations that the transport has read, with the engine and the data of their requests. Names no
//! domain.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use graphql::{Context, Engine, EngineRefusal, FieldError, OperationKind, PreparedOperation, Request};
use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use telemetry::metrics;

use crate::budget::{Budget, BudgetError};
use crate::error::UNAVAILABLE;
use crate::position::{Position, ReadsFrom};
use crate::retry;
use crate::viewer::{Caller, Viewer};

/// Makes the contexts that operations are executed in.
pub trait Contexts: Send + Sync + 'static {
    /// The context of an operation of this kind, for this caller. Mutations and subscriptions read the latest state.
    fn context(&self, kind: OperationKind, caller: Caller, budget: Arc<Budget>) -> Context;

    /// The context of a query that reads from these servers. It may depend on what the query selects.
    fn query_context(&self, _: &PreparedOperation, _: ReadsFrom, caller: Caller, budget: Arc<Budget>) -> Context {
        self.context(OperationKind::Query, caller, budget)
    }

    /// Where a query of this caller reads. Waits briefly for a replica to reach the caller's position.
    fn reads_from<'a>(&'a self, _: &'a Caller) -> BoxFuture<'a, ReadsFrom> {
        Box::pin(async { ReadsFrom::Replicas })
    }

    /// Whether queries need a position to read after, and the leader can provide it.
    fn asks_positions(&self) -> bool {
        false
    }

    /// The position for queries after the response to this viewer. `None` if they see every change.
    fn position_after(&self, _: Option<Viewer>) -> BoxFuture<'_, Option<Position>> {
        Box::pin(async { None })
    }

    /// The context in which a subscription is executed for events. Such executions may share rows, but none that were
    /// read before `since`.
    fn event_context(&self, caller: Caller, budget: Arc<Budget>, since: Instant) -> Context {
        let _ = since;
        self.context(OperationKind::Subscription, caller, budget)
    }
}

/// Executes operations. Cloning is cheap.
#[derive(Clone)]
pub struct Executor {
    /// The engine.
    pub engine: Arc<Engine>,
    /// The engine's contexts.
    pub contexts: Arc<dyn Contexts>,
}

/// The number of characters of an operation's name that are logged and counted. Clients choose the name.
const NAME_LENGTH_MAX: usize = 100;

/// The beginning of an operation's name.
pub fn short_name(name: &str) -> String {
    name.chars().take(NAME_LENGTH_MAX).collect()
}

impl Executor {
    /// Prepares an operation for execution.
    ///
    /// # Errors
    /// The operation must not be executed.
    pub fn prepare(&self, request: &Request<'_>) -> Result<PreparedOperation, EngineRefusal> {
        let mut is_known = true;
        let prepared = self.engine.prepare_noting(request, |known| is_known = known);
        metrics::count_document(is_known);
        if !is_known {
            metrics::note_documents(self.engine.cached_bytes());
        }
        prepared
    }

    /// Executes a query or a mutation. The budget has taken memory for its response.
    ///
    /// # Errors
    /// There is no memory for the response of a query.
    pub async fn execute(
        &self,
        prepared: &PreparedOperation,
        caller: Caller,
        budget: &Arc<Budget>,
    ) -> Result<Outcome, BudgetError> {
        let running = OperationTimer { name: prepared.name(), started: Instant::now() };
        if prepared.kind() != OperationKind::Query {
            let context = self.contexts.context(prepared.kind(), name_mutations(prepared, caller), Arc::clone(budget));
            return self.run(prepared, &context, budget, running).await;
        }
        let reads_from = self.contexts.reads_from(&caller).await;
        let context = self.contexts.query_context(prepared, reads_from, caller.clone(), Arc::clone(budget));
        let done = self.run(prepared, &context, budget, running).await?;
        let is_stale = match (reads_from, done.retry_after_s) {
            (ReadsFrom::StaleReplicas, _) => true,
            // The leader has just been lost, or the replica with the session's changes.
            (ReadsFrom::Leader | ReadsFrom::FreshReplicas, Some(_)) => {
                return self.execute_stale(prepared, caller, budget, done).await;
            }
            _ => false,
        };
        // Replicas may lack what the leader has returned.
        let after = match reads_from {
            ReadsFrom::Leader => self.contexts.position_after(caller.viewer).await,
            _ => None,
        };
        Ok(Outcome { is_stale, after, ..done })
    }

    /// Retries a query whose server did not respond, if it may now read from another one.
    async fn execute_stale(
        &self,
        prepared: &PreparedOperation,
        caller: Caller,
        budget: &Arc<Budget>,
        failed: Outcome,
    ) -> Result<Outcome, BudgetError> {
        let reads_from = self.contexts.reads_from(&caller).await;
        if reads_from == ReadsFrom::Leader {
            return Ok(failed);
        }
        let running = OperationTimer { name: prepared.name(), started: Instant::now() };
        let context = self.contexts.query_context(prepared, reads_from, caller, Arc::clone(budget));
        let done = self.run(prepared, &context, budget, running).await?;
        Ok(Outcome { is_stale: reads_from == ReadsFrom::StaleReplicas, ..done })
    }

    async fn run(
        &self,
        prepared: &PreparedOperation,
        context: &Context,
        budget: &Arc<Budget>,
        running: OperationTimer<'_>,
    ) -> Result<Outcome, BudgetError> {
        let is_query = prepared.kind() == OperationKind::Query;
        budget.begin(prepared.kind());
        let bytes_max = usize::try_from(budget.max()).unwrap_or(usize::MAX);
        let executed = self.engine.run(prepared, context).await;
        let answer = executed.response(bytes_max);
        drop(running);
        if let Some(spent) = budget.spent().filter(|_| is_query) {
            return Err(spent);
        }
        let answer = match answer {
            Ok(answer) => answer,
            Err(_) if is_query => return Err(budget.exceed()),
            // The mutation is done, whatever the size of its response.
            Err(_) => executed.shortened(bytes_max, &budget.exceed().into()),
        };
        note_errors(&answer.errors);
        budget.keep(answer.json.len())?;
        // If there are several mutations, some may be done.
        let is_one = is_query || prepared.root_fields().count() == 1;
        let retry_after_s = retry_after_s(&answer.errors).filter(|_| is_one && is_empty(&answer.json));
        Ok(Outcome { json: answer.json, retry_after_s, is_stale: false, after: None })
    }
}

/// The result of an operation.
#[derive(Debug)]
pub struct Outcome {
    /// The response.
    pub json: Vec<u8>,
    /// The number of seconds until a retry, if the response contains nothing but an `UNAVAILABLE` error.
    pub retry_after_s: Option<u64>,
    /// Whether the response may lack the caller's latest changes.
    pub is_stale: bool,
    /// The position for later queries, if it was requested.
    pub after: Option<Position>,
}

/// The number of seconds until a retry, if something is unavailable.
fn retry_after_s(errors: &[FieldError]) -> Option<u64> {
    let is_unavailable = |error: &&FieldError| error.extensions.get("code").is_some_and(|code| code == UNAVAILABLE);
    errors.iter().find(is_unavailable)?.extensions.get(retry::EXTENSION)?.as_u64()
}

/// Whether no root field has a value.
fn is_empty(json: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Response<'a> {
        #[serde(borrow)]
        data: Option<HashMap<Cow<'a, str>, &'a RawValue>>,
    }
    serde_json::from_slice(json)
        .is_ok_and(|Response { data }| data.into_iter().flatten().all(|(_, value)| value.get() == "null"))
}

/// The caller with the names of the mutations, for the idempotency key.
fn name_mutations(prepared: &PreparedOperation, caller: Caller) -> Caller {
    if prepared.kind() != OperationKind::Mutation || caller.idempotency_key.is_none() {
        return caller;
    }
    let names: Vec<_> = prepared.root_fields().collect();
    Caller { mutations: caller.mutations.named(&names), ..caller }
}

/// Counts an operation when it ends, even if it times out or its client leaves.
struct OperationTimer<'a> {
    name: Option<&'a str>,
    started: Instant,
}

impl Drop for OperationTimer<'_> {
    fn drop(&mut self) {
        metrics::count_operation(self.name.map(short_name).as_deref(), self.started.elapsed());
    }
}

/// Counts the errors of a response, and logs those that only the engine knows.
fn note_errors(errors: &[FieldError]) {
    for error in errors {
        let code = error.extensions.get("code").and_then(Json::as_str).unwrap_or("NONE");
        metrics::count_error(code);
        // Errors of our resolvers are logged where they happen.
        if code == "INTERNAL" && !error.extensions.contains_key("requestId") {
            tracing::error!(request_id = telemetry::request_id(), "the engine failed: {}", error.message);
        }
    }
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor").field("engine", &self.engine).finish_non_exhaustive()
    }
}
