//! The state of the cluster, the servers and the database, for admins: `/status.json`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response;
use futures_util::future::BoxFuture;
use request::error::{ApiError, ApiResult};
use request::policy;
use request::viewer::Role;

use super::accept::ResponseFormat;
use super::graphql::Endpoint;
use super::refusal::Refusal;
use super::respond::{self, Consistency, ExecutionResult};

/// Reports the state of the cluster, the servers and the database.
pub trait Overview: Send + Sync {
    /// Returns one JSON document. It may take some seconds, because it waits for servers that do not respond.
    ///
    /// # Errors
    /// The JSON cannot be written.
    fn overview(&self) -> BoxFuture<'_, ApiResult<Vec<u8>>>;
}

pub(super) async fn handle(
    State((endpoint, overview)): State<(Arc<Endpoint>, Arc<dyn Overview>)>,
    request: Parts,
) -> Response {
    let outcome = look(&endpoint, &*overview, &request).await;
    outcome.unwrap_or_else(|refusal| {
        refusal.count();
        respond::refuse(refusal, ResponseFormat::Json)
    })
}

async fn look(endpoint: &Endpoint, overview: &dyn Overview, request: &Parts) -> Result<Response, Refusal> {
    let (caller, token) = endpoint.callers.meet(&request.headers, &request.extensions)?;
    let refuse = |error: ApiError| Refusal::api(&error);
    let token = token.ok_or(ApiError::Unauthenticated).map_err(refuse)?;
    let work = async {
        let viewer = endpoint.callers.sign_in(&token).await?.viewer;
        policy::require(viewer, Role::Admin).map_err(refuse)?;
        let json = overview.overview().await.map_err(refuse)?;
        let result = ExecutionResult { json: json.into(), retry_after_s: None, consistency: Consistency::default() };
        Ok(respond::respond(result, ResponseFormat::Json))
    };
    endpoint.in_time(caller.address, false, caller.mutations.clone(), work).await
}
