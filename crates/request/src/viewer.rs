//! The sender of a request: what the transport adds to every request, and how it resolves a token.
//!
//! Names no domain. What a viewer may do is in [`policy`](crate::policy).

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

/// A signed-in user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Viewer {
    /// The user's key.
    pub user: i32,
    /// The session's key.
    pub session: i32,
    /// The user's role.
    pub role: Role,
}

/// The user of a token, and the position that they must see.
#[derive(Clone, Copy, Debug)]
pub struct SignedIn {
    /// The user.
    pub viewer: Viewer,
    /// The leader's position during the look-up. `None` if the leader was not queried, or if queries read only from it.
    pub position: Option<Position>,
    /// Whether only a replica has resolved the token. It may not know yet that the session has ended.
    pub by_replica: bool,
}

/// The sender of a request, and its circumstances.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The viewer, if signed in.
    pub viewer: Option<Viewer>,
    /// Whether only a replica has resolved the token.
    pub by_replica: bool,
    /// The address that the request comes from.
    pub address: IpAddr,
    /// The client's program, according to itself.
    pub agent: Option<String>,
    /// The key by which a repeated request is recognized.
    pub idempotency_key: Option<String>,
    /// The position that a query must see.
    pub after: Option<Position>,
    /// The mutations of the request so far.
    pub mutations: RequestMutations,
}

impl Caller {
    /// An anonymous caller at this address.
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
    /// The position of the operation in the batch, and the number of operations.
    position: (u32, u32),
    /// The names of the operation's mutations, in order.
    names: Arc<str>,
    /// How many of the operation's mutations have an idempotency key.
    keyed: Arc<AtomicU32>,
}

#[derive(Debug)]
struct Progress {
    began: Instant,
    begun: AtomicBool,
    sent: AtomicBool,
    key_is_refused: AtomicBool,
}

/// What an idempotency key refers to in a request.
#[derive(Clone, Debug)]
pub struct KeyPosition {
    /// The position in the request: the index of the operation, and that of the mutation among those with a key.
    pub indices: [u32; 2],
    /// The number of operations in the request.
    pub operations: u32,
    /// The names of the operation's mutations.
    pub names: Arc<str>,
}

impl Default for RequestMutations {
    fn default() -> Self {
        let (begun, sent, key_is_refused) = Default::default();
        let request = Arc::new(Progress { began: Instant::now(), begun, sent, key_is_refused });
        Self { request, position: (0, 1), names: "".into(), keyed: Arc::default() }
    }
}

impl RequestMutations {
    /// The mutations of an operation in a batch.
    #[must_use]
    pub fn in_batch(&self, position: usize, operations: usize) -> Self {
        let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
        Self { position: (number(position), number(operations)), ..self.clone() }
    }

    /// The mutations of an operation, with these names.
    #[must_use]
    pub fn named(&self, names: &[&str]) -> Self {
        Self { names: names.join(" ").into(), keyed: Arc::default(), ..self.clone() }
    }

    /// When the request began.
    pub fn began(&self) -> Instant {
        self.request.began
    }

    /// Records that something is sent to the database which commits a change.
    pub fn note_sent(&self) {
        self.request.sent.store(true, Ordering::Relaxed);
    }

    /// The [`OUTCOME`](crate::error::OUTCOME) of a request that is stopped now, if it has mutations.
    pub fn outcome(&self) -> Option<&'static str> {
        let has = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        let outcome = if has(&self.request.sent) { OUTCOME_UNKNOWN } else { OUTCOME_NOTHING };
        has(&self.request.begun).then_some(outcome)
    }

    /// Begins the next mutation. Returns whether another mutation of the request began before.
    pub fn begin(&self) -> bool {
        self.request.begun.swap(true, Ordering::Relaxed)
    }

    /// The position of the next mutation that has an idempotency key.
    pub fn next_keyed(&self) -> KeyPosition {
        let (position, operations) = self.position;
        let indices = [position, self.keyed.fetch_add(1, Ordering::Relaxed)];
        KeyPosition { indices, operations, names: Arc::clone(&self.names) }
    }

    /// Rejects the idempotency key for the rest of the request: it belongs to another one.
    pub fn refuse_key(&self) {
        self.request.key_is_refused.store(true, Ordering::Relaxed);
    }

    /// Whether the key was rejected.
    pub fn key_is_refused(&self) -> bool {
        self.request.key_is_refused.load(Ordering::Relaxed)
    }
}

/// Resolves tokens, for the transport.
pub trait Authenticate: Send + Sync {
    /// The user of this token. Changes by another instance may be missing briefly.
    ///
    /// # Errors
    /// `Unauthenticated` if the token is unknown or expired.
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, ApiResult<SignedIn>>;

    /// The same, always from the database: for connections that stay open, and for queries that must see the user's
    /// changes on any instance.
    ///
    /// # Errors
    /// `Unauthenticated` if the token is unknown or expired.
    fn authenticate_uncached<'a>(&'a self, token: &'a str) -> BoxFuture<'a, ApiResult<SignedIn>>;

    /// The viewer with their present role. Changes by another instance may be missing briefly. Does not use a replica.
    ///
    /// # Errors
    /// `Unauthenticated` if the session has ended; `Database` if there is no leader.
    fn confirm(&self, viewer: Viewer) -> BoxFuture<'_, ApiResult<Viewer>>;

    /// Changes when the viewer must be looked up again immediately: a session of theirs has ended on this instance, or
    /// their role has changed.
    fn watch(&self, viewer: Viewer) -> watch::Receiver<()>;
}
