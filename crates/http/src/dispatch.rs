//! Dispatches requests to `/graphql`: a socket, an event stream, one operation or a batch.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::Response;

use super::accept::{self, Acceptable, ResponseFormat};
use super::graphql::Endpoint;
use super::operation::{ActiveSubscription, OperationRequest, StartedOperation};
use super::params::Operations;
use super::refusal::Refusal;
use super::serve::ConnectionHandle;
use super::{events, respond, socket};

/// Responds to every request to the endpoint, whatever its method.
pub(super) async fn handle(State(endpoint): State<Arc<Endpoint>>, request: Request<Body>) -> Response {
    let wanted = accept::negotiate(request.headers());
    let outcome = dispatch(&endpoint, request, wanted).await;
    outcome.unwrap_or_else(|refusal| {
        refusal.count();
        match wanted {
            // Errors in a document, for a client that only reads event streams.
            Some(Acceptable { format: None, events: true }) if refusal.status.is_none() => {
                events::refuse(&refusal.errors)
            }
            _ => respond::refuse(refusal, wanted.and_then(|wanted| wanted.format).unwrap_or(ResponseFormat::Json)),
        }
    })
}

async fn dispatch(endpoint: &Arc<Endpoint>, request: Request, wanted: Option<Acceptable>) -> Result<Response, Refusal> {
    if socket::is_wanted(&request) {
        return socket::open(endpoint, request);
    }
    let method = request.method().clone();
    if ![Method::GET, Method::HEAD, Method::POST].contains(&method) {
        return Err(Refusal::method());
    }
    let Acceptable { format, events } = wanted.ok_or_else(Refusal::not_acceptable)?;
    let (caller, token) = endpoint.callers.meet(request.headers(), request.extensions())?;
    let token: Option<Arc<str>> = token.map(Into::into);
    let resume_from = if events { events::read_last_id(request.headers())? } else { None };
    let address = caller.address;
    let link = request.extensions().get::<ConnectionHandle>().cloned();
    match endpoint.read(request, address).await? {
        Operations::One(operation) => {
            let safe = method != Method::POST;
            let (operation, token_too) = (*operation, token.clone());
            let ask = OperationRequest {
                operation,
                caller,
                token: token_too,
                safe,
                streams: events,
                waits: false,
                resume_from,
                kept: None,
            };
            match endpoint.begin(ask).await? {
                StartedOperation::One(done) => Ok(match format {
                    Some(format) => respond::respond(done, format),
                    None => events::respond_once(done),
                }),
                StartedOperation::Many(ActiveSubscription { payloads, viewer, shares }) => {
                    let slot = endpoint.sockets.take(address, 1).map_err(Refusal::exhausted)?;
                    let link = link.ok_or_else(Refusal::no_link)?;
                    Ok(events::listen(Arc::clone(endpoint), (payloads, shares), token.zip(viewer), slot, &link))
                }
            }
        }
        Operations::Batch(operations) => {
            let format = format.ok_or_else(Refusal::not_acceptable)?;
            let mutations = caller.mutations.clone();
            let batch = endpoint.execute_batch(operations, caller, token.as_deref());
            Ok(respond::respond(endpoint.in_time(address, false, mutations, batch).await?, format))
        }
    }
}
