//! The GraphQL endpoint: from an HTTP request to its answer.

use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use async_graphql::{Executor, Request as Operation, Response as Outcome};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::Response;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::accept::{self, Answer};
use super::caller::Callers;
use super::document::{Documents, NAME_LENGTH_MAX};
use super::limits::Limits;
use super::params::{self, Asked};
use super::refusal::Refusal;
use super::subscribe::Subscribe;
use super::{body, respond};
use crate::telemetry;
use crate::viewer::Caller;

/// What answers `/graphql`.
pub(super) struct Endpoint<E> {
    executor: E,
    #[expect(dead_code, reason = "sockets and event streams come next")]
    subscribe: Arc<dyn Subscribe>,
    documents: Documents,
    callers: Callers,
    limits: Limits,
    /// A permit for each request that may run.
    running: Semaphore,
    /// A permit for each byte of bodies that are being read.
    bodies: Semaphore,
}

impl<E: Executor> Endpoint<E> {
    pub(super) fn new(
        executor: E,
        subscribe: Arc<dyn Subscribe>,
        callers: Callers,
        documents: Documents,
        limits: Limits,
    ) -> Self {
        let permits = |max: u64| Semaphore::new(usize::try_from(max).unwrap_or(Semaphore::MAX_PERMITS));
        let (running, bodies) = (permits(limits.limit_requests), permits(limits.limit_bodies_bytes));
        Self { executor, subscribe, callers, documents, limits, running, bodies }
    }

    async fn handle(&self, request: Request, answer: Option<Answer>) -> Result<Response, Refusal> {
        let method = request.method().clone();
        if ![Method::GET, Method::HEAD, Method::POST].contains(&method) {
            return Err(Refusal::method());
        }
        let answer = answer.ok_or_else(Refusal::not_acceptable)?;
        let (mut caller, token) = self.callers.meet(request.headers(), request.extensions())?;
        let asked = self.read(request).await?;
        // One that waits for its body does not hold up others.
        let _permit = self.running.try_acquire().map_err(|_| Refusal::busy(self.limits.limit_requests))?;
        let work = async {
            if let Some(token) = token {
                caller.viewer = Some(self.callers.sign_in(&token).await?);
            }
            match asked {
                Asked::One(operation) => {
                    let mut budget = self.limits.limit_complexity;
                    let operation = operation.data(caller);
                    Ok(respond::respond(self.execute(operation, method != Method::POST, &mut budget).await?, answer))
                }
                Asked::Batch(operations) => Ok(self.execute_batch(operations, &caller, answer).await),
            }
        };
        let too_late = |_| Err(Refusal::timeout(self.limits.request_timeout_ms));
        timeout(self.limits.request_timeout(), work).await.unwrap_or_else(too_late)
    }

    async fn read(&self, request: Request) -> Result<Asked, Refusal> {
        if request.method() != Method::POST {
            let query = request.uri().query().unwrap_or_default();
            if query.len() as u64 > self.limits.limit_body_bytes {
                return Err(Refusal::body_too_large(self.limits.limit_body_bytes));
            }
            return params::read_url(query).map(Box::new).map(Asked::One);
        }
        accept::check_body_type(request.headers())?;
        let body = body::read(request.into_body(), &self.limits, &self.bodies).await?;
        params::read_body(&body.bytes, self.limits.limit_batch)
    }

    /// # Errors
    /// The operation is not executed.
    async fn execute(&self, mut request: Operation, safe: bool, budget: &mut u64) -> Result<Outcome, Refusal> {
        let operation = self.documents.prepare(&mut request, budget)?;
        if let (Some(context), Some(name)) = (telemetry::current_request(), operation.name) {
            // The first one of a batch.
            let _ = context.operation.set(name.chars().take(NAME_LENGTH_MAX).collect());
        }
        match operation.kind {
            OperationType::Subscription => {
                Err(Refusal::malformed("a subscription is a stream of answers; this is a request for one"))
            }
            OperationType::Mutation if safe => Err(Refusal::unsafe_by_get("mutation")),
            OperationType::Mutation | OperationType::Query => Ok(self.executor.execute(request).await),
        }
    }

    /// One after the other: a later one sees what an earlier one has changed.
    async fn execute_batch(&self, operations: Vec<Operation>, caller: &Caller, answer: Answer) -> Response {
        let mut budget = self.limits.limit_complexity;
        let mut outcomes = Vec::with_capacity(operations.len());
        for (position, operation) in operations.into_iter().enumerate() {
            let mut caller = caller.clone();
            // Each operation has a key of its own: no client's holds a blank.
            caller.idempotency_key = caller.idempotency_key.map(|key| format!("{key} {position}"));
            let outcome = self.execute(operation.data(caller), false, &mut budget).await;
            let refuse = |refusal: Refusal| {
                refusal.count();
                Outcome::from_errors(vec![*refusal.error])
            };
            outcomes.push(outcome.unwrap_or_else(refuse));
        }
        respond::respond_batch(&outcomes, answer)
    }
}

/// Answers any request to the endpoint, whatever its method.
pub(super) async fn answer<E: Executor>(State(endpoint): State<Arc<Endpoint<E>>>, request: Request<Body>) -> Response {
    let answer = accept::negotiate(request.headers());
    let outcome = endpoint.handle(request, answer).await;
    outcome.unwrap_or_else(|refusal| {
        refusal.count();
        respond::refuse(refusal, answer.unwrap_or(Answer::Json))
    })
}
