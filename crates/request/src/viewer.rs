//! Who asks: what the transport puts into every request, and how it learns who a token stands for.
//!
//! Names no domain. What a viewer may do stands in [`policy`](crate::policy).

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use async_graphql::Enum;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::error::{ApiResult, OUTCOME_NOTHING, OUTCOME_UNKNOWN};
use crate::position::Position;

/// The role of a user. Each role includes the ones before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Enum)]
pub enum Role {
    /// Every user with an account.
    #[default]
    Member,
    /// Can change the catalogue and other users' content.
    Editor,
    /// Can also change roles and delete accounts.
    Admin,
}

graphql::enum_leaves!(Role);

/// A user who is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Viewer {
    /// The user's key.
    pub user: i32,
    /// The key of the session that was signed in.
    pub session: i32,
    /// What the user may do.
    pub role: Role,
}

/// Who a token stands for, and what they have to see.
#[derive(Clone, Copy, Debug)]
pub struct SignedIn {
    /// The user.
    pub viewer: Viewer,
    /// Where the leader was when it was asked; none if it was not asked, or if nothing else is read from.
    pub position: Option<Position>,
    /// Whether a replica alone has told it, which may not know yet that the session has ended.
    pub by_replica: bool,
}

/// Who sends a request, and how.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who asks, if they are signed in.
    pub viewer: Option<Viewer>,
    /// Whether a replica alone has told who that is.
    pub by_replica: bool,
    /// Where the request comes from.
    pub address: IpAddr,
    /// What program asks, as it says itself.
    pub agent: Option<String>,
    /// By which the client recognises its request when it repeats it.
    pub idempotency_key: Option<String>,
    /// The changes that a query has to see.
    pub after: Option<Position>,
    /// The mutations of the request so far.
    pub mutations: RequestMutations,
}

impl Caller {
    /// Somebody of whom nothing is known but the address.
    pub fn anonymous(address: IpAddr) -> Self {
        let mutations = RequestMutations::default();
        Self { viewer: None, by_replica: false, address, agent: None, idempotency_key: None, after: None, mutations }
    }
}

/// The mutations of one request, which run one after another: those of a document, or of all documents of a batch.
/// Cloning is cheap.
#[derive(Clone, Debug)]
pub struct RequestMutations {
    request: Arc<Progress>,
    /// Which operation of the batch it is, and how many there are.
    place: (u32, u32),
    /// The names of the operation's mutations, in order.
    names: Arc<str>,
    /// How many of the operation have an idempotency key.
    keyed: Arc<AtomicU32>,
}

#[derive(Debug)]
struct Progress {
    began: Instant,
    begun: AtomicBool,
    sent: AtomicBool,
    key_is_refused: AtomicBool,
}

/// What an idempotency key stands for in a request.
#[derive(Clone, Debug)]
pub struct KeyPlace {
    /// The place in the request: the number of the operation, and that of the mutation among those with a key.
    pub place: [u32; 2],
    /// How many operations the request has.
    pub operations: u32,
    /// The names of the operation's mutations.
    pub names: Arc<str>,
}

impl Default for RequestMutations {
    fn default() -> Self {
        let (begun, sent, key_is_refused) = Default::default();
        let request = Arc::new(Progress { began: Instant::now(), begun, sent, key_is_refused });
        Self { request, place: (0, 1), names: "".into(), keyed: Arc::default() }
    }
}

impl RequestMutations {
    /// The mutations of an operation in a batch.
    #[must_use]
    pub fn in_batch(&self, position: usize, operations: usize) -> Self {
        let number = |place| u32::try_from(place).unwrap_or(u32::MAX);
        Self { place: (number(position), number(operations)), ..self.clone() }
    }

    /// The mutations of an operation, which has these.
    #[must_use]
    pub fn named(&self, names: &[&str]) -> Self {
        Self { names: names.join(" ").into(), keyed: Arc::default(), ..self.clone() }
    }

    /// When the request began.
    pub fn began(&self) -> Instant {
        self.request.began
    }

    /// Notes that something is sent to the database which commits a change.
    pub fn note_sent(&self) {
        self.request.sent.store(true, Ordering::Relaxed);
    }

    /// The [`OUTCOME`](crate::error::OUTCOME) of a request that is stopped now, if it has mutations.
    pub fn outcome(&self) -> Option<&'static str> {
        let has = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        let outcome = if has(&self.request.sent) { OUTCOME_UNKNOWN } else { OUTCOME_NOTHING };
        has(&self.request.begun).then_some(outcome)
    }

    /// Begins the next mutation. Returns whether one of the request was begun before.
    pub fn begin(&self) -> bool {
        self.request.begun.swap(true, Ordering::Relaxed)
    }

    /// The place of the next mutation that has an idempotency key.
    pub fn next_keyed(&self) -> KeyPlace {
        let (position, operations) = self.place;
        let place = [position, self.keyed.fetch_add(1, Ordering::Relaxed)];
        KeyPlace { place, operations, names: Arc::clone(&self.names) }
    }

    /// Refuses the idempotency key for the rest of the request: it belongs to another one.
    pub fn refuse_key(&self) {
        self.request.key_is_refused.store(true, Ordering::Relaxed);
    }

    /// Whether the key was refused.
    pub fn key_is_refused(&self) -> bool {
        self.request.key_is_refused.load(Ordering::Relaxed)
    }
}

/// Tells whom a token stands for. `http` has no other way to know.
pub trait Authenticate: Send + Sync {
    /// The user whose token this is. What another instance has changed may be unknown for a moment.
    ///
    /// # Errors
    /// `Unauthenticated` for one that is unknown or expired.
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, ApiResult<SignedIn>>;

    /// The same, from the database in any case: for what stays open, and for queries that have to see what the user has
    /// changed on any instance.
    ///
    /// # Errors
    /// `Unauthenticated` for one that is unknown or expired.
    fn authenticate_anew<'a>(&'a self, token: &'a str) -> BoxFuture<'a, ApiResult<SignedIn>>;

    /// The viewer as they are now: the role may have changed. What another instance has changed may be unknown for a
    /// moment. No replica is asked.
    ///
    /// # Errors
    /// `Unauthenticated` if the session has ended; `Database` if there is no leader.
    fn confirm(&self, viewer: Viewer) -> BoxFuture<'_, ApiResult<Viewer>>;

    /// Changes when it has to be asked again at once whether this viewer is still who they were: a session of theirs
    /// has ended on this instance, or their role has changed.
    fn watch(&self, viewer: Viewer) -> watch::Receiver<()>;
}
