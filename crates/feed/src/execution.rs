//! Executes an operation for events, several at a time.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use graphql::{EngineRefusal, EngineResponse, FieldError, OperationKind, PreparedOperation, Row, Rows, TypeName};
use request::budget::{Budget, UNSHARED};
use request::error::RequestError;
use request::executor::Executor;
use request::quota::{Exhausted, Quota, QuotaNames, Share};
use request::subscribe::{End, SubscriptionResult};
use request::viewer::Caller;
use serde_json::Value;
use telemetry::metrics;
use tokio::time::timeout;

use super::cursor::CursorScope;
use super::event::{Event, Position};
use super::hub::Hub;

/// An event with the cursor after it.
#[derive(Clone, Debug)]
pub struct EventWithCursor {
    /// The event.
    pub event: Event,
    /// The cursor, in its opaque form.
    pub cursor: Arc<str>,
}

/// Events are the rows of the subscription root.
impl Row for EventWithCursor {
    fn type_name() -> TypeName {
        "Subscription".into()
    }
}

/// The result of an event.
#[derive(Debug)]
pub(super) struct EventResult {
    pub(super) event: Event,
    pub(super) payload: SubscriptionResult,
    /// When its execution started.
    pub(super) started: Instant,
    /// The share of memory for its bytes, unless it is small.
    share: Option<Share>,
}

impl EventResult {
    /// The result with its share.
    pub(super) fn held(self) -> SubscriptionResult {
        self.payload.holding(self.share)
    }
}

/// Maximum number of batches that are executed concurrently.
const AT_ONCE: u64 = 32;
/// The same for one client, so that others' events and requests never wait for its subscriptions. It suffices to
/// share look-ups.
const AT_ONCE_PER_CLIENT: u64 = 8;

/// Turns to execute a batch. Clients get them in rotation.
pub(super) fn turns() -> Arc<Quota> {
    let names = QuotaNames { limit: "", limit_per_client: "", held: "events are executed", retry_after_s: 1 };
    Quota::new(names, AT_ONCE, AT_ONCE_PER_CLIENT)
}

/// Maximum number of events in a batch.
pub(super) const BATCH_MAX: usize = 32;

/// After a failed batch, the number of executed events before batches may double again. So few batches fail while the
/// database is too slow for large ones.
const REGROW_AFTER: usize = 32;

/// Maximum number of values in the results of a batch, unless it has one event.
const BATCH_VALUES_MAX: u64 = 10_000;

/// Maximum size of the results of a batch. A result that is larger than its part is made alone.
const BATCH_BYTES: u64 = 256 << 10;

/// The first and the longest pause before a failed event is executed again.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// The timeout of a batch. The database cancels statements much earlier, so a slower batch waits for a database that
/// vanished silently. Its events are then executed alone. If one of them also times out, its listeners are
/// disconnected and reconnect.
const PATIENCE: Duration = Duration::from_secs(30);

/// Maximum number of attempts for an event that fails while the database is available.
const TRIES_MAX: u32 = 3;

/// Maximum number of attempts for an event that times out while the database answers other statements. It is higher,
/// since a lock may be the reason.
const TIMEOUTS_MAX: u32 = 5;

/// After this number of consecutive timeouts the operation is given up.
const TOO_SLOW_MAX: u32 = 3;

/// The error codes while the database is down or busy. The event waits.
const AWAY: &[&str] = &["UNAVAILABLE"];

/// The error codes of timeouts: the database is too slow, or the operation too large.
const TIMEOUT: &[&str] = &["TIMEOUT"];

/// Why an operation is given up.
const TOO_SLOW: &str = "the events of this subscription take too long; select fewer fields";

/// Maximum age of rows and results that listeners share. They are made again if a comment changed since.
const SHARED_AGE_MAX: Duration = Duration::from_secs(2);

/// The error codes that a retry may avoid.
const TRANSIENT: &[&str] = &["INTERNAL", "NOT_FOUND"];

/// The beginning of messages of errors that were logged where they occurred.
const LOGGED: &str = "internal error; the server's log has the details";

