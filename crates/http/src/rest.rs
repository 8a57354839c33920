//! The timeouts of idle connections.
//!
//! A request's head has `--header-timeout-ms` from its first byte, as has a connection that has never sent one. Between
//! two requests a connection may be idle for `--idle-timeout-ms`, which clients are told, or for less when connections
//! run out.

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

/// A connection may be idle for this much longer than its client is told, so that a request sent in time arrives in
/// time.
const GRACE: Duration = Duration::from_secs(1);

/// How long a connection may be idle even when connections run out.
const SHORT_REST: Duration = Duration::from_secs(1);

/// The interval of checks for connections to close.
const RELIEF_PAUSE: Duration = Duration::from_millis(250);

/// One slot for connections is kept free for each of this many.
const SLOTS_PER_FREE_ONE: usize = 16;

/// The timeouts of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdleTimeouts {
    /// For the head of a request.
    pub(super) head: Duration,
    /// Between two requests.
    pub(super) idle: Duration,
    /// For the rest of a request that already has its response.
    pub(super) unread: Duration,
}

/// The state of a connection.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Waits for its very first byte.
    Fresh(Instant),
    /// Waits for the first byte of another request.
    Idle(Instant),
    /// Waits for the rest of a head.
    Head(Instant),
    /// A request is in progress, or it is a WebSocket.
    Busy,
    /// Waits until the client sees its response, while it sends a body that is not read.
    Unread,
}

/// The waiting state of one connection.
#[derive(Debug)]
pub(super) struct ConnectionWait {
    number: u64,
    connections: Arc<OpenConnections>,
    timeouts: IdleTimeouts,
    phase: Mutex<Phase>,
    closing: Notify,
}

impl ConnectionWait {
    /// Records that something was read.
    pub(super) fn note_read(&self) {
        let mut phase = self.phase();
        if matches!(*phase, Phase::Fresh(_) | Phase::Idle(_)) {
            *phase = Phase::Head(Instant::now());
        }
    }

    /// Resolves when the connection should be closed, if it is still idle.
    pub(super) async fn closing(&self) {
        self.closing.notified().await;
    }

    /// Since when it has been idle. `None` during a request.
    pub(super) fn silent_since(&self) -> Option<Instant> {
        match *self.phase() {
            Phase::Fresh(since) | Phase::Idle(since) => Some(since),
            Phase::Head(_) | Phase::Busy | Phase::Unread => None,
        }
    }

    /// Records that the request has its response, and its body was not read to the end.
    pub(super) fn leave_unread(&self) {
        *self.phase() = Phase::Unread;
    }

    /// How long to read on after the last response, for a client that sends the rest of its request before it reads.
    pub(super) fn time_to_drain(&self) -> Option<Duration> {
        // A refused head is not read to the end either.
        matches!(*self.phase(), Phase::Head(_) | Phase::Unread).then_some(self.timeouts.unread)
    }

    /// When its wait times out.
    fn deadline(&self) -> Option<Instant> {
        match *self.phase() {
            Phase::Fresh(since) | Phase::Head(since) => since.checked_add(self.timeouts.head),
            Phase::Idle(since) => since.checked_add(self.timeouts.idle + GRACE),
            Phase::Busy | Phase::Unread => None,
        }
    }

    /// A head is expected. The part that arrived with the previous request is not visible here: such a connection is
    /// idle until more arrives.
    fn begin(&self) {
        let mut phase = self.phase();
        if !matches!(*phase, Phase::Fresh(_)) {
            *phase = Phase::Idle(Instant::now());
        }
    }

