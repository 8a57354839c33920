//! A mutation that a client requests, and what it needs of the server.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use axum::http::Extensions;
use graphql::Inputs;

use crate::db::{Db, ReadPool};
use crate::error::ApiResult;
use crate::kit::kept::Kept;
use crate::kit::rows::RequestData;
use crate::kit::wake::Wake;
use crate::policy::Rule;
use crate::rate::{Rate, Who};
use crate::viewer::{Authenticate, Caller, Role, Viewer};

/// How much users may change in a while. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct WriteRates {
    /// Mutations.
    pub mutations: Rate,
    /// New idempotency keys. Each has a row for a day.
    pub keys: Rate,
}

impl WriteRates {
    /// Counts a mutation before anything is done for it.
    ///
    /// # Errors
    /// `RateLimited`.
    pub fn admit(&self, caller: Option<&Caller>) -> ApiResult<()> {
        match Self::counted(caller) {
            Some(who) => self.mutations.take(who, Instant::now()),
            None => Ok(()),
        }
    }

    /// Who is counted. Editors and admins, who import whole catalogues, are not.
    pub fn counted(caller: Option<&Caller>) -> Option<Who> {
        let caller = caller?;
        let is_trusted = caller.viewer.is_some_and(|viewer| viewer.role > Role::Member);
        (!is_trusted).then(|| Who::of(caller))
    }
}

/// What mutations need of the server.
pub struct WriteServices {
    /// The database. Its reads see every committed change.
    pub db: Db,
    /// The limits of changes.
    pub rates: WriteRates,
    /// The cache of registries. A change of the catalogue clears it.
    pub registry_cache: Arc<Kept>,
    /// Tells the feed that something was committed.
    pub wake: Wake,
    /// Knows whether a session is still there.
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
    /// A service of a domain.
    ///
    /// # Panics
    /// The server has none of this type.
    #[expect(clippy::expect_used, reason = "`library::write_services` adds the services of all domains")]
    pub fn of_domain<S: Send + Sync + 'static>(&self) -> &S {
        self.domains.get().expect("a service of the server")
    }
}

/// Who sends a request, as they are at the mutation of this `place`: one before it may have ended the session or changed
/// the role.
///
/// # Errors
/// `Unauthenticated`, unless anyone may call the mutation.
pub async fn caller_at(request: &RequestData, place: u32, rule: Rule) -> ApiResult<Option<Cow<'_, Caller>>> {
    let Some(caller) = &request.caller else { return Ok(None) };
    match caller.viewer {
        Some(viewer) if place > 0 && rule != Rule::Anyone => {
            let viewer = request.services.writes.sessions.confirm(viewer).await?;
            Ok(Some(Cow::Owned(Caller { viewer: Some(viewer), ..caller.clone() })))
        }
        _ => Ok(Some(Cow::Borrowed(caller))),
    }
}

/// A mutation that a client requests.
#[derive(Debug)]
pub struct Change<'a> {
    /// The mutation's name in the schema, such as `addComment`.
    pub mutation: &'a str,
    /// Its place among the mutations of the request, counted from zero.
    pub place: u32,
    /// Who may do it.
    pub rule: Rule,
    /// Who sends the request, if a transport has said so.
    pub caller: Option<&'a Caller>,
    /// The coerced arguments.
    pub arguments: &'a Inputs,
    /// What it needs of the server.
    pub services: &'a WriteServices,
}

impl<'a> Change<'a> {
    /// Passes a caller who may do it, and has not done too much lately.
    ///
    /// # Errors
    /// `Unauthenticated`, `Forbidden` or `RateLimited`.
    pub fn admit(&self) -> ApiResult<()> {
        self.rule.admit(self.viewer())?;
        self.services.rates.admit(self.caller)
    }

    /// The pool for reads. They see every committed change.
    pub fn db(&self) -> &'a ReadPool {
        &self.services.db.read
    }

    /// The viewer, if somebody is signed in.
    pub fn viewer(&self) -> Option<Viewer> {
        self.caller?.viewer
    }

    /// The idempotency key, if the client has sent one.
    pub fn idempotency_key(&self) -> Option<&'a str> {
        self.caller?.idempotency_key.as_deref()
    }

    /// The address that the request comes from; 0.0.0.0 if no transport has said so.
    pub fn address(&self) -> IpAddr {
        self.caller.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |caller| caller.address)
    }
}
