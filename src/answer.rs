//! How large an answer may become: its bytes are counted while it is made.
//!
//! Two bounds hold: one for each answer, and a [`Quota`] of memory for the answers that are being made or
//! wait for their clients. The transport puts a [`Budget`] into a request's data, resolvers count what they hand
//! over, and whoever executes the request stops it when the budget is used up. Names no domain.

use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_graphql::{Response, ServerError, Value};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{ApiError, LIMIT_ANSWER_BYTES};
use crate::metrics;
use crate::quota::{Exhausted, Quota, Share};

/// Wide texts that are read for one request at a time, in turns: some thousand short ones, or some hundred of the longest.
const TURNS: usize = 2_048;

/// Memory of an answer that is being made which takes no share: small answers are made whatever others hold.
const UNSHARED_MAKING: u64 = 64 << 10;

/// Bytes of an answer that may wait for its client without a share.
pub const UNSHARED: u64 = 16 << 10;

/// How much a share grows by at least.
const STEP: u64 = 256 << 10;

/// What a value takes in memory until it is written, besides its text.
const VALUE_BYTES: u64 = 128;

/// Bytes that an error takes besides its message.
const ERROR_BYTES: u64 = 200;

/// What an answer may take. Operations of a batch share one.
#[derive(Debug)]
pub struct Budget {
    max: u64,
    /// The memory for answers, and the client that has a share of it while this one is made.
    unsent: Option<(Arc<Quota>, Option<IpAddr>)>,
    /// Bytes of JSON so far, at least.
    made: AtomicU64,
    /// Memory so far.
    memory: AtomicU64,
    /// Memory that needs no further share.
    covered: AtomicU64,
    share: Mutex<Option<Share>>,
    spent: Mutex<Option<Spent>>,
    is_spent: AtomicBool,
    /// Whether the request stops when the budget is spent. A mutation goes on: it is done.
    stops: AtomicBool,
    texts: Semaphore,
}

/// Why an answer is not made further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// It is larger than this.
    Large(u64),
    /// Clients hold too much.
    Exhausted(Exhausted),
}

impl Budget {
    /// A budget of `max` bytes for the client at `address`.
    pub fn new(max: u64, unsent: Arc<Quota>, address: IpAddr) -> Arc<Self> {
        Arc::new(Self::of(max, Some((unsent, Some(address)))))
    }

    /// The same for results of a subscription. They take no share while they are made, since few are at a time, but
    /// are no larger than what one client may hold: each can be delivered.
    #[must_use]
    pub fn for_results(&self) -> Arc<Self> {
        let unsent = self.unsent.as_ref().map(|(quota, _)| (Arc::clone(quota), None));
        let max = unsent.as_ref().map_or(u64::MAX, |(quota, _)| quota.max_per_client().min(quota.max()));
        Arc::new(Self::of(self.max.min(max), unsent))
    }

    /// Takes memory for what was made and is kept, for the client at `address`.
    ///
    /// # Errors
    /// There is no more.
    pub fn take(&self, address: IpAddr, amount: u64) -> Result<Option<Share>, Exhausted> {
        self.unsent.as_ref().map(|(quota, _)| quota.take(address, amount)).transpose()
    }

    fn of(max: u64, unsent: Option<(Arc<Quota>, Option<IpAddr>)>) -> Self {
        Self {
            max,
            unsent,
            made: AtomicU64::new(0),
            memory: AtomicU64::new(0),
            covered: AtomicU64::new(UNSHARED_MAKING),
            share: Mutex::new(None),
            spent: Mutex::new(None),
            is_spent: AtomicBool::new(false),
            stops: AtomicBool::new(false),
            texts: Semaphore::new(TURNS),
        }
    }

    /// Bytes of an answer at most.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// Bytes that were counted so far.
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Why the budget is used up, if it is.
    pub fn spent(&self) -> Option<Spent> {
        if self.is_spent.load(Ordering::Relaxed) { *lock(&self.spent) } else { None }
    }

    /// Begins anew, for the next result of a subscription: what was made is the listener's.
    pub fn begin_anew(&self) {
        self.made.store(0, Ordering::Relaxed);
        self.memory.store(0, Ordering::Relaxed);
        self.covered.store(UNSHARED_MAKING, Ordering::Relaxed);
        *lock(&self.share) = None;
        self.is_spent.store(false, Ordering::Relaxed);
        *lock(&self.spent) = None;
    }

    /// Counts an object: the bytes of its keys, and its values.
    ///
    /// # Errors
    /// The budget is used up.
    pub fn count_object(&self, key_bytes: u64, values: usize) -> Result<(), Spent> {
        self.add(key_bytes, values as u64 * VALUE_BYTES + key_bytes)
    }

    /// Counts the text in a field's value; objects are counted where they are made.
    ///
    /// # Errors
    /// The budget is used up.
    pub fn count_value(&self, value: &Value) -> Result<(), Spent> {
        let bytes = text_bytes(value);
        // Written, they stand beside the value.
        if bytes == 0 { self.check() } else { self.add(bytes, 2 * bytes) }
    }

    /// Counts a text that is kept until the answer is written.
    ///
    /// # Errors
    /// The budget is used up.
    pub fn count_text(&self, text: &str) -> Result<(), Spent> {
        self.add(text.len() as u64, text.len() as u64)
    }

    /// Counts an error, which stands in the answer too.
    pub fn count_error(&self, error: &ServerError) {
        let bytes = error.message.len() as u64 + ERROR_BYTES;
        // Whoever makes the next value is told.
        let _ = self.add(bytes, 2 * bytes);
    }

    fn check(&self) -> Result<(), Spent> {
        self.spent().filter(|spent| self.stops() || matches!(spent, Spent::Large(_))).map_or(Ok(()), Err)
    }

