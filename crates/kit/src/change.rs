//! A mutation in a request.

use std::net::{IpAddr, Ipv4Addr};

use db::ReadPool;
use graphql::Inputs;
use request::error::{ApiError, ApiResult, is_leaderless};
use request::policy::Rule;
use request::viewer::{Caller, Viewer};

use super::services::WriteServices;

/// A mutation in a request.
#[derive(Debug)]
pub struct Change<'a> {
    /// The mutation's name in the schema, such as `addComment`.
    pub mutation: &'a str,
    /// Who may do it.
    pub rule: Rule,
    /// The caller. `None` if the transport has not set it.
    pub caller: Option<&'a Caller>,
    /// The coerced arguments.
    pub arguments: &'a Inputs,
    /// The parts of the server that mutations need.
    pub services: &'a WriteServices,
}

impl<'a> Change<'a> {
    /// Returns the caller, and checks with the leader if necessary: an earlier mutation of the request may have ended
    /// the session or changed the role, and a replica may not have that change yet. Waits for a leader.
    ///
    /// # Errors
    /// `Unauthenticated`, unless anyone may call the mutation.
    pub(crate) async fn confirm(&self, first: bool) -> ApiResult<Option<Caller>> {
        let asked = self.caller.filter(|caller| (!first || caller.by_replica) && self.rule != Rule::Anyone);
        let Some((caller, viewer)) = asked.and_then(|caller| Some((caller, caller.viewer?))) else { return Ok(None) };
        self.pass_to_leader().await?;
        loop {
            let viewer = match self.services.sessions.confirm(viewer).await {
                Err(ApiError::Database(error)) if is_leaderless(&error) && self.wait_for_leader().await? => continue,
                found => found?,
            };
            return Ok(Some(Caller { viewer: Some(viewer), by_replica: false, ..caller.clone() }));
        }
    }

    /// Checks that the caller may run the mutation and is within the rate limits.
    ///
    /// # Errors
    /// `Unauthenticated`, `Forbidden` or `RateLimited`.
    pub fn admit(&self) -> ApiResult<()> {
        self.rule.admit(self.viewer())?;
        self.services.rates.admit(self.caller)
    }

    /// The pool for reads. Reads see every committed change.
    pub fn db(&self) -> &'a ReadPool {
        &self.services.db.read
    }

    /// The viewer, if signed in.
    pub fn viewer(&self) -> Option<Viewer> {
        self.caller?.viewer
    }

    /// The idempotency key, if the client sent one.
    pub fn idempotency_key(&self) -> Option<&'a str> {
        self.caller?.idempotency_key.as_deref()
    }

    /// The address that the request comes from; 0.0.0.0 if the transport has not set it.
    pub fn address(&self) -> IpAddr {
        self.caller.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |caller| caller.address)
    }
}