/// An operation, and the state of its execution.
pub(super) struct FeedExecution {
    executor: Executor,
    hub: Arc<Hub>,
    prepared: Arc<PreparedOperation>,
    caller: Caller,
    budget: Arc<Budget>,
    /// The timeout of a batch: [`PATIENCE`].
    patience: Duration,
    limit: BatchLimit,
    /// The expected size of a result: at least half of the largest in the last batch.
    bytes_expected: u64,
    /// The attempts to execute the first event.
    attempt: Attempt,
    /// The number of consecutive events that were given up, and how many of them timed out.
    given_up: u32,
    too_slow: u32,
}

/// The number of events in a batch: one after a failed batch, then slowly increasing.
struct BatchLimit {
    events: usize,
    /// Events executed since the last change.
    executed: usize,
}

/// The attempts to execute an event that failed.
#[derive(Default)]
struct Attempt {
    /// The position of the event, if there is one.
    position: Option<Position>,
    tries: u32,
    /// The failed attempts that count against the operation.
    failures: u32,
    /// The pause before the next attempt.
    pause: Duration,
    /// How often the database had become available again.
    returns: u64,
    /// The size of its result, if there was no room for it.
    wanted: u64,
}

/// What happens to an response.
enum ResponseAction {
    /// It is delivered.
    Deliver(EngineResponse),
    /// It is too large for a batch.
    Alone,
    /// It is executed again.
    Again(ExecutionFailure),
}

/// Why an execution failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ExecutionFailure {
    /// The database is down or busy.
    Away,
    /// It timed out while the database answered other statements.
    TooSlow,
    /// Another, possibly transient, reason.
    Transient,
}

impl FeedExecution {
    /// An execution for this caller, whose results are within the budget.
    pub(super) fn new(
        (executor, hub): (Executor, Arc<Hub>),
        prepared: Arc<PreparedOperation>,
        caller: Caller,
        budget: Arc<Budget>,
    ) -> Self {
        Self {
            executor,
            hub,
            prepared,
            caller,
            budget,
            patience: PATIENCE,
            limit: BatchLimit::LARGEST,
            bytes_expected: 0,
            attempt: Attempt::default(),
            given_up: 0,
            too_slow: 0,
        }
    }

    /// The budget of the results.
    pub(super) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// The number of events in the next batch.
    pub(super) fn batch_size(&self) -> usize {
        if self.attempt.is_begun() {
            return 1;
        }
        let by_bytes = BATCH_BYTES / self.bytes_expected.max(1);
        let by_values = BATCH_VALUES_MAX / self.prepared.cost().values.max(1);
        usize::try_from(by_bytes.min(by_values)).unwrap_or(BATCH_MAX).clamp(1, self.limit.events)
    }

    /// Executes the first events when it is the turn of `client`, and removes those that have results: at least
    /// one. While the database is down or busy this waits, since a listener that got an error instead of a comment
    /// would lose it. It also waits for `room` for the bytes of a result. Events that fail or time out while the
    /// database answers other statements are given up after some attempts.
    ///
    /// # Errors
    /// There are no results, and there will be none for later events.
    pub(super) async fn run(
        &mut self,
        (events, scope): (&mut VecDeque<Event>, &CursorScope),
        (turns, client): (&Arc<Quota>, IpAddr),
        mut room: impl FnMut(u64) -> Result<Option<Share>, Exhausted>,
    ) -> Result<Vec<EventResult>, End> {
        if self.too_slow >= TOO_SLOW_MAX {
            // A new call has one attempt for each event.
            self.too_slow = 0;
            return Err(End::Refused(vec![RequestError::new(TIMEOUT[0], TOO_SLOW)]));
        }
        // The task that tried another event has gone.
        let first = events.front().map(|event| event.mark.position);
        if first.is_some() && self.attempt.position != first {
            self.attempt = Attempt { position: first, ..Attempt::default() };
        }
        loop {
            self.attempt.wait(&self.hub, &mut room).await;
            let batch = events.iter().take(self.batch_size());
            let send = |event: &Event| EventWithCursor { event: *event, cursor: scope.cursor(event.mark).into() };
            let batch: Arc<Vec<EventWithCursor>> = Arc::new(batch.map(send).collect());
            let turn = turns.wait(client).await;
            let started = Instant::now();
            let responses = match timeout(self.patience, self.execute(Arc::clone(&batch))).await {
                Ok(responses) => responses,
                Err(_) if batch.len() > 1 => {
                    self.limit = BatchLimit::SMALLEST;
                    continue;
                }
                // The operation is too large.
                Err(_) if self.hub.has_read_since(started) => {
                    vec![Ok(EngineResponse::failed(&self.prepared, &too_slow()))]
                }
                Err(_) => {
                    let patience = self.patience;
                    tracing::warn!("an event was not executed within {patience:?}: its listeners have to reconnect");
                    return Err(End::Stopping);
                }
            };
            let outcomes = self.accept((&batch, started), responses, &mut room);
            drop(turn);
            events.drain(..outcomes.len());
            if !outcomes.is_empty() || events.is_empty() {
                return Ok(outcomes);
            }
        }
    }

