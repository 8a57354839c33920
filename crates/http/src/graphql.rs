//! The GraphQL endpoint: what requests share, and how they are executed.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::Method;
use graphql::{Cost, OperationKind, PreparedOperation};
use request::budget::{Budget, hold};
use request::executor::{Executor, Outcome, short_name};
use request::quota::Quota;
use request::subscribe::{Subscribe, Subscription};
use request::viewer::{Caller, RequestMutations};
use tokio::time::timeout;

use super::accept;
use super::bounds::Bounds;
use super::caller::Callers;
use super::cors::Origins;
use super::limits::Limits;
use super::operation::{ActiveSubscription, OperationRequest, StartedOperation};
use super::params::{self, BatchEntry, OperationParams, Operations};
use super::refusal::Refusal;
use super::respond::{BatchWriter, Consistency, ExecutionResult};
use super::{HttpSettings, body, respond};

/// The endpoint `/graphql`.
pub(super) struct Endpoint {
    executor: Executor,
    subscribe: Arc<dyn Subscribe>,
    pub(super) callers: Callers,
    pub(super) origins: Origins,
    pub(super) sockets: Arc<Quota>,
    /// The memory of operations on sockets and of event streams, in bytes.
    pub(super) kept: Arc<Quota>,
    pub(super) limits: Limits,
    /// Slots for running requests.
    running: Arc<Quota>,
    /// Slots for requests that wait for one of these.
    waiting: Arc<Quota>,
    /// Memory for bodies that are being read, in bytes.
    bodies: Arc<Quota>,
    /// Memory for responses that are being built or sent.
    unsent: Arc<Quota>,
    subscriptions: Arc<Quota>,
    /// The values that subscriptions return for an event.
    subscribed: Arc<Quota>,
}

impl Endpoint {
    pub(super) fn new(
        executor: Executor,
        subscribe: Arc<dyn Subscribe>,
        callers: Callers,
        settings: &HttpSettings,
    ) -> Self {
        let limits = settings.limits.clone();
        let origins = Origins(settings.cors_origins.clone());
        Self {
            executor,
            subscribe,
            callers,
            origins,
            sockets: limits.sockets(),
            kept: limits.kept(),
            running: limits.requests(),
            waiting: limits.waiting(),
            bodies: limits.bodies(),
            unsent: limits.unsent(),
            subscriptions: limits.subscriptions(),
            subscribed: limits.subscribed(),
            limits,
        }
    }

    /// Begins an operation: runs a query or a mutation to its end, or starts a subscription.
    ///
    /// # Errors
    /// The operation is not executed, or takes too long.
    pub(super) async fn begin(&self, ask: OperationRequest) -> Result<StartedOperation, Refusal> {
        let OperationRequest { operation, mut caller, token, safe, streams, waits, resume_from, kept } = ask;
        let address = caller.address;
        let mutations = caller.mutations.clone();
        self.in_time(address, waits, mutations, async {
            if let Some(token) = &token {
                self.sign_in(&mut caller, token).await?;
            }
            let prepared = self.prepare(&operation, safe, &mut Cost::default())?;
            // The plan no longer needs the document.
            drop(operation);
            if let (OperationKind::Query, Some(token)) = (prepared.kind(), &token) {
                self.ask_position(&mut caller, token).await?;
            }
            let viewer = caller.viewer;
            let budget = self.response_budget(address);
            if prepared.kind() != OperationKind::Subscription {
                let outcome = self.executor.execute(&prepared, caller, &budget).await.map_err(Refusal::spent)?;
                let mut consistency = Consistency::default();
                consistency.add(&outcome);
                let Outcome { json, retry_after_s, .. } = outcome;
                if prepared.kind() == OperationKind::Mutation && retry_after_s.is_none() {
                    consistency.after = self.executor.contexts.position_after(viewer).await;
                }
                return Ok(StartedOperation::One(ExecutionResult {
                    json: hold(json.into(), budget.share()),
                    retry_after_s,
                    consistency,
                }));
            }
            if !streams {
                return Err(Refusal::is_stream());
            }
            let mut kept = kept.map_or_else(|| self.kept.take(address, 0), Ok).map_err(Refusal::exhausted)?;
            kept.grow(prepared.bytes().saturating_sub(kept.amount())).map_err(Refusal::exhausted)?;
            // Undeclared variables are dropped.
            kept.shrink(kept.amount().saturating_sub(prepared.bytes()));
            let shares = [
                kept,
                self.subscriptions.take(address, 1).map_err(Refusal::exhausted)?,
                self.subscribed.take(address, prepared.cost().values).map_err(Refusal::exhausted)?,
            ];
            let payloads = self.subscribe.subscribe(Subscription { prepared, caller, budget, resume_from });
            Ok(StartedOperation::Many(ActiveSubscription { payloads, viewer, shares }))
        })
        .await
    }

    async fn sign_in(&self, caller: &mut Caller, token: &str) -> Result<(), Refusal> {
        let found = self.callers.sign_in(token).await?;
        (caller.viewer, caller.by_replica) = (Some(found.viewer), found.by_replica);
        caller.after = caller.after.max(found.position);
        Ok(())
    }

