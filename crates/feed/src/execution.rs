//! An operation that is executed for events, several at a time.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use graphql::{Answer, EngineRefusal, FieldError, OperationKind, Prepared, Row, Rows, TypeName};
use request::answer::{Budget, UNSHARED};
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

/// An event, and the cursor after it.
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

/// The result for an event.
#[derive(Debug)]
pub(super) struct EventResult {
    pub(super) event: Event,
    pub(super) payload: SubscriptionResult,
    /// When its execution began.
    pub(super) begun: Instant,
    /// The share of memory that its bytes take, if they are not small.
    share: Option<Share>,
}

impl EventResult {
    /// The result with its share.
    pub(super) fn held(self) -> SubscriptionResult {
        self.payload.holding(self.share)
    }
}

/// Batches that are executed at the same time at most.
const AT_ONCE: u64 = 32;
/// Of these, for one client: others' events and requests never wait for all that one has subscribed to. Enough to
/// share look-ups.
const AT_ONCE_PER_CLIENT: u64 = 8;

/// Turns to execute a batch, which clients get in rotation.
pub(super) fn turns() -> Arc<Quota> {
    let names = QuotaNames { limit: "", limit_per_client: "", held: "events are executed", retry_after_s: 1 };
    Quota::new(names, AT_ONCE, AT_ONCE_PER_CLIENT)
}

/// Events in a batch at most.
pub(super) const BATCH_MAX: usize = 32;

/// Events that are executed before batches may be twice as large again, after one has failed. So few batches fail
/// while the database is too slow for large ones.
const REGROW_AFTER: usize = 32;

/// Values in the results of a batch at most, unless it is of one event.
const BATCH_VALUES_MAX: u64 = 10_000;

/// Bytes of the results of a batch at most. A result that is larger than its part of them is made alone.
const BATCH_BYTES: u64 = 256 << 10;

/// How long to wait before an event is executed again that could not be, at first and at most.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// How long a batch may take. The database stops its statements long before: one that takes longer
/// waits for a database that is gone without a word. Its events are executed alone then; if one of
/// them takes longer too, its listeners are sent away and come back.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often an event is executed whose execution fails for another reason than that the database is away or busy.
const TRIES_MAX: u32 = 3;

/// How often an event is executed whose execution takes too long, while the database answers others. More often than
/// others: a lock may be the reason.
const TIMEOUTS_MAX: u32 = 5;

/// Events in a row that take too long until the operation is given up.
const TOO_SLOW_MAX: u32 = 3;

/// The code of errors while the database is away or busy: the event waits for it.
const AWAY: &[&str] = &["UNAVAILABLE"];

/// The code of errors of what takes too long: the database is too slow, or too much is asked of it.
const TIMEOUT: &[&str] = &["TIMEOUT"];

/// Why an operation is given up.
const TOO_SLOW: &str = "the events of this subscription take too long; select fewer fields";

/// How old the rows and results may be that listeners share. A change of a comment that was read since makes them anew.
const SHARED_AGE_MAX: Duration = Duration::from_secs(2);

/// Codes of errors that may be gone at the next try.
const TRANSIENT: &[&str] = &["INTERNAL", "NOT_FOUND"];

/// How the messages of errors begin that resolvers report, and that are logged where they happen.
const LOGGED: &str = "internal error; the server's log has the details";

/// An operation, and what is known of its results.
pub(super) struct FeedExecution {
    executor: Executor,
    hub: Arc<Hub>,
    prepared: Arc<Prepared>,
    caller: Caller,
    budget: Arc<Budget>,
    /// How long a batch may take: [`PATIENCE`].
    patience: Duration,
    limit: BatchLimit,
    /// Bytes that a result may be expected to have: no less than half of the largest in the last batch.
    bytes_expected: u64,
    /// The tries to execute the first event.
    attempt: Attempt,
    /// Events in a row that were given up, and how many of them for the time that they took.
    given_up: u32,
    too_slow: u32,
}

/// How many events a batch may have: one after a batch has failed, and slowly more again.
struct BatchLimit {
    events: usize,
    /// Events that were executed since it changed.
    executed: usize,
}

/// The tries to execute an event alone that could not be executed yet.
#[derive(Default)]
struct Attempt {
    /// Where the event stands, once there is one.
    position: Option<Position>,
    tries: u32,
    /// Of these, those that say something of the operation.
    failures: u32,
    /// Before the next try.
    pause: Duration,
    /// How often the database was seen to answer again.
    returns: u64,
    /// Bytes of its result, if there was no room for it.
    wanted: u64,
}

