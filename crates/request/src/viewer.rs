//! Who asks: what the transport puts into every request, and how it learns who a token stands for.
//!
//! Names no domain. What a viewer may do stands in [`policy`](crate::policy).

use std::net::IpAddr;

use async_graphql::Enum;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::error::ApiResult;

/// What a user may do. A role includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Enum)]
pub enum Role {
    /// Every user with an account.
    #[default]
    Member,
    /// May change the catalogue, and what other users wrote.
    Editor,
    /// May also change roles and delete accounts.
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

/// Who sends a request, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who asks, if they are signed in.
    pub viewer: Option<Viewer>,
    /// Where the request comes from.
    pub address: IpAddr,
    /// What program asks, as it says itself.
    pub agent: Option<String>,
    /// By which the client recognises its request when it repeats it.
    pub idempotency_key: Option<String>,
}

impl Caller {
    /// Somebody of whom nothing is known but the address.
    pub fn anonymous(address: IpAddr) -> Self {
        Self { viewer: None, address, agent: None, idempotency_key: None }
    }
}

/// Tells whom a token stands for. `http` has no other way to know.
pub trait Authenticate: Send + Sync {
    /// The user whose token this is.
    ///
    /// # Errors
    /// `Unauthenticated` for one that is unknown or expired.
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, ApiResult<Viewer>>;

    /// Changes when it has to be asked again at once whether this viewer is still who they were: a session of theirs
    /// has ended on this instance, or their role has changed.
    fn watch(&self, viewer: Viewer) -> watch::Receiver<()>;
}
