//! An operation that is executed for events, several at a time.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use graphql::{Answer, EngineRefusal, FieldError, OperationKind, Prepared, Row, Rows, TypeName};
use request::answer::{Budget, UNSHARED};
use request::executor::Executor;
use request::quota::{Exhausted, Quota, QuotaNames, Share};
use request::subscribe::{End, SubscriptionResult};
use request::viewer::Caller;
use serde_json::Value;
use telemetry::metrics;
use tokio::time::{sleep, timeout};

use super::cursor::FeedCursor;
use super::event::Event;

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
const BATCH_MAX: usize = 32;

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

/// How often an event is executed whose execution fails for another reason than that the database
/// is away or does not answer in time.
const TRIES_MAX: u32 = 3;

/// Codes of errors while the database is away or slow: the event waits for it.
const AWAY: &[&str] = &["UNAVAILABLE", "TIMEOUT"];

/// Codes of errors that may be gone at the next try.
const TRANSIENT: &[&str] = &["INTERNAL", "NOT_FOUND"];

/// How the messages of errors begin that resolvers report, and that are logged where they happen.
const LOGGED: &str = "internal error; the server's log has the details";

/// An operation, and what is known of its results.
pub(super) struct FeedExecution {
    executor: Executor,
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
    tries: u32,
    /// Before the next try.
    pause: Duration,
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
    Again,
}

impl FeedExecution {
    /// An execution in the name of this caller, whose results are within the budget.
    pub(super) fn new(executor: Executor, prepared: Arc<Prepared>, caller: Caller, budget: Arc<Budget>) -> Self {
        let (limit, attempt) = (BatchLimit::LARGEST, Attempt::default());
        Self { executor, prepared, caller, budget, patience: PATIENCE, limit, bytes_expected: 0, attempt }
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
    /// at least one. While the database is away it is waited for: a listener that got an error instead of a comment
    /// would have lost it. So is `room` for so many bytes.
    ///
    /// # Errors
    /// There are no results, and there will be none for later events.
    pub(super) async fn run(
        &mut self,
        (events, epoch): (&mut VecDeque<Event>, &str),
        (turns, client): (&Arc<Quota>, IpAddr),
        mut room: impl FnMut(u64) -> Result<Option<Share>, Exhausted>,
    ) -> Result<Vec<EventResult>, End> {
        loop {
            self.attempt.wait(&mut room).await;
            let batch = events.iter().take(self.batch_size());
            let send =
                |event: &Event| EventWithCursor { event: *event, cursor: FeedCursor::encode(epoch, event.mark).into() };
            let batch: Arc<Vec<EventWithCursor>> = Arc::new(batch.map(send).collect());
            let turn = turns.wait(client).await;
            let answers = match timeout(self.patience, self.execute(Arc::clone(&batch))).await {
                Ok(answers) => answers,
                Err(_) if batch.len() > 1 => {
                    self.limit = BatchLimit::SMALLEST;
                    continue;
                }
                Err(_) => {
                    let patience = self.patience;
                    tracing::warn!("an event was not executed within {patience:?}: who listens to it has to come back");
                    return Err(End::Stopping);
                }
            };
            let outcomes = self.accept(&batch, answers, &mut room);
            drop(turn);
            events.drain(..outcomes.len());
            if !outcomes.is_empty() || events.is_empty() {
                return Ok(outcomes);
            }
        }
    }

    async fn execute(&self, batch: Arc<Vec<EventWithCursor>>) -> Vec<Result<Answer, EngineRefusal>> {
        let Self { executor, prepared, caller, budget, .. } = self;
        budget.begin(OperationKind::Subscription);
        let bytes_max = match batch.len() as u64 {
            ..=1 => budget.max(),
            events => budget.max().min(BATCH_BYTES / events),
        };
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let kind = OperationKind::Subscription;
        let context = executor.contexts.context(kind, caller.clone(), Arc::clone(budget));
        executor.engine.execute_events(prepared, Rows::shared(batch), &context, bytes_max).await
    }

    /// The results of the first events, up to one that has to be executed again.
    fn accept(
        &mut self,
        batch: &[EventWithCursor],
        answers: Vec<Result<Answer, EngineRefusal>>,
        room: &mut impl FnMut(u64) -> Result<Option<Share>, Exhausted>,
    ) -> Vec<EventResult> {
        let (mut outcomes, mut largest, mut unshared) = (Vec::with_capacity(batch.len()), 0, 0);
        let is_alone = batch.len() == 1;
        for (EventWithCursor { event, cursor }, answer) in batch.iter().zip(answers) {
            let answer = match self.judge(answer, is_alone) {
                AnswerFate::Deliver(answer) => answer,
                AnswerFate::Alone => {
                    largest = BATCH_BYTES;
                    break;
                }
                AnswerFate::Again => {
                    match is_alone {
                        true => self.attempt.tries += 1,
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
            outcomes.push(EventResult { event: *event, payload: payload.holding(share) });
            self.attempt = Attempt::default();
        }
        self.bytes_expected = largest.max(self.bytes_expected / 2);
        self.limit.grow(outcomes.len());
        outcomes
    }

    fn judge(&self, answer: Result<Answer, EngineRefusal>, is_alone: bool) -> AnswerFate {
        let answer = match answer {
            Ok(answer) => answer,
            Err(_) if !is_alone => return AnswerFate::Alone,
            // It says so in place of its data.
            Err(_) => Answer::failed(&self.prepared, &self.budget.exceed().into()),
        };
        if !is_alone && has_code(&answer, &["TOO_COMPLEX"]) {
            return AnswerFate::Alone;
        }
        let may_pass = !is_alone || self.attempt.tries + 1 < TRIES_MAX;
        match has_code(&answer, AWAY) || (may_pass && has_code(&answer, TRANSIENT)) {
            true => AnswerFate::Again,
            false => AnswerFate::Deliver(answer),
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
    async fn wait(&mut self, room: &mut impl FnMut(u64) -> Result<Option<Share>, Exhausted>) {
        while self.is_begun() {
            self.pause = RETRY_MAX.min(RETRY_FIRST.max(self.pause * 2));
            sleep(self.pause).await;
            if self.wanted == 0 || room(self.wanted).is_ok() {
                break;
            }
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
