//! Transport: the GraphQL endpoint, the IDE, health, and what every request gets. Names no domain.

mod graphql;
mod health;
mod ide;
mod request;

use async_graphql::Executor;
use axum::Router;
use axum::middleware::from_fn;
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use crate::db::Db;

/// The routes of the server: `/graphql`, `/livez`, `/readyz`, and with `ide` the pages at `/`.
pub fn router<E: Executor>(executor: E, db: Db, ide: bool) -> Router {
    let pages = if ide { ide::routes() } else { Router::new() };
    pages
        .route("/graphql", get(graphql::execute::<E>).post(graphql::execute::<E>).with_state(executor))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready).with_state(db))
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::custom(request::answer_panic))
        .layer(from_fn(request::observe))
}