/// What becomes of an answer.
enum AnswerFate {
    /// It is delivered.
    Deliver(Answer),
    /// It does not fit into a batch.
    Alone,
    /// It may be another one at the next try.
    Again(Failure),
}

/// Why an execution has failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// For a reason that lies in the database.
    Away,
    /// It took too long, while the database answered others.
    TooSlow,
    /// For another reason, which may pass.
    Transient,
}

impl FeedExecution {
    /// An execution in the name of this caller, whose results are within the budget.
    pub(super) fn new(
        (executor, hub): (Executor, Arc<Hub>),
        prepared: Arc<Prepared>,
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

    /// The budget of its results.
    pub(super) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// The number of events that the next batch takes at most.
    pub(super) fn batch_size(&self) -> usize {
        if self.attempt.is_begun() {
            return 1;
        }
        let by_bytes = BATCH_BYTES / self.bytes_expected.max(1);
        let by_values = BATCH_VALUES_MAX / self.prepared.cost().values.max(1);
        usize::try_from(by_bytes.min(by_values)).unwrap_or(BATCH_MAX).clamp(1, self.limit.events)
    }

    /// Executes the first of these events, when it is the turn of `client`, and takes those away that have results now:
    /// at least one. While the database is away or busy it is waited for: a listener that got an error instead of a
    /// comment would have lost it. So is `room` for so many bytes. What fails or takes too long while the database
    /// answers others is given up after some tries.
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
            // Whoever asks again has one try for each event.
            self.too_slow = 0;
            return Err(End::Refused(vec![RequestError::new(TIMEOUT[0], TOO_SLOW)]));
        }
        // Whoever tried to execute another event has gone.
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
            let begun = Instant::now();
            let answers = match timeout(self.patience, self.execute(Arc::clone(&batch))).await {
                Ok(answers) => answers,
                Err(_) if batch.len() > 1 => {
                    self.limit = BatchLimit::SMALLEST;
                    continue;
                }
                // The document asks too much.
                Err(_) if self.hub.has_read_since(begun) => vec![Ok(Answer::failed(&self.prepared, &too_slow()))],
                Err(_) => {
                    let patience = self.patience;
                    tracing::warn!("an event was not executed within {patience:?}: who listens to it has to come back");
                    return Err(End::Stopping);
                }
            };
            let outcomes = self.accept((&batch, begun), answers, &mut room);
            drop(turn);
            events.drain(..outcomes.len());
            if !outcomes.is_empty() || events.is_empty() {
                return Ok(outcomes);
            }
        }
    }

    /// Rows and results that are older are not shown for events that were read at these moments.
    pub(super) fn fresh_since(hub: &Hub, read: impl IntoIterator<Item = Instant>) -> Instant {
        let now = Instant::now();
        let aged = now.checked_sub(SHARED_AGE_MAX).unwrap_or(now);
        read.into_iter().fold(aged.max(hub.changed()), Instant::max)
    }

    async fn execute(&self, batch: Arc<Vec<EventWithCursor>>) -> Vec<Result<Answer, EngineRefusal>> {
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

    /// The results of the first events, up to one that has to be executed again.
    fn accept(
        &mut self,
        (batch, begun): (&[EventWithCursor], Instant),
        answers: Vec<Result<Answer, EngineRefusal>>,
        room: &mut impl FnMut(u64) -> Result<Option<Share>, Exhausted>,
    ) -> Vec<EventResult> {
        let (mut outcomes, mut largest, mut unshared) = (Vec::with_capacity(batch.len()), 0, 0);
        let is_alone = batch.len() == 1;
        for (EventWithCursor { event, cursor }, answer) in batch.iter().zip(answers) {
            let answer = match self.judge(answer, (is_alone, begun)) {
                AnswerFate::Deliver(answer) => answer,
                AnswerFate::Alone => {
                    largest = BATCH_BYTES;
                    break;
                }
                AnswerFate::Again(failure) => {
                    match is_alone {
                        true => self.attempt.fail(failure),
                        // Another event may be the reason.
                        false => self.limit = BatchLimit::SMALLEST,
                    }
                    break;
                }
            };
            let payload = SubscriptionResult { event_id: Some(Arc::clone(cursor)), json: answer.json.into() };
            let bytes = payload.json.len() as u64;
            largest = largest.max(bytes);
            let share = match bytes <= UNSHARED.saturating_sub(unshared) {
                true => {
                    unshared += bytes;
                    None
                }
                false => match room(bytes) {
                    Ok(share) => share,
                    // It needs no room behind those before it.
                    Err(_) if bytes <= UNSHARED => break,
                    Err(exhausted) => {
                        self.attempt.lack(bytes, exhausted);
                        break;
                    }
                },
            };
            note_errors(&answer.errors);
            outcomes.push(EventResult { event: *event, payload, begun, share });
            self.attempt = Attempt::default();
        }
        self.bytes_expected = largest.max(self.bytes_expected / 2);
        self.limit.grow(outcomes.len());
        outcomes
    }

    fn judge(&mut self, answer: Result<Answer, EngineRefusal>, (is_alone, begun): (bool, Instant)) -> AnswerFate {
        let answer = match answer {
            Ok(answer) => answer,
            Err(_) if !is_alone => return AnswerFate::Alone,
            // It says so in place of its data.
            Err(_) => Answer::failed(&self.prepared, &self.budget.exceed().into()),
        };
        if !is_alone && has_code(&answer, &["TOO_COMPLEX"]) {
            return AnswerFate::Alone;
        }
        let Some(failure) = self.failure(&answer, begun) else {
            (self.given_up, self.too_slow) = (0, 0);
            return AnswerFate::Deliver(answer);
        };
        if !is_alone || self.attempt.failures + 1 < self.tries_max(failure) {
            return AnswerFate::Again(failure);
        }
        self.given_up += 1;
        self.too_slow = if failure == Failure::TooSlow { self.too_slow + 1 } else { 0 };
        AnswerFate::Deliver(answer)
    }

    /// Why an execution that began at `begun` may have another answer at the next try.
    fn failure(&self, answer: &Answer, begun: Instant) -> Option<Failure> {
        if has_code(answer, AWAY) {
            return Some(Failure::Away);
        }
        if has_code(answer, TIMEOUT) {
            return Some(if self.hub.has_read_since(begun) { Failure::TooSlow } else { Failure::Away });
        }
        has_code(answer, TRANSIENT).then_some(Failure::Transient)
    }

    /// One try is left to each event behind one that was given up, until one succeeds.
    fn tries_max(&self, failure: Failure) -> u32 {
        match failure {
            Failure::Away => u32::MAX,
            _ if self.given_up > 0 => 1,
            Failure::TooSlow => TIMEOUTS_MAX,
            Failure::Transient => TRIES_MAX,
        }
    }
}

