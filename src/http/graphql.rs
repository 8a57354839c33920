//! The GraphQL endpoint: from an HTTP request to its answer.

use std::future::Future;
use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use async_graphql::{Executor, Request as Operation, Response as Outcome};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::Response;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::accept::{self, Answer, Wanted};
use super::caller::Callers;
use super::cors::Origins;
use super::document::{Documents, NAME_LENGTH_MAX};
use super::limits::Limits;
use super::operation::{Ask, Begun};
use super::params::{self, Asked, Bounds};
use super::refusal::Refusal;
use super::serve::Link;
use super::subscribe::{Subscribe, Subscription};
use super::{Settings, body, events, respond, size, socket};
use crate::quota::Quota;
use crate::telemetry;
use crate::viewer::Caller;

/// What answers `/graphql`.
pub(super) struct Endpoint<E> {
    executor: E,
    subscribe: Arc<dyn Subscribe>,
    documents: Documents,
    pub(super) callers: Callers,
    pub(super) origins: Origins,
    pub(super) sockets: Arc<Quota>,
    /// Bytes of what operations on sockets and event streams keep.
    pub(super) kept: Arc<Quota>,
    pub(super) limits: Limits,
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
        settings: &Settings,
    ) -> Self {
        let limits = settings.limits.clone();
        let permits = |max: u64| Semaphore::new(usize::try_from(max).unwrap_or(Semaphore::MAX_PERMITS));
        let (running, bodies) = (permits(limits.limit_requests), permits(limits.limit_bodies_bytes));
        let (origins, sockets, kept) = (Origins(settings.cors_origins.clone()), limits.sockets(), limits.kept());
        Self { executor, subscribe, documents, callers, origins, sockets, kept, limits, running, bodies }
    }

    async fn handle(self: &Arc<Self>, request: Request, wanted: Option<Wanted>) -> Result<Response, Refusal> {
        if socket::is_wanted(&request) {
            return socket::open(self, request);
        }
        let method = request.method().clone();
        if ![Method::GET, Method::HEAD, Method::POST].contains(&method) {
            return Err(Refusal::method());
        }
        let Wanted { answer, events } = wanted.ok_or_else(Refusal::not_acceptable)?;
        let (caller, token) = self.callers.meet(request.headers(), request.extensions())?;
        let token: Option<Arc<str>> = token.map(Into::into);
        let resume_from = if events { events::read_last_id(request.headers())? } else { None };
        let address = caller.address;
        let link = request.extensions().get::<Link>().cloned();
        match self.read(request).await? {
            Asked::One(operation) => {
                let safe = method != Method::POST;
                let (operation, token_too) = (*operation, token.clone());
                let ask = Ask {
                    operation,
                    caller,
                    token: token_too,
                    safe,
                    streams: events,
                    waits: false,
                    resume_from,
                    kept: None,
                };
                match self.begin(ask).await? {
                    Begun::One(outcome) => Ok(match answer {
                        Some(answer) => respond::respond(*outcome, answer),
                        None => events::respond_once(&outcome),
                    }),
                    Begun::Many(payloads, viewer, kept) => {
                        let place = self.sockets.take(address, 1).map_err(Refusal::exhausted)?;
                        let link = link.ok_or_else(Refusal::no_link)?;
                        Ok(events::listen(Arc::clone(self), (payloads, kept), token.zip(viewer), place, &link))
                    }
                }
            }
            Asked::Batch(operations) => {
                let answer = answer.ok_or_else(Refusal::not_acceptable)?;
                let batch = self.execute_batch(operations, caller, token.as_deref());
                Ok(respond::respond_batch(&self.in_time(false, batch).await?, answer))
            }
        }
    }

    /// Begins an operation: a query or a mutation is done then, a subscription listens.
    ///
    /// # Errors
    /// The operation is not executed, or takes too long.
    pub(super) async fn begin(&self, ask: Ask) -> Result<Begun, Refusal> {
        let Ask { operation, mut caller, token, safe, streams, waits, resume_from, kept } = ask;
        self.in_time(waits, async {
            if let Some(token) = token {
                caller.viewer = Some(self.callers.sign_in(&token).await?);
            }
            let (viewer, address) = (caller.viewer, caller.address);
            let mut budget = self.limits.limit_complexity;
            let (request, kind, document_bytes) = self.prepare(operation.data(caller), safe, &mut budget)?;
            if kind != OperationType::Subscription {
                return Ok(Begun::One(Box::new(self.executor.execute(request).await)));
            }
            if !streams {
                return Err(Refusal::is_stream());
            }
            // Whoever executes it has the document and the variables twice: for a group's first listener, and to
            // tell groups apart.
            let bytes = 2 * (document_bytes + size::variables_bytes(&request.variables));
            let mut kept = kept.map_or_else(|| self.kept.take(address, 0), Ok).map_err(Refusal::exhausted)?;
            kept.grow(bytes.saturating_sub(kept.amount())).map_err(Refusal::exhausted)?;
            // What is not declared is gone.
            kept.shrink(kept.amount().saturating_sub(bytes));
            let request = match &resume_from {
                Some(resume_from) => request.data(resume_from.clone()),
                None => request,
            };
            Ok(Begun::Many(self.subscribe.subscribe(Subscription { request, resume_from }), viewer, kept))
        })
        .await
    }

    /// Does work for one of the requests that may run at a time, within a request's time. Where that is
    /// not refused at once, the wait for its turn has as much.
    async fn in_time<T>(&self, waits: bool, work: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
        let time = self.limits.request_timeout();
        // One that waits for its body does not hold up others.
        let permit = match waits {
            // Nobody closes the semaphore.
            true => timeout(time, self.running.acquire()).await.ok().and_then(Result::ok),
            false => self.running.try_acquire().ok(),
        };
        let _permit = permit.ok_or_else(|| Refusal::busy(self.limits.limit_requests))?;
        let too_late = |_| Err(Refusal::timeout(self.limits.request_timeout_ms));
        timeout(time, work).await.unwrap_or_else(too_late)
    }

    async fn read(&self, request: Request) -> Result<Asked, Refusal> {
        if request.method() != Method::POST {
            let query = request.uri().query().unwrap_or_default();
            if query.len() as u64 > self.limits.limit_body_bytes {
                return Err(Refusal::body_too_large(self.limits.limit_body_bytes));
            }
            return params::read_url(query, self.bounds()).map(Box::new).map(Asked::One);
        }
        accept::check_body_type(request.headers())?;
        let body = body::read(request.into_body(), &self.limits, &self.bodies).await?;
        params::read_body(&body.bytes, self.bounds())
    }

    fn bounds(&self) -> Bounds {
        Bounds { batch: self.limits.limit_batch, values: self.limits.limit_input_values }
    }

    /// The request to execute, its kind, and the bytes of its document.
    ///
    /// # Errors
    /// The operation is not to be executed.
    fn prepare(
        &self,
        mut request: Operation,
        safe: bool,
        budget: &mut u64,
    ) -> Result<(Operation, OperationType, u64), Refusal> {
        let operation = self.documents.prepare(&mut request, budget)?;
        if let (Some(context), Some(name)) = (telemetry::current_request(), operation.name) {
            // The first one of a batch or a socket.
            let _ = context.operation.set(name.chars().take(NAME_LENGTH_MAX).collect());
        }
        match operation.kind {
            OperationType::Mutation if safe => Err(Refusal::unsafe_by_get("mutation")),
            kind => Ok((request, kind, operation.document_bytes)),
        }
    }

    /// One after the other: a later one sees what an earlier one has changed.
    async fn execute_batch(
        &self,
        operations: Vec<Operation>,
        mut caller: Caller,
        token: Option<&str>,
    ) -> Result<Vec<Outcome>, Refusal> {
        if let Some(token) = token {
            caller.viewer = Some(self.callers.sign_in(token).await?);
        }
        let mut budget = self.limits.limit_complexity;
        let mut outcomes = Vec::with_capacity(operations.len());
        for (position, operation) in operations.into_iter().enumerate() {
            let mut caller = caller.clone();
            // Each operation has a key of its own: no client's holds a blank.
            caller.idempotency_key = caller.idempotency_key.map(|key| format!("{key} {position}"));
            let outcome = match self.prepare(operation.data(caller), false, &mut budget) {
                Ok((_, OperationType::Subscription, _)) => Err(Refusal::is_stream()),
                Ok((request, ..)) => Ok(self.executor.execute(request).await),
                Err(refusal) => Err(refusal),
            };
            let refuse = |refusal: Refusal| {
                refusal.count();
                Outcome::from_errors(vec![*refusal.error])
            };
            outcomes.push(outcome.unwrap_or_else(refuse));
            // Many that need not wait for anything would hold up others, and the time limit.
            tokio::task::yield_now().await;
        }
        Ok(outcomes)
    }
}

/// Answers any request to the endpoint, whatever its method.
pub(super) async fn answer<E: Executor>(State(endpoint): State<Arc<Endpoint<E>>>, request: Request<Body>) -> Response {
    let wanted = accept::negotiate(request.headers());
    let outcome = endpoint.handle(request, wanted).await;
    outcome.unwrap_or_else(|refusal| {
        refusal.count();
        match wanted {
            // What is wrong with a document, for a client that reads nothing else.
            Some(Wanted { answer: None, events: true }) if refusal.status.is_none() => {
                events::refuse(&[*refusal.error])
            }
            _ => respond::refuse(refusal, wanted.and_then(|wanted| wanted.answer).unwrap_or(Answer::Json)),
        }
    })
}
