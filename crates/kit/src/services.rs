//! The services of the server that mutations need.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use db::{Db, Wake};
use http::Extensions;
use request::error::ApiResult;
use request::rate::{Rate, Who};
use request::viewer::{Authenticate, Caller, Role};

use super::registry_cache::RegistryCache;

/// How much users may change within a period. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct WriteRates {
    /// Mutations.
    pub mutations: Rate,
    /// New idempotency keys. Each occupies a row for a day.
    pub keys: Rate,
}

impl WriteRates {
    /// Counts a mutation before any work is done for it.
    ///
    /// # Errors
    /// `RateLimited`.
    pub fn admit(&self, caller: Option<&Caller>) -> ApiResult<()> {
        match Self::counted(caller) {
            Some(who) => self.mutations.take(who, Instant::now()),
            None => Ok(()),
        }
    }

    /// The user or address that is counted. Editors and admins are not: they import whole catalogues.
    pub fn counted(caller: Option<&Caller>) -> Option<Who> {
        let caller = caller?;
        let is_trusted = caller.viewer.is_some_and(|viewer| viewer.role > Role::Member);
        (!is_trusted).then(|| Who::of(caller))
    }
}

/// The services of the server that mutations need.
pub struct WriteServices {
    /// The database. Its reads see every committed change.
    pub db: Db,
    /// The limits of changes.
    pub rates: WriteRates,
    /// The registry cache. A change of the catalogue clears it.
    pub registry_cache: Arc<RegistryCache>,
    /// Notifies the feed of a commit.
    pub wake: Wake,
    /// Checks whether a session still exists.
    pub sessions: Arc<dyn Authenticate>,
    /// Services of domains, by type.
    pub domains: Extensions,
}

impl fmt::Debug for WriteServices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteServices").finish_non_exhaustive()
    }
}

impl WriteServices {
    /// Returns a service of a domain.
    ///
    /// # Panics
    /// The server has no service of this type.
    #[expect(clippy::expect_used, reason = "`library::write_services` adds the services of all domains")]
    pub fn of_domain<S: Send + Sync + 'static>(&self) -> &S {
        self.domains.get().expect("a service of the server")
    }
}