    /// Rows and results from before the returned moment are too old for events that were read at these moments.
    pub(super) fn fresh_since(hub: &Hub, read: impl IntoIterator<Item = Instant>) -> Instant {
        let now = Instant::now();
        let aged = now.checked_sub(SHARED_AGE_MAX).unwrap_or(now);
        read.into_iter().fold(aged.max(hub.changed()), Instant::max)
    }

    async fn execute(&self, batch: Arc<Vec<EventWithCursor>>) -> Vec<Result<EngineResponse, EngineRefusal>> {
        let Self { executor, prepared, caller, budget, .. } = self;
        budget.begin(OperationKind::Subscription);
        let bytes_max = match batch.len() as u64 {
            ..=1 => budget.max(),
            events => budget.max().min(BATCH_BYTES / events),
        };
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let since = Self::fresh_since(&self.hub, batch.iter().map(|sent| sent.event.read));
        let context = executor.contexts.event_context(caller.clone(), Arc::clone(budget), since);
        metrics::feed().executions.inc_by(batch.len() as u64);
        executor.engine.execute_events(prepared, Rows::shared(batch), &context, bytes_max).await
    }

    /// The results of the first events, up to one that must be executed again.
    fn accept(
        &mut self,
        (batch, started): (&[EventWithCursor], Instant),
        responses: Vec<Result<EngineResponse, EngineRefusal>>,
        room: &mut impl FnMut(u64) -> Result<Option<Share>, Exhausted>,
    ) -> Vec<EventResult> {
        let (mut outcomes, mut largest, mut unshared) = (Vec::with_capacity(batch.len()), 0, 0);
        let is_alone = batch.len() == 1;
        for (EventWithCursor { event, cursor }, response) in batch.iter().zip(responses) {
            let response = match self.judge(response, (is_alone, started)) {
                ResponseAction::Deliver(response) => response,
                ResponseAction::Alone => {
                    largest = BATCH_BYTES;
                    break;
                }
                ResponseAction::Again(failure) => {
                    match is_alone {
                        true => self.attempt.fail(failure),
                        // Another event may be the cause.
                        false => self.limit = BatchLimit::SMALLEST,
                    }
                    break;
                }
            };
            let payload = SubscriptionResult { event_id: Some(Arc::clone(cursor)), json: response.json.into() };
            let bytes = payload.json.len() as u64;
            largest = largest.max(bytes);
            let share = match bytes <= UNSHARED.saturating_sub(unshared) {
                true => {
                    unshared += bytes;
                    None
                }
                false => match room(bytes) {
                    Ok(share) => share,
                    // It needs no room after the previous results.
                    Err(_) if bytes <= UNSHARED => break,
                    Err(exhausted) => {
                        self.attempt.lack(bytes, exhausted);
                        break;
                    }
                },
            };
            note_errors(&response.errors);
            outcomes.push(EventResult { event: *event, payload, started, share });
            self.attempt = Attempt::default();
        }
        self.bytes_expected = largest.max(self.bytes_expected / 2);
        self.limit.grow(outcomes.len());
        outcomes
    }

