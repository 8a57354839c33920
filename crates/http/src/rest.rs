//! How long a connection may wait for a request.
//!
//! A request's head has `--header-timeout-ms` from its first byte, and so has a connection that has never
//! sent one. Between two requests a connection rests for `--idle-timeout-ms`, which clients are told, or for
//! less when connections run out.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Sleep, Timer};
use hyper_util::rt::TokioTimer;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

/// A connection rests for this much longer than its client is told: what was sent in time arrives in time.
const GRACE: Duration = Duration::from_secs(1);

/// How long a connection may be silent even when connections run out.
const SHORT_REST: Duration = Duration::from_secs(1);

/// Between two looks for connections that can be closed.
const RELIEF_PAUSE: Duration = Duration::from_millis(250);

/// Of so many slots for connections one is kept free.
const SLOTS_PER_FREE_ONE: usize = 16;

/// The times of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For the head of a request.
    pub(super) head: Duration,
    /// For the rest between two requests.
    pub(super) idle: Duration,
    /// For what a client still sends of a request that has its response.
    pub(super) unread: Duration,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The first byte of all.
    Fresh(Instant),
    /// The first byte of another request.
    Idle(Instant),
    /// The rest of a head.
    Head(Instant),
    /// Nothing: a request is under way, or it is a WebSocket.
    Busy,
    /// The client to see its response, while it sends a body that nobody reads.
    Unread,
}

/// One connection's waiting.
#[derive(Debug)]
pub(super) struct Wait {
    number: u64,
    crowd: Arc<Crowd>,
    patience: Patience,
    phase: Mutex<Phase>,
    closing: Notify,
}

impl Wait {
    /// Something was read.
    pub(super) fn note_read(&self) {
        let mut phase = self.phase();
        if matches!(*phase, Phase::Fresh(_) | Phase::Idle(_)) {
            *phase = Phase::Head(Instant::now());
        }
    }

    /// Resolves when the connection had better be closed, if it is still silent.
    pub(super) async fn closing(&self) {
        self.closing.notified().await;
    }

    /// Since when nothing has come, if no request is under way.
    pub(super) fn silent_since(&self) -> Option<Instant> {
        match *self.phase() {
            Phase::Fresh(since) | Phase::Idle(since) => Some(since),
            Phase::Head(_) | Phase::Busy | Phase::Unread => None,
        }
    }

    /// The request that is under way has its response, and its body was not read to its end.
    pub(super) fn leave_unread(&self) {
        *self.phase() = Phase::Unread;
    }

    /// How long to read on after the last response, for a client that sends the rest of its request before it reads.
    pub(super) fn time_to_drain(&self) -> Option<Duration> {
        // A head that is refused is not read to its end, either.
        matches!(*self.phase(), Phase::Head(_) | Phase::Unread).then_some(self.patience.unread)
    }

    /// When it has waited for too long.
    fn deadline(&self) -> Option<Instant> {
        match *self.phase() {
            Phase::Fresh(since) | Phase::Head(since) => since.checked_add(self.patience.head),
            Phase::Idle(since) => since.checked_add(self.patience.idle + GRACE),
            Phase::Busy | Phase::Unread => None,
        }
    }

    /// A head is waited for. What of it has come along with the request before is not seen here: such a
    /// connection is idle until more comes.
    fn begin(&self) {
        let mut phase = self.phase();
        if !matches!(*phase, Phase::Fresh(_)) {
            *phase = Phase::Idle(Instant::now());
        }
    }

    /// The head is whole.
    fn end(&self) {
        *self.phase() = Phase::Busy;
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.crowd.lock().remove(&self.number);
    }
}

/// All connections, of which the longest silent ones are closed when there is no more room.
#[derive(Debug)]
pub(super) struct Crowd {
    slots: usize,
    next: AtomicU64,
    waits: Mutex<HashMap<u64, Weak<Wait>>>,
    short: Notify,
}

impl Crowd {
    /// Room for so many.
    pub(super) fn new(slots: usize) -> Arc<Self> {
        Arc::new(Self { slots, next: AtomicU64::default(), waits: Mutex::default(), short: Notify::new() })
    }

