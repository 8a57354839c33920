//! What executes the operations that the transport has read: the engine, and the data of their requests. Names no domain.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use graphql::{Context, Engine, EngineRefusal, FieldError, OperationKind, Prepared, Request};
use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use telemetry::metrics;

use crate::answer::{Budget, BudgetError};
use crate::error::UNAVAILABLE;
use crate::position::{Position, ReadsFrom};
use crate::retry;
use crate::viewer::{Caller, Viewer};

/// Makes the contexts that operations are executed in.
pub trait Contexts: Send + Sync + 'static {
    /// The context of an operation of this kind, for this caller. What changes something, or tells of changes, reads
    /// what was written last.
    fn context(&self, kind: OperationKind, caller: Caller, budget: Arc<Budget>) -> Context;

    /// The context of a query that reads from there. It may depend on what the query selects.
    fn query_context(&self, _: &Prepared, _: ReadsFrom, caller: Caller, budget: Arc<Budget>) -> Context {
        self.context(OperationKind::Query, caller, budget)
    }

    /// Where a query of this caller reads. Waits for a moment for a replica to come far enough.
    fn reads_from<'a>(&'a self, _: &'a Caller) -> BoxFuture<'a, ReadsFrom> {
        Box::pin(async { ReadsFrom::Replicas })
    }

    /// Whether queries are to be told what they have to see, and the leader can say it.
    fn asks_positions(&self) -> bool {
        false
    }

    /// What queries have to see that come after what this viewer was just told. None if they see every change.
    fn position_after(&self, _: Option<Viewer>) -> BoxFuture<'_, Option<Position>> {
        Box::pin(async { None })
    }

    /// The context of a subscription's execution for events. Executions for events may share rows, but none that were
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
    /// Contexts for it.
    pub contexts: Arc<dyn Contexts>,
}

/// Characters of an operation's name that are logged and counted: clients choose it.
const NAME_LENGTH_MAX: usize = 100;

/// The beginning of an operation's name.
pub fn short_name(name: &str) -> String {
    name.chars().take(NAME_LENGTH_MAX).collect()
}

impl Executor {
    /// Makes an operation ready to be executed.
    ///
    /// # Errors
    /// It is not to be executed.
    pub fn prepare(&self, request: &Request<'_>) -> Result<Prepared, EngineRefusal> {
        let mut is_known = true;
        let prepared = self.engine.prepare_noting(request, |known| is_known = known);
        metrics::count_document(is_known);
        if !is_known {
            metrics::note_documents(self.engine.cached_bytes());
        }
        prepared
    }

    /// Executes a query or a mutation. The budget has taken memory for its answer.
    ///
    /// # Errors
    /// There is no room for the answer of a query.
    pub async fn execute(
        &self,
        prepared: &Prepared,
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
            // The leader has gone in this moment, or a replica that had come far enough.
            (ReadsFrom::Leader | ReadsFrom::FreshReplicas, Some(_)) => {
                return self.execute_stale(prepared, caller, budget, done).await;
            }
            _ => false,
        };
        // What the leader has shown, replicas may lack.
        let after = match reads_from {
            ReadsFrom::Leader => self.contexts.position_after(caller.viewer).await,
            _ => None,
        };
        Ok(Outcome { is_stale, after, ..done })
    }

    /// Executes a query again that was not answered where it has to read, if it may read elsewhere now.
    async fn execute_stale(
        &self,
        prepared: &Prepared,
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
        prepared: &Prepared,
        context: &Context,
        budget: &Arc<Budget>,
        running: OperationTimer<'_>,
    ) -> Result<Outcome, BudgetError> {
        let is_query = prepared.kind() == OperationKind::Query;
        budget.begin(prepared.kind());
        let bytes_max = usize::try_from(budget.max()).unwrap_or(usize::MAX);
        let executed = self.engine.run(prepared, context).await;
        let answer = executed.answer(bytes_max);
        drop(running);
        if let Some(spent) = budget.spent().filter(|_| is_query) {
            return Err(spent);
        }
        let answer = match answer {
            Ok(answer) => answer,
            Err(_) if is_query => return Err(budget.exceed()),
            // It is done, whatever its answer takes.
            Err(_) => executed.shortened(bytes_max, &budget.exceed().into()),
        };
        note_errors(&answer.errors);
        budget.keep(answer.json.len())?;
        // Of several mutations, some may be done.
        let is_one = is_query || prepared.root_fields().count() == 1;
        let retry_after_s = retry_after_s(&answer.errors).filter(|_| is_one && is_empty(&answer.json));
        Ok(Outcome { json: answer.json, retry_after_s, is_stale: false, after: None })
    }
}

/// What executing an operation gives.
#[derive(Debug)]
pub struct Outcome {
    /// The bytes of the answer.
    pub json: Vec<u8>,
    /// If the answer is no more than that something is unavailable: after how many seconds to try again.
    pub retry_after_s: Option<u64>,
    /// Whether it may lack what the caller has changed last.
    pub is_stale: bool,
    /// What later queries have to see, if it had to be asked.
    pub after: Option<Position>,
}

/// When to try again what is unavailable.
fn retry_after_s(errors: &[FieldError]) -> Option<u64> {
    let is_unavailable = |error: &&FieldError| error.extensions.get("code").is_some_and(|code| code == UNAVAILABLE);
    errors.iter().find(is_unavailable)?.extensions.get(retry::EXTENSION)?.as_u64()
}

/// Whether no field of the root has a value.
fn is_empty(json: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Response<'a> {
        #[serde(borrow)]
        data: Option<HashMap<Cow<'a, str>, &'a RawValue>>,
    }
    serde_json::from_slice(json)
        .is_ok_and(|Response { data }| data.into_iter().flatten().all(|(_, value)| value.get() == "null"))
}

/// The caller with the names of the mutations, which an idempotency key belongs to.
fn name_mutations(prepared: &Prepared, caller: Caller) -> Caller {
    if prepared.kind() != OperationKind::Mutation || caller.idempotency_key.is_none() {
        return caller;
    }
    let names: Vec<_> = prepared.root_fields().collect();
    Caller { mutations: caller.mutations.named(&names), ..caller }
}

/// Counts an operation when it ends, be it that its time is over or that its client has left.
struct OperationTimer<'a> {
    name: Option<&'a str>,
    started: Instant,
}

impl Drop for OperationTimer<'_> {
    fn drop(&mut self) {
        metrics::count_operation(self.name.map(short_name).as_deref(), self.started.elapsed());
    }
}

/// Counts the errors of an answer, and logs those that only the engine knows of.
fn note_errors(errors: &[FieldError]) {
    for error in errors {
        let code = error.extensions.get("code").and_then(Json::as_str).unwrap_or("NONE");
        metrics::count_error(code);
        // What our resolvers report is logged where it happens.
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
