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

use super::graphql::name_operation;
use super::request::CLIENT_GONE;
use crate::db::Db;
use crate::metrics::{self, InFlight};

/// An executor whose operations are counted, however they arrive.
#[derive(Clone)]
pub(super) struct Counted<E>(pub(super) E);

impl<E: Executor> Executor for Counted<E> {
    async fn execute(&self, mut request: async_graphql::Request) -> Answer {
        let started = Instant::now();
        let name = name_operation(&mut request);
        let answer = self.0.execute(request).await;
        metrics::count_operation(name.as_deref(), started.elapsed());
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