    /// Sets the position of a query, unless the client has sent one, so that it sees what its user has changed on any
    /// instance. A cached session has no position, because it was not looked up.
    async fn ask_position(&self, caller: &mut Caller, token: &str) -> Result<(), Refusal> {
        if caller.after.is_none() && self.executor.contexts.asks_positions() {
            let found = self.callers.sign_in_uncached(token).await?;
            (caller.viewer, caller.after) = (Some(found.viewer), found.position);
        }
        Ok(())
    }

    fn response_budget(&self, address: IpAddr) -> Arc<Budget> {
        Budget::new(self.limits.limit_answer_bytes, Arc::clone(&self.unsent), address)
    }

    /// Runs work for one of the concurrent requests, within the request timeout. If the request waits for its slot
    /// instead of being refused, the wait has the same timeout.
    pub(super) async fn in_time<T>(
        &self,
        address: IpAddr,
        waits: bool,
        mutations: RequestMutations,
        work: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let time = self.limits.request_timeout();
        // The slot is taken after the body was read, so that slow bodies do not block others.
        let slot = match self.running.take(address, 1) {
            Err(exhausted) if waits => {
                let _waiting = self.waiting.take(address, 1).map_err(Refusal::exhausted)?;
                timeout(time, self.running.wait(address)).await.map_err(|_| exhausted)
            }
            slot => slot,
        };
        let _slot = slot.map_err(Refusal::exhausted)?;
        let too_late = |_| Err(Refusal::timeout(self.limits.request_timeout_ms, mutations.outcome()));
        timeout(time, work).await.unwrap_or_else(too_late)
    }

    /// Reads a request's operations.
    pub(super) async fn read(&self, request: Request, address: IpAddr) -> Result<Operations, Refusal> {
        if request.method() != Method::POST {
            let query = request.uri().query().unwrap_or_default();
            if query.len() as u64 > self.limits.limit_body_bytes {
                return Err(Refusal::body_too_large(self.limits.limit_body_bytes));
            }
            return params::read_url(query, self.bounds()).map(Box::new).map(Operations::One);
        }
        accept::check_body_type(request.headers())?;
        let room = self.bodies.take(address, 0).map_err(Refusal::exhausted)?;
        let body = body::read(request.into_body(), &self.limits, room).await?;
        params::read_body(&body.bytes, self.bounds())
    }

    fn bounds(&self) -> Bounds {
        Bounds::of(&self.limits)
    }

    /// Prepares an operation. Its cost is added to that of the batch's earlier operations.
    ///
    /// # Errors
    /// The operation must not be executed.
    fn prepare(&self, operation: &OperationParams, safe: bool, cost: &mut Cost) -> Result<PreparedOperation, Refusal> {
        let prepared = self.executor.prepare(&operation.request()).map_err(|refusal| Refusal::engine(&refusal))?;
        if let (Some(context), Some(name)) = (telemetry::current_request(), prepared.name()) {
            // Only the first one of a batch or a socket.
            let _ = context.operation.set(short_name(name));
        }
        if safe && prepared.kind() == OperationKind::Mutation {
            return Err(Refusal::unsafe_by_get("mutation"));
        }
        self.executor.engine.add_cost(cost, &prepared).map_err(|refusal| Refusal::engine(&refusal))?;
        Ok(prepared)
    }

    /// Runs them one after another: a later one sees what an earlier one has changed.
    pub(super) async fn execute_batch(
        &self,
        operations: Vec<BatchEntry>,
        mut caller: Caller,
        token: Option<&str>,
    ) -> Result<ExecutionResult, Refusal> {
        if let Some(token) = token {
            self.sign_in(&mut caller, token).await?;
        }
        let budget = self.response_budget(caller.address);
        let (mut cost, mut written) = (Cost::default(), BatchWriter::new());
        let mut changed = false;
        let count = operations.len();
        for (position, operation) in operations.into_iter().enumerate() {
            let run = async {
                let prepared = self.prepare(&operation?, false, &mut cost)?;
                if prepared.kind() == OperationKind::Subscription {
                    return Err(Refusal::is_stream());
                }
                // An earlier mutation may have ended the session or changed the role. Mutations check that themselves.
                let is_mutation = prepared.kind() == OperationKind::Mutation;
                if changed && !is_mutation {
                    if let Some(token) = token {
                        self.sign_in(&mut caller, token).await?;
                    }
                    changed = false;
                    written.consistency().after = self.executor.contexts.position_after(caller.viewer).await;
                    caller.after = caller.after.max(written.consistency().after);
                }
                if let (false, Some(token)) = (is_mutation, token) {
                    self.ask_position(&mut caller, token).await?;
                }
                changed |= is_mutation;
                let mutations = caller.mutations.in_batch(position, count);
                let caller = Caller { mutations, ..caller.clone() };
                self.executor.execute(&prepared, caller, &budget).await.map_err(Refusal::spent)
            };
            match run.await {
                Ok(outcome) => {
                    written.consistency().add(&outcome);
                    written.add(&outcome.json, outcome.retry_after_s);
                }
                Err(refusal) => {
                    refusal.count();
                    written.add(&respond::errors(&refusal.errors), refusal.retry_after_s());
                }
            }
            // Many operations that never wait would block others, and the timeout.
            tokio::task::yield_now().await;
        }
        if changed {
            written.consistency().after = self.executor.contexts.position_after(caller.viewer).await;
        }
        let result = written.finish();
        Ok(ExecutionResult { json: hold(result.json, budget.share()), ..result })
    }
}