    fn judge(
        &mut self,
        response: Result<EngineResponse, EngineRefusal>,
        (is_alone, started): (bool, Instant),
    ) -> ResponseAction {
        let response = match response {
            Ok(response) => response,
            Err(_) if !is_alone => return ResponseAction::Alone,
            // The error replaces its data.
            Err(_) => EngineResponse::failed(&self.prepared, &self.budget.exceed().into()),
        };
        if !is_alone && has_code(&response, &["TOO_COMPLEX"]) {
            return ResponseAction::Alone;
        }
        let Some(failure) = self.failure(&response, started) else {
            (self.given_up, self.too_slow) = (0, 0);
            return ResponseAction::Deliver(response);
        };
        if !is_alone || self.attempt.failures + 1 < self.tries_max(failure) {
            return ResponseAction::Again(failure);
        }
        self.given_up += 1;
        self.too_slow = if failure == ExecutionFailure::TooSlow { self.too_slow + 1 } else { 0 };
        ResponseAction::Deliver(response)
    }

    /// Why an execution that started at `started` should be repeated.
    fn failure(&self, response: &EngineResponse, started: Instant) -> Option<ExecutionFailure> {
        if has_code(response, AWAY) {
            return Some(ExecutionFailure::Away);
        }
        if has_code(response, TIMEOUT) {
            return Some(if self.hub.has_read_since(started) {
                ExecutionFailure::TooSlow
            } else {
                ExecutionFailure::Away
            });
        }
        has_code(response, TRANSIENT).then_some(ExecutionFailure::Transient)
    }

    /// After an event was given up, each later event has one attempt until one succeeds.
    fn tries_max(&self, failure: ExecutionFailure) -> u32 {
        match failure {
            ExecutionFailure::Away => u32::MAX,
            _ if self.given_up > 0 => 1,
            ExecutionFailure::TooSlow => TIMEOUTS_MAX,
            ExecutionFailure::Transient => TRIES_MAX,
        }
    }
}

impl BatchLimit {
    const LARGEST: Self = Self { events: BATCH_MAX, executed: 0 };
    const SMALLEST: Self = Self { events: 1, executed: 0 };

    /// Counts executed events.
    fn grow(&mut self, executed: usize) {
        self.executed += executed;
        if self.executed >= REGROW_AFTER {
            *self = Self { events: BATCH_MAX.min(self.events * 2), executed: 0 };
        }
    }
}

impl Attempt {
    const fn is_begun(&self) -> bool {
        self.tries > 0 || self.wanted > 0
    }

    /// Waits until the event may be executed again. An event without room waits for it.
    async fn wait(&mut self, hub: &Hub, room: &mut impl FnMut(u64) -> Result<Option<Share>, Exhausted>) {
        while self.is_begun() {
            self.pause = RETRY_MAX.min(RETRY_FIRST.max(self.pause * 2));
            if hub.pause(self.pause, &mut self.returns).await {
                self.pause = Duration::ZERO;
            }
            if self.wanted == 0 || room(self.wanted).is_ok() {
                break;
            }
        }
    }

    const fn fail(&mut self, failure: ExecutionFailure) {
        self.tries += 1;
        if !matches!(failure, ExecutionFailure::Away) {
            self.failures += 1;
        }
    }

    /// There is no room for this number of bytes.
    fn lack(&mut self, bytes: u64, exhausted: Exhausted) {
        if self.wanted == 0 {
            metrics::count_limit(exhausted.limit());
        }
        self.wanted = bytes;
    }
}

/// The error of an execution that times out although the database cancelled nothing.
fn too_slow() -> FieldError {
    FieldError::new(TIMEOUT[0], "the event took too long; select fewer fields")
}

fn code(error: &FieldError) -> Option<&str> {
    error.extensions.get("code").and_then(Value::as_str)
}

/// Counts the errors of a delivered result, and logs those that only the engine knows.
fn note_errors(errors: &[FieldError]) {
    for error in errors {
        metrics::count_error(code(error).unwrap_or("NONE"));
        if is_of_engine(error) {
            tracing::error!("the engine failed for an event: {}", error.message);
        }
    }
}

/// Events are executed outside of requests, so there is no request id.
fn is_of_engine(error: &FieldError) -> bool {
    code(error) == Some("INTERNAL") && !error.message.starts_with(LOGGED)
}

fn has_code(response: &EngineResponse, codes: &[&str]) -> bool {
    response.errors.iter().filter_map(code).any(|code| codes.contains(&code))
}

#[cfg(test)]
mod tests;