    fn stops(&self) -> bool {
        self.stops.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: u64, memory: u64) -> Result<(), Spent> {
        self.check()?;
        if self.made.fetch_add(bytes, Ordering::Relaxed) + bytes > self.max {
            return Err(self.spend(Spent::Large(self.max)));
        }
        let memory = self.memory.fetch_add(memory, Ordering::Relaxed) + memory;
        if memory > self.covered.load(Ordering::Relaxed) { self.cover(memory) } else { Ok(()) }
    }

    fn spend(&self, spent: Spent) -> Spent {
        let spent = *lock(&self.spent).get_or_insert_with(|| {
            metrics::count_limit(spent.limit());
            spent
        });
        self.is_spent.store(true, Ordering::Relaxed);
        spent
    }

    fn cover(&self, memory: u64) -> Result<(), Spent> {
        let Some((quota, Some(address))) = &self.unsent else { return Ok(()) };
        let mut share = lock(&self.share);
        let covered = self.covered.load(Ordering::Relaxed);
        if memory <= covered {
            return Ok(());
        }
        let more = STEP.max(memory - covered);
        let grown = match &mut *share {
            Some(share) => share.grow(more),
            None => quota.take(*address, more).map(|taken| *share = Some(taken)),
        };
        // A mutation is done: that others hold too much, or its client does, is no reason to say less of it.
        if let Err(exhausted) = grown
            && self.stops()
        {
            return Err(self.spend(Spent::Exhausted(exhausted)));
        }
        self.covered.store(covered + more, Ordering::Relaxed);
        Ok(())
    }

    /// The share of an answer that was written, which has to be kept until its bytes are sent: as much as the
    /// bytes take.
    pub fn keep(&self, bytes: usize) -> Option<Share> {
        let mut share = lock(&self.share).take()?;
        let bytes = bytes as u64;
        let amount = share.amount();
        share.shrink(amount.saturating_sub(bytes));
        if bytes > UNSHARED { Some(share) } else { None }
    }

    /// Waits until a wide text may be read, which takes so many of the request's turns.
    pub async fn admit_text(&self, turns: u32) -> Option<SemaphorePermit<'_>> {
        // Nobody closes it.
        self.texts.acquire_many(turns).await.ok()
    }

    /// What becomes of a field that cannot be made: its error, or nothing more if the request stops.
    pub async fn refuse(&self, spent: Spent) -> ApiError {
        if self.stops() {
            std::future::pending::<()>().await;
        }
        spent.into()
    }

    /// Runs a query, and drops it when the budget is used up.
    pub async fn run(&self, query: impl Future<Output = Response>) -> Response {
        self.stops.store(true, Ordering::Relaxed);
        // What comes behind it in a batch may be a mutation.
        let _running = Running(&self.stops);
        let mut query = pin!(query);
        std::future::poll_fn(|cx| match query.as_mut().poll(cx) {
            // The transport sees what is spent, and says so.
            Poll::Pending if self.spent().is_some() => Poll::Ready(Response::new(Value::Null)),
            outcome => outcome,
        })
        .await
    }
}

impl Spent {
    /// The flag of the limit that was met.
    fn limit(&self) -> &'static str {
        match self {
            Self::Large(_) => LIMIT_ANSWER_BYTES,
            Self::Exhausted(exhausted) => exhausted.limit(),
        }
    }
}

/// A query runs as long as this lives.
struct Running<'a>(&'a AtomicBool);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

fn text_bytes(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64 + 2,
        Value::Enum(name) => name.len() as u64 + 2,
        // Of one kind: where the first is no text, none is.
        Value::List(items) => match items.first() {
            Some(Value::String(_) | Value::Enum(_)) => items.iter().map(text_bytes).sum(),
            _ => 0,
        },
        _ => 0,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;
    use crate::quota::Names;
    use std::net::Ipv4Addr;

    const NAMES: Names = Names { limit: "a", limit_per_client: "b", held: "are held", retry_after_s: "1" };
    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn an_answer_is_bounded() {
        let budget = Budget::of(10, None);
        assert_eq!(budget.count_value(&Value::from("12345678")), Ok(()));
        assert_eq!(budget.count_object(1, 1), Err(Spent::Large(10)));
        assert_eq!(budget.count_value(&Value::from(1)), Err(Spent::Large(10)));
        budget.begin_anew();
        assert_eq!(budget.count_object(10, 1), Ok(()));
    }

    #[test]
    fn a_share_is_as_large_as_what_is_kept() {
        let quota = Quota::new(NAMES, 2 << 20, 1 << 20);
        let budget = Budget::new(u64::MAX, Arc::clone(&quota), CLIENT);
        budget.count_object(100, 10).unwrap();
        assert_eq!(quota.taken(), 0, "small answers take none");
        budget.count_value(&Value::from("x".repeat(300_000))).unwrap();
        assert!((500_000..1 << 20).contains(&quota.taken()), "{}", quota.taken());
        let share = budget.keep(300_000).unwrap();
        assert_eq!(quota.taken(), 300_000);
        let other = Budget::new(u64::MAX, Arc::clone(&quota), CLIENT);
        other.count_value(&Value::from("x".repeat(600_000))).unwrap();
        assert_eq!(quota.taken(), 300_000, "what is no query goes on without");
        let other = Budget::new(u64::MAX, Arc::clone(&quota), CLIENT);
        other.stops.store(true, Ordering::Relaxed);
        let spent = other.count_value(&Value::from("x".repeat(600_000))).unwrap_err();
        assert!(matches!(spent, Spent::Exhausted(Exhausted { by_client: true, .. })), "{spent:?}");
        drop((share, other));
        assert_eq!(quota.taken(), 0);
    }
}
