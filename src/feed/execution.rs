//! A subscription's document, executed once for each event that it is given.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_graphql::futures_util::stream::{self, BoxStream, Stream, StreamExt};
use async_graphql::{Context, Executor, Request, Response, ServerError, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::cursor::Cursor;
use super::document::take;
use super::event::{Event, Stop, Topic};
use super::follower::Follower;
use super::hub::Hub;
use crate::answer::{Budget, UNSHARED};
use crate::error::{ApiError, ApiResult};
use crate::http::{End, Payload};
use crate::metrics;
use crate::quota::{Exhausted, Names, Quota, Share};

/// An event, and the cursor by which a listener goes on behind it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// What happened.
    pub event: Event,
    /// The cursor, in its opaque form.
    pub cursor: Arc<str>,
}

/// In the data of a request whose field shall take its events from here, and tell which it wants.
struct Feeder(Mutex<Option<Feeding>>);

struct Feeding {
    wanted: oneshot::Sender<Topic>,
    events: mpsc::Receiver<Sent>,
}

/// The events that a subscription's field is resolved for: those of its topic behind the cursor
/// `after`, or from now on.
///
/// # Errors
/// The cursor is none of this feed's, or has expired.
pub fn events(
    ctx: &Context<'_>,
    topic: Topic,
    after: Option<String>,
) -> ApiResult<BoxStream<'static, ApiResult<Sent>>> {
    if let Some(feeder) = ctx.data_opt::<Feeder>() {
        let feeding = feeder.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Feeding { wanted, events }) = feeding else {
            return Err(ApiError::bad_input("subscription", "it has one root field"));
        };
        // Whoever does not wait for it any more drops this stream too.
        let _ = wanted.send(topic);
        let received = |mut events: mpsc::Receiver<Sent>| async { events.recv().await.map(|sent| (Ok(sent), events)) };
        return Ok(stream::unfold(events, received).boxed());
    }
    let hub = Arc::clone(ctx.data_unchecked::<Arc<Hub>>());
    let follower = match after {
        Some(after) => {
            let cursor = read_cursor("after", &after)?;
            Follower::resume(hub, topic, &cursor).map_err(|_| ApiError::CursorExpired)?
        }
        None => Follower::begin(hub, topic),
    };
    Ok(follow(follower).boxed())
}

fn follow(follower: Follower) -> impl Stream<Item = ApiResult<Sent>> {
    stream::unfold(Some(follower), |follower| async {
        let mut follower = follower?;
        match follower.next().await {
            Ok(event) => Some((Ok(send(event, follower.epoch())), Some(follower))),
            Err(Stop::Expired) => Some((Err(ApiError::CursorExpired), None)),
            Err(Stop::Stopping) => None,
        }
    })
}

/// Reads a cursor that a client gave as `field`.
///
/// # Errors
/// It is none.
pub(super) fn read_cursor(field: &str, text: &str) -> ApiResult<Cursor> {
    let message = "no cursor of comments; pass one that a subscription or commentCursor has given";
    Cursor::parse(text).ok_or_else(|| ApiError::bad_input(field, message))
}

fn send(event: Event, epoch: &str) -> Sent {
    Sent { event, cursor: Cursor::encode(epoch, event.mark).into() }
}

/// Events that are executed at the same time at most.
const AT_ONCE: u64 = 32;
/// Of these, for one client: others' events and requests never wait for all that one has subscribed to. Enough to
/// share look-ups.
const AT_ONCE_PER_CLIENT: u64 = 8;

/// Turns to execute events, which clients get in rotation.
pub(super) fn turns() -> Arc<Quota> {
    let names = Names { limit: "", limit_per_client: "", held: "events are executed", retry_after_s: "1" };
    Quota::new(names, AT_ONCE, AT_ONCE_PER_CLIENT)
}

/// How long to wait before an event is executed again that could not be, at first and at most.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// How long one execution may take. The database stops its statements long before: one that takes longer
/// waits for a database that is gone without a word. Its listeners are sent away and come back.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often an event is executed whose execution fails for another reason than that the database
/// is away or does not answer in time.
const TRIES_MAX: u32 = 3;

