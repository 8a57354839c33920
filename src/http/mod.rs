//! Transport: the GraphQL endpoint, the IDE, health and metrics, and what every request gets.
//! Names no domain.

mod graphql;
mod health;
mod ide;
mod metrics;
mod request;

use async_graphql::Executor;
use axum::Router;
use axum::middleware::from_fn;
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

pub use self::health::Health;

/// What the main address offers beside `/graphql`, `/livez` and `/readyz`.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// The pages at `/`.
    pub ide: bool,
    /// `/metrics`.
    pub metrics: bool,
}

/// The routes of the main address.
pub fn router<E: Executor>(executor: E, health: &Health, offer: Offer) -> Router {
    let executor = metrics::Counted(executor);
    let graphql = graphql::execute::<metrics::Counted<E>>;
    let mut routes = health_routes(health).route("/graphql", get(graphql).post(graphql).with_state(executor));
    if offer.ide {
        routes = routes.merge(ide::routes());
    }
    if offer.metrics {
        routes = routes.merge(metrics_route(health));
    }
    routes
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::custom(request::answer_panic))
        .layer(from_fn(request::observe))
        .layer(from_fn(metrics::observe))
}

/// The routes of the operators' address: health and metrics. Asking them is not logged.
pub fn operations_router(health: &Health) -> Router {
    health_routes(health).merge(metrics_route(health))
}

fn health_routes(health: &Health) -> Router {
    Router::new().route("/livez", get(health::live)).route("/readyz", get(health::ready).with_state(health.clone()))
}

fn metrics_route(health: &Health) -> Router {
    Router::new().route("/metrics", get(metrics::show).with_state(health.db.clone()))
}
