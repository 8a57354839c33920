//! The maximum size of a response, and the memory that it occupies until the client has read it.
//!
//! There are two limits: one for each response, and a [`Quota`] of memory for the responses that are being built or
//! sent. The transport gives each request a [`Budget`]. Resolvers count the long texts that they read, because these
//! make responses large. After writing, the response counts with its bytes. This module names no domain.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use graphql::OperationKind;
use telemetry::metrics;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{ApiError, LIMIT_ANSWER_BYTES};
use crate::quota::{Exhausted, Quota, Share};

/// The maximum number of wide texts that are read for one request at a time, in turns: thousands of short ones, or
/// hundreds of the longest.
pub const TURNS: usize = 2_048;

/// A response takes no share while it is built and uses at most this much memory: small responses do not depend on
/// others.
const UNSHARED_MAKING: u64 = 64 << 10;

/// Up to this many bytes of a response may wait for the client without a share.
pub const UNSHARED: u64 = 16 << 10;

/// The minimum growth of a share while a response is built.
const STEP: u64 = 256 << 10;

/// The limit of a response's size. The operations of a batch share one budget, one after another.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    /// The memory for responses, and the client whose share of it this response uses while it is built.
    unsent: Option<(Arc<Quota>, Option<IpAddr>)>,
    state: Mutex<BudgetState>,
    texts: Semaphore,
}

#[derive(Debug, Default)]
struct BudgetState {
    /// Whether the operation can be retried, so that it is rejected if there is no memory.
    is_repeatable: bool,
    /// The size of the texts that the operation has read, in bytes.
    read: u64,
    /// The number of bytes written by all operations.
    written: u64,
    share: Option<Share>,
    spent: Option<BudgetError>,
}

/// Bytes with their share, which is released with the last copy.
pub fn hold(json: Bytes, share: Option<Share>) -> Bytes {
    struct BytesWithShare(Bytes, #[expect(dead_code, reason = "it is held")] Share);
    impl AsRef<[u8]> for BytesWithShare {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    match share {
        Some(share) => Bytes::from_owner(BytesWithShare(json, share)),
        None => json,
    }
}

/// Why the building of a response stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetError {
    /// It is larger than this limit.
    Large(u64),
    /// Other responses occupy too much memory.
    Exhausted(Exhausted),
}

impl Budget {
    /// A budget of `limit` bytes for the client at `address`.
    pub fn new(limit: u64, unsent: Arc<Quota>, address: IpAddr) -> Arc<Self> {
        Arc::new(Self::of(limit, Some((unsent, Some(address)))))
    }

    /// The same for results of a subscription. They take no share while they are built, because few are built at a
    /// time. They are not larger than one client's share, so that each can be delivered.
    #[must_use]
    pub fn for_results(&self) -> Arc<Self> {
        let unsent = self.unsent.as_ref().map(|(quota, _)| (Arc::clone(quota), None));
        let max = unsent.as_ref().map_or(u64::MAX, |(quota, _)| quota.max_per_client().min(quota.max()));
        Arc::new(Self::of(self.limit.min(max), unsent))
    }

    /// Takes memory for a finished result, for the client at `address`.
    ///
    /// # Errors
    /// The limit is reached.
    pub fn take(&self, address: IpAddr, amount: u64) -> Result<Option<Share>, Exhausted> {
        self.unsent.as_ref().map(|(quota, _)| quota.take(address, amount)).transpose()
    }

    fn of(limit: u64, unsent: Option<(Arc<Quota>, Option<IpAddr>)>) -> Self {
        Self { limit, unsent, state: Mutex::default(), texts: Semaphore::new(TURNS) }
    }

    /// Begins an operation, or the next result of a subscription. A mutation is already done, so its response does not
    /// depend on others.
    pub fn begin(&self, kind: OperationKind) {
        let mut state = self.lock();
        state.is_repeatable = kind == OperationKind::Query;
        state.spent = None;
        state.release_texts();
    }

    /// The maximum size of the operation's response in bytes.
    pub fn max(&self) -> u64 {
        self.limit.saturating_sub(self.lock().written)
    }

    /// Why the budget is exhausted. `None` if it is not.
    pub fn spent(&self) -> Option<BudgetError> {
        self.lock().spent
    }

    /// Counts a text that is held until the response is written.
    ///
    /// # Errors
    /// The budget is exhausted.
    pub fn count_text(&self, text: &str) -> Result<(), BudgetError> {
        self.count_bytes(text.len())
    }

    /// Counts texts with this many bytes that are held until the response is written.
    ///
    /// # Errors
    /// The budget is exhausted.
    pub fn count_bytes(&self, bytes: usize) -> Result<(), BudgetError> {
        let mut state = self.lock();
        if let Some(spent) = state.spent {
            return Err(spent);
        }
        state.read = state.read.saturating_add(bytes as u64);
        let all = state.written.saturating_add(state.read);
        if all > self.limit {
            return Err(state.spend(BudgetError::Large(self.limit)));
        }
        let held = state.share.as_ref().map_or(0, Share::amount);
        let Some(more) = all.checked_sub(held + UNSHARED_MAKING).filter(|more| *more > 0) else { return Ok(()) };
        self.grow(&mut state, more.max(STEP))
    }

    /// Records that the response exceeds its maximum size.
    pub fn exceed(&self) -> BudgetError {
        self.lock().spend(BudgetError::Large(self.limit))
    }

    /// Takes memory for the bytes of the operation's finished response, and releases that of its texts.
    ///
    /// # Errors
    /// The limit is reached, and the operation can safely be retried.
    pub fn keep(&self, bytes: usize) -> Result<(), BudgetError> {
        let mut state = self.lock();
        let all = state.written.saturating_add(bytes as u64);
        let held = state.share.as_ref().map_or(0, Share::amount);
        if all > UNSHARED && all > held {
            self.grow(&mut state, all - held)?;
        }
        state.written = all;
        state.release_texts();
        Ok(())
    }

    /// The share of what was written. Hold it until the bytes are sent.
    pub fn share(&self) -> Option<Share> {
        let mut state = self.lock();
        state.share.take().filter(|_| state.written > UNSHARED)
    }

    fn grow(&self, state: &mut BudgetState, more: u64) -> Result<(), BudgetError> {
        let Some((quota, Some(address))) = &self.unsent else { return Ok(()) };
        let grown = match &mut state.share {
            Some(share) => share.grow(more),
            None => quota.take(*address, more).map(|taken| state.share = Some(taken)),
        };
        match grown {
            Err(exhausted) if state.is_repeatable => Err(state.spend(BudgetError::Exhausted(exhausted))),
            _ => Ok(()),
        }
    }

    /// Waits until a wide text may be read, which takes this many of the request's turns.
    pub async fn admit_text(&self, turns: u32) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.texts.acquire_many(turns).await.ok()
    }

    fn lock(&self) -> MutexGuard<'_, BudgetState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BudgetState {
    /// Records and counts why the budget is exhausted, the first time.
    fn spend(&mut self, spent: BudgetError) -> BudgetError {
        *self.spent.get_or_insert_with(|| {
            metrics::count_limit(spent.limit());
            spent
        })
    }

    /// Reduces the share to what was written.
    fn release_texts(&mut self) {
        self.read = 0;
        if let Some(share) = &mut self.share {
            share.shrink(share.amount().saturating_sub(self.written));
        }
    }
}

