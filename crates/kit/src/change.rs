//! A mutation that a client requests.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use db::ReadPool;
use graphql::Inputs;
use request::error::ApiResult;
use request::policy::Rule;
use request::viewer::{Caller, Viewer};

use super::rows::RequestData;
use super::services::WriteServices;

/// Who sends a request, as they are at a mutation: one before it, if it is not the `first`, may have ended the session or
/// changed the role.
///
/// # Errors
/// `Unauthenticated`, unless anyone may call the mutation.
pub async fn caller_at(request: &RequestData, first: bool, rule: Rule) -> ApiResult<Option<Cow<'_, Caller>>> {
    let Some(caller) = &request.caller else { return Ok(None) };
    match caller.viewer {
        Some(viewer) if !first && rule != Rule::Anyone => {
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
