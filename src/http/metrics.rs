//! Counts operations and requests, and answers `/metrics`.

use std::sync::Arc;
use std::time::Instant;

use async_graphql::futures_util::stream::{BoxStream, StreamExt};
use async_graphql::{Data, Executor, Response as Answer, Value};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::document::NAME_LENGTH_MAX;
use crate::db::Db;
use crate::metrics::{self, InFlight};
use crate::telemetry::CLIENT_GONE;

/// An executor whose operations are counted, however they arrive.
#[derive(Clone)]
pub(super) struct Counted<E>(pub(super) E);

impl<E: Executor> Executor for Counted<E> {
    async fn execute(&self, mut request: async_graphql::Request) -> Answer {
        let running = Running { name: name_operation(&mut request), started: Instant::now() };
        let answer = self.0.execute(request).await;
        drop(running);
        count_errors(&answer);
        answer
    }

    fn execute_stream(
        &self,
        request: async_graphql::Request,
        session: Option<Arc<Data>>,
    ) -> BoxStream<'static, Answer> {
        self.0.execute_stream(request, session).inspect(count_errors).boxed()
    }
}

/// Counts an operation when it ends, be it that its time is over or that its client has left.
struct Running {
    name: Option<String>,
    started: Instant,
}

impl Drop for Running {
    fn drop(&mut self) {
        metrics::count_operation(self.name.as_deref(), self.started.elapsed());
    }
}

/// The operation's name: the one asked for if the document has it, else the only one.
fn name_operation(request: &mut async_graphql::Request) -> Option<String> {
    let asked = request.operation_name.clone();
    // Parsed before: the document is in the request.
    let document = request.parsed_query().ok()?;
    let mut names = document.operations.iter().filter_map(|(name, _)| name);
    let name = match asked {
        Some(asked) => names.find(|name| name.as_str() == asked)?,
        None => names.next().filter(|_| names.next().is_none())?,
    };
    // Clients choose names; labels stay short.
    Some(name.chars().take(NAME_LENGTH_MAX).collect())
}

fn count_errors(answer: &Answer) {
    for error in &answer.errors {
        match error.extensions.as_ref().and_then(|extensions| extensions.get("code")) {
            Some(Value::String(code)) => metrics::count_error(code),
            _ => metrics::count_error("NONE"),
        }
    }
}

/// Counts a request while it is in flight, and its answer.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    // Clients choose paths: only ours are named.
    let path = ["/graphql", "/livez", "/readyz", "/metrics"].into_iter().find(|path| *path == request.uri().path());
    let mut counted = InFlight::begin(path.unwrap_or("other"), CLIENT_GONE);
    let response = next.run(request).await;
    counted.status = response.status().as_u16();
    response
}

/// The counts as text.
pub(super) async fn show(State(db): State<Db>) -> Response {
    match metrics::render(&db) {
        Ok(text) => ([(CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!("the metrics cannot be written: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