/// A document that waits for events.
pub(super) struct Execution {
    events: mpsc::Sender<Sent>,
    outcomes: BoxStream<'static, Response>,
    budget: Option<Arc<Budget>>,
}

impl Execution {
    /// Begins to execute a subscription, and tells which events it wants.
    ///
    /// # Errors
    /// What is wrong with the document or its arguments.
    pub(super) async fn start(executor: &impl Executor, request: Request) -> Result<(Self, Topic), Vec<ServerError>> {
        let budget = take::<Arc<Budget>>(&request);
        let (wanted, mut topic) = oneshot::channel();
        let (sender, events) = mpsc::channel(1);
        let request = request.data(Feeder(Mutex::new(Some(Feeding { wanted, events }))));
        let mut outcomes = executor.execute_stream(request, None);
        tokio::select! {
            biased;
            Ok(topic) = &mut topic => Ok((Self { events: sender, outcomes, budget }, topic)),
            outcome = outcomes.next() => Err(outcome.map(|outcome| outcome.errors).unwrap_or_default()),
        }
    }

    /// What its results may take.
    pub(super) fn budget(&self) -> Option<Arc<Budget>> {
        self.budget.clone()
    }

    /// The result for an event, which is executed when it is the turn of `client`. While the database is away it is
    /// waited for: a listener that got an error instead of a comment would have lost it. So is `room` for so many bytes.
    ///
    /// # Errors
    /// There is none, and there will be none for later events.
    pub(super) async fn run(
        &mut self,
        event: Event,
        epoch: &str,
        turns: &Arc<Quota>,
        client: IpAddr,
        mut room: impl FnMut(u64) -> Result<Option<Share>, Exhausted>,
    ) -> Result<Payload, End> {
        let sent = send(event, epoch);
        let (mut pause, mut wanted) = (RETRY_FIRST, 0);
        for tries in 1.. {
            let turn = turns.wait(client).await;
            if self.events.send(sent.clone()).await.is_err() {
                break;
            }
            let outcome = timeout(PATIENCE, self.outcomes.next()).await.inspect_err(|_| {
                tracing::warn!("an event was not executed within {PATIENCE:?}: who listens to it has to come back");
            });
            let Ok(Some(outcome)) = outcome else { break };
            let give_up = !outcome.errors.is_empty() && tries >= TRIES_MAX && !is_away(&outcome);
            if outcome.errors.is_empty() || give_up || is_final(&outcome) {
                let payload = Payload::new(outcome, Some(Arc::clone(&sent.cursor)), self.budget.as_deref())?;
                let bytes = payload.json.len() as u64;
                let share = if bytes > UNSHARED { room(bytes) } else { Ok(None) };
                match share {
                    Ok(share) => return Ok(payload.holding(share)),
                    Err(exhausted) if wanted == 0 => metrics::count_limit(exhausted.limit()),
                    Err(_) => {}
                }
                wanted = bytes;
            }
            drop(turn);
            loop {
                sleep(pause).await;
                pause = RETRY_MAX.min(pause * 2);
                // Nothing is executed again for which there is no room yet.
                if wanted == 0 || room(wanted).is_ok() {
                    break;
                }
            }
        }
        Err(End::Stopping)
    }
}

fn has_code(outcome: &Response, codes: &[&str]) -> bool {
    outcome.errors.iter().any(|error| match error.extensions.as_ref().and_then(|extensions| extensions.get("code")) {
        Some(Value::String(code)) => codes.contains(&code.as_str()),
        _ => false,
    })
}

fn is_away(outcome: &Response) -> bool {
    has_code(outcome, &["UNAVAILABLE", "TIMEOUT"])
}

/// Whether the errors would be the same if it were tried again.
fn is_final(outcome: &Response) -> bool {
    !has_code(outcome, &["UNAVAILABLE", "TIMEOUT", "INTERNAL", "NOT_FOUND"])
}
