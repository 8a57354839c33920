//! The GraphQL endpoint.

use async_graphql::Executor;
use async_graphql_axum::{GraphQLRequest, GraphQLResponse};
use axum::extract::State;

use crate::telemetry;

/// Executes one operation.
pub(super) async fn execute<E: Executor>(State(executor): State<E>, request: GraphQLRequest) -> GraphQLResponse {
    let mut request = request.into_inner();
    if let Some(context) = telemetry::current_request()
        && let Some(name) = name_operation(&mut request)
    {
        // Only this handler sets it, once a request.
        let _ = context.operation.set(name);
    }
    executor.execute(request).await.into()
}

/// The operation's name: the one asked for if the document has it, else the only one.
pub(super) fn name_operation(request: &mut async_graphql::Request) -> Option<String> {
    let asked = request.operation_name.clone();
    // Parsed once: the executor finds the document in the request.
    let document = request.parsed_query().ok()?;
    let mut names = document.operations.iter().filter_map(|(name, _)| name);
    let name = match asked {
        Some(asked) => names.find(|name| name.as_str() == asked)?,
        None => names.next().filter(|_| names.next().is_none())?,
    };
    // Clients choose names; log lines stay short.
    Some(name.chars().take(NAME_LENGTH_MAX).collect())
}

/// Characters of an operation's name that are logged.
const NAME_LENGTH_MAX: usize = 100;
