//! Transport: GraphQL over HTTP, the IDE, health and metrics, and what every request gets. Names no
//! domain.
//!
//! A request passes [`serve`] (connections), [`metrics`] (counts), [`request`] (id, log line),
//! compression, and at `/graphql` the [`graphql`] endpoint: [`accept`] chooses the media type, [`caller`]
//! tells who asks, [`body`]
//! and [`params`] read the request, [`document`] parses and weighs it, the executor answers, [`respond`]
//! writes. What goes wrong before the executor is a [`refusal`]. `docs/transport.md` describes it for
//! clients, `docs/operations.md` for those who run it.

mod accept;
mod body;
mod caller;
mod cors;
mod document;
mod events;
mod graphql;
mod health;
mod ide;
mod inputs;
mod limits;
mod metrics;
mod operation;
mod overlap;
mod params;
mod refusal;
mod request;
mod respond;
mod rest;
mod scan;
mod serve;
mod shape;
mod size;
mod socket;
mod stall;
mod subscribe;
mod unread;
mod values;
mod variables;
mod weigh;

use std::sync::Arc;

use async_graphql::Executor;
use async_graphql::parser;
use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{any, get};
use ipnet::IpNet;
use tower::util::option_layer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};

pub use cors::Origin;
pub use health::Health;
pub use limits::Limits;
pub use serve::serve;
pub use shape::Costs;
pub use subscribe::{Direct, End, Payload, Payloads, ResumeFrom, Subscribe, Subscription};
pub use weigh::Pages;

use caller::Callers;
use document::Documents;
use graphql::Endpoint;

use crate::viewer::Authenticate;

/// What the transport does, and what it lets pass.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Limits of requests.
    pub limits: Limits,
    /// Sites whose pages may ask.
    pub cors_origins: Vec<Origin>,
    /// Proxies whose word is taken for where a request comes from.
    pub trusted_proxies: Vec<IpNet>,
    /// How long pages are.
    pub pages: Pages,
    /// Fields whose values are long.
    pub costs: Costs,
    /// Whether there are pages for people at `/`.
    pub ide: bool,
    /// Whether `/metrics` is on the main address.
    pub metrics: bool,
}

/// What answers, behind the transport.
pub struct Services<E> {
    /// Executes queries and mutations.
    pub executor: E,
    /// Executes subscriptions.
    pub subscribe: Arc<dyn Subscribe>,
    /// Knows whose a token is.
    pub authenticate: Arc<dyn Authenticate>,
}

/// The routes of the main address: `/graphql`, `/livez`, `/readyz`, and the pages at `/` and
/// `/metrics` if they are wanted. `sdl` defines the executor's schema.
///
/// # Errors
/// The schema's definition is no SDL.
pub fn router<E: Executor>(
    services: Services<E>,
    sdl: &str,
    health: &Health,
    settings: &Settings,
) -> Result<Router, parser::Error> {
    let Settings { limits, cors_origins, trusted_proxies, pages, costs, .. } = settings;
    let documents = Documents::new(sdl, *pages, costs, limits.clone())?;
    let Services { executor, subscribe, authenticate } = services;
    let callers = Callers::new(authenticate, trusted_proxies.clone());
    let endpoint = Endpoint::new(metrics::Counted(executor), subscribe, callers, documents, settings);
    let endpoint = Arc::new(endpoint);
    let graphql = any(graphql::answer::<metrics::Counted<E>>).with_state(endpoint);
    let mut router = health_routes(health).route("/graphql", graphql);
    if settings.ide {
        router = router.merge(ide::routes());
    }
    if settings.metrics {
        router = router.merge(metrics_route(health));
    }
    // As one layer, the outermost first: the router boxes the routes, and each request, for every
    // layer that it is given.
    Ok(router.layer((
        from_fn(metrics::observe),
        from_fn(request::observe),
        option_layer((!cors_origins.is_empty()).then(|| cors::layer(cors_origins))),
        compression(limits.compress_from_bytes),
        CatchPanicLayer::custom(request::answer_panic),
    )))
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

/// A stream of events must reach the client one by one, which a compressor would hold up.
fn compression(from_bytes: u64) -> CompressionLayer<impl Predicate> {
    let worthwhile = SizeAbove::new(from_bytes).and(NotForContentType::SSE);
    CompressionLayer::new().quality(CompressionLevel::Precise(4)).compress_when(worthwhile)
}