    /// The head is complete.
    fn end(&self) {
        *self.phase() = Phase::Busy;
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionWait {
    fn drop(&mut self) {
        self.connections.lock().remove(&self.number);
    }
}

/// All connections. Those that have been idle longest are closed when slots run out.
#[derive(Debug)]
pub(super) struct OpenConnections {
    slots: usize,
    next: AtomicU64,
    waits: Mutex<HashMap<u64, Weak<ConnectionWait>>>,
    short: Notify,
}

impl OpenConnections {
    /// A number of slots.
    pub(super) fn new(slots: usize) -> Arc<Self> {
        Arc::new(Self { slots, next: AtomicU64::default(), waits: Mutex::default(), short: Notify::new() })
    }

    /// Adds a connection. It is removed when its last part is dropped.
    pub(super) fn join(self: &Arc<Self>, timeouts: IdleTimeouts) -> Arc<ConnectionWait> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let phase = Mutex::new(Phase::Fresh(Instant::now()));
        let wait =
            Arc::new(ConnectionWait { number, connections: Arc::clone(self), timeouts, phase, closing: Notify::new() });
        self.lock().insert(number, Arc::downgrade(&wait));
        if self.missing() > 0 {
            self.short.notify_one();
        }
        wait
    }

    /// Closes idle connections, the longest idle first, whenever nearly all slots are in use. Never returns.
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

    /// How many more slots should be free.
    fn missing(&self) -> usize {
        let wanted = (self.slots / SLOTS_PER_FREE_ONE).max(1);
        wanted.saturating_sub(self.slots.saturating_sub(self.lock().len()))
    }

    fn close_silent(&self, count: usize) {
        // The last reference of a connection may be dropped here, which takes the lock.
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

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Weak<ConnectionWait>>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells hyper when a connection has waited too long.
///
/// hyper has one timeout for both waits: it sets a timer when it begins to wait for a head, polls it whenever nothing
/// more can be read, and drops it when the head is complete. This timer checks what has arrived.
pub(super) struct HeadTimer(pub(super) Arc<ConnectionWait>);

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
    wait: Arc<ConnectionWait>,
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

    const TIMEOUTS: IdleTimeouts =
        IdleTimeouts { head: Duration::from_secs(30), idle: Duration::from_secs(120), unread: Duration::from_secs(10) };

    /// Moves all waits into the past.
    fn pass(wait: &ConnectionWait, time: Duration) {
        let mut phase = wait.phase();
        if let Phase::Fresh(since) | Phase::Idle(since) | Phase::Head(since) = &mut *phase {
            *since -= time;
        }
    }

    /// Whether it waits for about this long from now. A slow machine may shorten it.
    fn waits_for(wait: &ConnectionWait, time: Duration) -> bool {
        let due = wait.deadline().unwrap() - Instant::now();
        due <= time && due + Duration::from_secs(5) > time
    }

    fn is_ready(future: impl Future<Output = ()>) -> bool {
        std::pin::pin!(future).poll(&mut Context::from_waker(std::task::Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn a_head_times_out_from_its_first_byte() {
        let wait = OpenConnections::new(10).join(TIMEOUTS);
        let timer = HeadTimer(Arc::clone(&wait));
        let first = timer.sleep_until(timer.now());
        assert!(waits_for(&wait, TIMEOUTS.head), "nothing was ever sent");
        pass(&wait, Duration::from_secs(10));
        wait.note_read();
        assert!(waits_for(&wait, TIMEOUTS.head));
        pass(&wait, Duration::from_secs(10));
        wait.note_read();
        assert!(waits_for(&wait, Duration::from_secs(20)), "later bytes do not extend the timeout");
        drop(first);
        assert!(wait.deadline().is_none(), "the head is complete");
        wait.note_read();
        assert!(wait.deadline().is_none() && wait.silent_since().is_none(), "a body has its own timeout");
        let mut second = timer.sleep_until(timer.now());
        assert!(waits_for(&wait, TIMEOUTS.idle + GRACE));
        pass(&wait, TIMEOUTS.idle);
        assert!(!is_ready(second.as_mut()));
        wait.note_read();
        assert!(waits_for(&wait, TIMEOUTS.head));
        assert!(!is_ready(second.as_mut()));
        pass(&wait, TIMEOUTS.head);
        second.await;
    }

    #[test]
    fn the_longest_idle_connections_are_closed() {
        let connections = OpenConnections::new(4);
        let mut waits = Vec::new();
        for seconds in [40, 30, 20, 0] {
            assert_eq!(connections.missing(), 0);
            let wait = connections.join(TIMEOUTS);
            pass(&wait, Duration::from_secs(seconds));
            waits.push(wait);
        }
        assert_eq!(connections.missing(), 1);
        waits[0].note_read();
        connections.close_silent(1);
        let told: Vec<_> = waits.iter().map(|wait| is_ready(wait.closing())).collect();
        assert_eq!(
            told,
            [false, true, false, false],
            "the first has sent something, and the third was not idle as long"
        );
        connections.close_silent(10);
        let told: Vec<_> = waits.iter().map(|wait| is_ready(wait.closing())).collect();
        assert_eq!(told, [false, true, true, false], "the last one has just connected");
        waits.remove(1);
        assert_eq!(connections.missing(), 0);
    }
}