impl BudgetError {
    /// The flag of the limit that was reached.
    fn limit(&self) -> &'static str {
        match self {
            Self::Large(_) => LIMIT_ANSWER_BYTES,
            Self::Exhausted(exhausted) => exhausted.limit(),
        }
    }
}

impl From<BudgetError> for ApiError {
    fn from(spent: BudgetError) -> Self {
        match spent {
            BudgetError::Large(max) => Self::TooLarge { max },
            BudgetError::Exhausted(exhausted) => Self::Exhausted(exhausted),
        }
    }
}

impl From<BudgetError> for graphql::FieldError {
    fn from(spent: BudgetError) -> Self {
        ApiError::from(spent).into()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;
    use crate::quota::QuotaNames;
    use std::net::Ipv4Addr;

    const NAMES: QuotaNames = QuotaNames { limit: "a", limit_per_client: "b", held: "are held", retry_after_s: 1 };
    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_response_is_limited() {
        let budget = Budget::of(10, None);
        budget.begin(OperationKind::Mutation);
        assert_eq!(budget.count_text("1234567890"), Ok(()));
        assert_eq!(budget.count_text("1"), Err(BudgetError::Large(10)));
        assert_eq!(budget.count_text(""), Err(BudgetError::Large(10)));
        budget.begin(OperationKind::Mutation);
        assert_eq!(budget.count_text("1234567890"), Ok(()));
    }

    #[test]
    fn operations_share_a_budget() {
        let budget = Budget::of(10, None);
        budget.begin(OperationKind::Query);
        budget.count_text("12345").unwrap();
        budget.keep(7).unwrap();
        budget.begin(OperationKind::Query);
        assert_eq!(budget.max(), 3);
        assert_eq!(budget.count_text("1234"), Err(BudgetError::Large(10)));
    }

    #[test]
    fn a_share_is_as_large_as_the_held_bytes() {
        let quota = Quota::new(NAMES, 2 << 20, 1 << 20);
        let begin = |kind| {
            let budget = Budget::new(u64::MAX, Arc::clone(&quota), CLIENT);
            budget.begin(kind);
            budget
        };
        let budget = begin(OperationKind::Query);
        budget.count_text(&"x".repeat(1_000)).unwrap();
        assert_eq!(quota.taken(), 0, "small texts take none");
        budget.count_text(&"x".repeat(300_000)).unwrap();
        assert_eq!(quota.taken(), STEP);
        budget.keep(310_000).unwrap();
        budget.keep(10_000).unwrap();
        let share = budget.share().unwrap();
        assert_eq!((share.amount(), quota.taken()), (320_000, 320_000));
        let small = begin(OperationKind::Query);
        small.keep(10_000).unwrap();
        assert!(small.share().is_none());
        let mutation = begin(OperationKind::Mutation);
        mutation.count_text(&"x".repeat(800_000)).unwrap();
        mutation.keep(800_000).unwrap();
        assert_eq!(quota.taken(), 320_000, "mutations continue without a share");
        let query = begin(OperationKind::Query);
        let spent = query.count_text(&"x".repeat(800_000)).unwrap_err();
        assert!(matches!(spent, BudgetError::Exhausted(Exhausted { by_client: true, .. })), "{spent:?}");
        let query = begin(OperationKind::Query);
        assert_eq!(query.keep(800_000), Err(spent));
        drop((share, query));
        assert_eq!(quota.taken(), 0);
    }
}
