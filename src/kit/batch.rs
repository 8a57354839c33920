//! When a batch of reads starts: as soon as all resolvers of the operation that opened it wait, and
//! no two others read.
//!
//! By then all that they want is in it. There is no timer to tune or to wait for, and how many
//! statements a level costs does not depend on how fast the machine is: only branches that
//! come to one type by ways of different length may or may not share one. A batch runs within
//! its operation's task, so that its results reach all of the operation's resolvers before any of
//! them goes on; keys that other requests have added meanwhile are answered too, even if the
//! operation is dropped.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_graphql::futures_util::StreamExt;
use async_graphql::futures_util::future::BoxFuture;
use async_graphql::futures_util::stream::FuturesUnordered;
use async_graphql::futures_util::task::AtomicWaker;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::telemetry;

type Batch = BoxFuture<'static, ()>;

/// How often an operation is polled before other tasks have their turn.
const ROUNDS_MAX: u32 = 64;

tokio::task_local! {
    /// The batches that the current operation has opened and not started.
    static OPENED: RefCell<Batches>;
}

/// Batches that somebody waits for: dropped, they go on in tasks of their own.
#[derive(Default)]
struct Batches(FuturesUnordered<Batch>);

impl Drop for Batches {
    fn drop(&mut self) {
        for batch in std::mem::take(&mut self.0) {
            telemetry::spawn_in_request(batch);
        }
    }
}

/// Batches of one loader that read at the same time. While so many do, those that are open go on
/// gathering keys, of other operations too: the more there is to do, the fewer statements it takes.
const READING_MAX: usize = 2;

/// How long a batch waits for those before it: slow ones do not hold up others for longer.
const PATIENCE: Duration = Duration::from_millis(2);

/// Lets the batches of a loader in.
#[derive(Clone, Debug)]
pub(super) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(READING_MAX)))
    }

    /// The batch, which begins when there is room, and takes the keys that are there by then.
    pub(super) fn admit(&self, batch: Batch) -> Batch {
        let room = Arc::clone(&self.0);
        Box::pin(async move {
            // Nobody closes it: without a permit it has waited long enough.
            let _permit = match room.try_acquire() {
                Ok(permit) => Some(permit),
                Err(_) => timeout(PATIENCE, room.acquire()).await.ok().and_then(Result::ok),
            };
            batch.await;
        })
    }
}

/// Takes a batch that was opened by a first key. Outside of [`run`] it starts at once.
pub(super) fn open(batch: Batch) {
    let mut batch = Some(batch);
    let _ = OPENED.try_with(|opened| opened.borrow_mut().0.extend(batch.take()));
    if let Some(batch) = batch {
        telemetry::spawn_in_request(batch);
    }
}

/// Runs an operation and the batches that its resolvers open.
///
/// tokio lets a task take so many permits and messages a turn, and then has it wait although there are more: resolvers
/// that have not had their turn would look as if they waited, and their keys come too late. So that is off here; other
/// tasks have their turn after [`ROUNDS_MAX`].
pub async fn run<T>(operation: impl Future<Output = T>) -> T {
    let work = async {
        let mut operation = pin!(operation);
        let mut running = Batches::default();
        let signal = Arc::new(Signal::default());
        let waker = Waker::from(Arc::clone(&signal));
        poll_fn(|cx| {
            signal.begin(cx);
            for _ in 0..ROUNDS_MAX {
                if let Poll::Ready(outcome) = operation.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return Poll::Ready(outcome);
                }
                // Woken while it was polled: some resolvers have not had their turn.
                if signal.take() {
                    continue;
                }
                running.0.extend(std::mem::take(&mut OPENED.with(RefCell::take).0));
                let finished = running.0.poll_next_unpin(&mut Context::from_waker(&waker));
                if matches!(finished, Poll::Ready(Some(()))) || signal.take() {
                    continue;
                }
                if signal.end() {
                    return Poll::Pending;
                }
            }
            // Others want the thread too; this task is polled again at once.
            signal.end();
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    };
    OPENED.scope(RefCell::default(), tokio::task::unconstrained(work)).await
}

/// Notes that something woke the operation; wakes its task only if that does not run.
#[derive(Default)]
struct Signal {
    woken: AtomicBool,
    running: AtomicBool,
    task: AtomicWaker,
}

impl Signal {
    fn begin(&self, cx: &Context<'_>) {
        self.task.register(cx.waker());
        self.running.store(true, Ordering::SeqCst);
        self.woken.store(false, Ordering::SeqCst);
    }

    fn take(&self) -> bool {
        self.woken.swap(false, Ordering::SeqCst)
    }

    /// Whether the task may rest: from here on a wake reaches it, and none came before.
    fn end(&self) -> bool {
        self.running.store(false, Ordering::SeqCst);
        let rest = !self.take();
        if !rest {
            self.running.store(true, Ordering::SeqCst);
        }
        rest
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        if !self.running.load(Ordering::SeqCst) {
            self.task.wake();
        }
    }
}
