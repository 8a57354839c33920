//! A mutation that a client requests.

use std::net::{IpAddr, Ipv4Addr};

use db::ReadPool;
use graphql::Inputs;
use request::error::{ApiError, ApiResult, is_leaderless};
use request::policy::Rule;
use request::viewer::{Caller, Viewer};

use super::services::WriteServices;

/// A mutation that a client requests.
#[derive(Debug)]
pub struct Change<'a> {
    /// The mutation's name in the schema, such as `addComment`.
    pub mutation: &'a str,
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
    /// Who sends the request, if the leader has to be asked for that: a mutation before it, if it is not the `first`, may have
    /// ended the session or changed the role, and a replica may not know that either was done. Waits for a leader.
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
