//! Transport: the GraphQL endpoint, health, and what every request gets. Names no domain.

mod graphql;
mod health;
mod request;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_graphql::Executor;
use axum::Router;
use axum::middleware::from_fn;
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use crate::db::Db;

/// Tells the server's parts that it is stopping.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(Arc<AtomicBool>);

impl Shutdown {
    /// Makes `/readyz` answer 503 from now on.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the server is stopping.
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The routes of the server: `/graphql`, `/livez`, `/readyz`.
pub fn router<E: Executor>(executor: E, db: Db, shutdown: Shutdown) -> Router {
    Router::new()
        .route("/graphql", get(graphql::execute::<E>).post(graphql::execute::<E>).with_state(executor))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready).with_state(health::Ready { db, shutdown }))
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::custom(request::answer_panic))
        .layer(from_fn(request::observe))
}