    /// A connection comes. It leaves when nothing of it is there any more.
    pub(super) fn join(self: &Arc<Self>, patience: Patience) -> Arc<Wait> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let phase = Mutex::new(Phase::Fresh(Instant::now()));
        let wait = Arc::new(Wait { number, crowd: Arc::clone(self), patience, phase, closing: Notify::new() });
        self.lock().insert(number, Arc::downgrade(&wait));
        if self.missing() > 0 {
            self.short.notify_one();
        }
        wait
    }

    /// Closes silent connections, the longest silent ones first, whenever nearly all slots are taken. Never
    /// ends.
    pub(super) async fn relieve(&self) {
        loop {
            self.short.notified().await;
            loop {
                match self.missing() {
                    0 => break,
                    missing => self.close_silent(missing),
                }
                sleep(RELIEF_PAUSE).await;
            }
        }
    }

    /// How many slots should be free and are not.
    fn missing(&self) -> usize {
        let wanted = (self.slots / SLOTS_PER_FREE_ONE).max(1);
        wanted.saturating_sub(self.slots.saturating_sub(self.lock().len()))
    }

    fn close_silent(&self, count: usize) {
        // The last of a connection may be dropped here, which takes the lock.
        let waits: Vec<_> = self.lock().values().filter_map(Weak::upgrade).collect();
        let mut silent: Vec<_> = waits
            .iter()
            .filter_map(|wait| Some((wait.silent_since()?, wait)))
            .filter(|(since, _)| since.elapsed() >= SHORT_REST)
            .collect();
        silent.sort_unstable_by_key(|(since, _)| *since);
        for (_, wait) in silent.into_iter().take(count) {
            wait.closing.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Weak<Wait>>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells hyper when a connection has waited for too long.
///
/// hyper has one time for both waits: it sets a timer when it begins to wait for a head, polls it whenever
/// nothing more can be read, and drops it when the head is whole. This timer looks at what has come.
pub(super) struct HeadTimer(pub(super) Arc<Wait>);

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        TokioTimer::new().sleep(duration)
    }

    fn sleep_until(&self, _deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        self.0.begin();
        Box::pin(HeadSleep { wait: Arc::clone(&self.0), sleep: None })
    }
}

struct HeadSleep {
    wait: Arc<Wait>,
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Future for HeadSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.wait.deadline() else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx)
    }
}

impl Sleep for HeadSleep {}

impl Drop for HeadSleep {
    fn drop(&mut self) {
        self.wait.end();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { head: Duration::from_secs(30), idle: Duration::from_secs(120), unread: Duration::from_secs(10) };

    /// Moves everything that is waited for into the past.
    fn pass(wait: &Wait, time: Duration) {
        let mut phase = wait.phase();
        if let Phase::Fresh(since) | Phase::Idle(since) | Phase::Head(since) = &mut *phase {
            *since -= time;
        }
    }

    /// Whether it waits for about so long from now on. A busy machine may take some of it.
    fn waits_for(wait: &Wait, time: Duration) -> bool {
        let due = wait.deadline().unwrap() - Instant::now();
        due <= time && due + Duration::from_secs(5) > time
    }

    fn is_ready(future: impl Future<Output = ()>) -> bool {
        std::pin::pin!(future).poll(&mut Context::from_waker(std::task::Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn a_head_has_its_time_from_its_first_byte() {
        let wait = Crowd::new(10).join(PATIENCE);
        let timer = HeadTimer(Arc::clone(&wait));
        let first = timer.sleep_until(timer.now());
        assert!(waits_for(&wait, PATIENCE.head), "nothing was ever sent");
        pass(&wait, Duration::from_secs(10));
        wait.note_read();
        assert!(waits_for(&wait, PATIENCE.head));
        pass(&wait, Duration::from_secs(10));
        wait.note_read();
        assert!(waits_for(&wait, Duration::from_secs(20)), "later bytes give no more time");
        drop(first);
        assert!(wait.deadline().is_none(), "the head is whole");
        wait.note_read();
        assert!(wait.deadline().is_none() && wait.silent_since().is_none(), "a body has a time of its own");
        let mut second = timer.sleep_until(timer.now());
        assert!(waits_for(&wait, PATIENCE.idle + GRACE));
        pass(&wait, PATIENCE.idle);
        assert!(!is_ready(second.as_mut()));
        wait.note_read();
        assert!(waits_for(&wait, PATIENCE.head));
        assert!(!is_ready(second.as_mut()));
        pass(&wait, PATIENCE.head);
        second.await;
    }

    #[test]
    fn the_longest_silent_ones_make_room() {
        let crowd = Crowd::new(4);
        let mut waits = Vec::new();
        for seconds in [40, 30, 20, 0] {
            assert_eq!(crowd.missing(), 0);
            let wait = crowd.join(PATIENCE);
            pass(&wait, Duration::from_secs(seconds));
            waits.push(wait);
        }
        assert_eq!(crowd.missing(), 1);
        waits[0].note_read();
        crowd.close_silent(1);
        let told: Vec<_> = waits.iter().map(|wait| is_ready(wait.closing())).collect();
        assert_eq!(told, [false, true, false, false], "the first is heard, and the third is not silent as long");
        crowd.close_silent(10);
        let told: Vec<_> = waits.iter().map(|wait| is_ready(wait.closing())).collect();
        assert_eq!(told, [false, true, true, false], "the last has only just come");
        waits.remove(1);
        assert_eq!(crowd.missing(), 0);
    }
}