impl BatchLimit {
    const LARGEST: Self = Self { events: BATCH_MAX, executed: 0 };
    const SMALLEST: Self = Self { events: 1, executed: 0 };

    /// So many events were executed.
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

    /// Waits until the event may be executed again. Nothing is for which there is no room yet.
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

    const fn fail(&mut self, failure: Failure) {
        self.tries += 1;
        if !matches!(failure, Failure::Away) {
            self.failures += 1;
        }
    }

    /// There is no room for so many bytes.
    fn lack(&mut self, bytes: u64, exhausted: Exhausted) {
        if self.wanted == 0 {
            metrics::count_limit(exhausted.limit());
        }
        self.wanted = bytes;
    }
}

/// What is said where the database stops nothing, and an execution takes too long all the same.
fn too_slow() -> FieldError {
    FieldError::new(TIMEOUT[0], "the event took too long; select fewer fields")
}

fn code(error: &FieldError) -> Option<&str> {
    error.extensions.get("code").and_then(Value::as_str)
}

/// Counts the errors of a result that is delivered, and logs those that only the engine knows of.
fn note_errors(errors: &[FieldError]) {
    for error in errors {
        metrics::count_error(code(error).unwrap_or("NONE"));
        if is_of_engine(error) {
            tracing::error!("the engine failed for an event: {}", error.message);
        }
    }
}

/// Events are executed apart from requests, so no id of a request tells.
fn is_of_engine(error: &FieldError) -> bool {
    code(error) == Some("INTERNAL") && !error.message.starts_with(LOGGED)
}

fn has_code(answer: &Answer, codes: &[&str]) -> bool {
    answer.errors.iter().filter_map(code).any(|code| codes.contains(&code))
}

#[cfg(test)]
mod tests;
