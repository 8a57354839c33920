//! Transport: GraphQL over HTTP, health, and what every request gets. Names no domain.
//!
//! A request passes [`serve`] (connections), [`request`] (id, log line), compression, and at
//! `/graphql` the [`graphql`] endpoint: [`accept`] chooses the media type, [`body`] and [`params`] read
//! the request, [`document`] parses and weighs it, the executor answers, [`respond`] writes. What goes
//! wrong before the executor is a [`refusal`]. `docs/transport.md` describes it for clients.

mod accept;
mod body;
mod cors;
mod document;
mod graphql;
mod health;
mod inputs;
mod limits;
mod params;
mod refusal;
mod request;
mod respond;
mod scan;
mod serve;
mod shape;
mod stall;
mod variables;
mod weigh;

use std::sync::Arc;

use async_graphql::Executor;
use async_graphql::parser;
use axum::Router;
use axum::http::header::{REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::from_fn;
use axum::routing::{any, get};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tower_http::set_header::SetResponseHeaderLayer;

pub use cors::Origin;
pub use limits::Limits;
pub use serve::serve;
pub use weigh::Pages;

use crate::db::Db;
use document::Documents;
use graphql::Endpoint;

/// What the transport does, and what it lets pass.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Limits of requests.
    pub limits: Limits,
    /// Sites whose pages may ask.
    pub cors_origins: Vec<Origin>,
    /// How long pages are.
    pub pages: Pages,
}

/// The routes of the server: `/graphql`, `/livez`, `/readyz`. `sdl` defines the executor's schema.
///
/// # Errors
/// The schema's definition is no SDL.
pub fn router<E: Executor>(executor: E, sdl: &str, db: Db, settings: &Settings) -> Result<Router, parser::Error> {
    let Settings { limits, cors_origins, pages } = settings;
    let documents = Documents::new(sdl, *pages, limits.clone())?;
    let endpoint = Arc::new(Endpoint::new(executor, documents, limits.clone()));
    let mut router = Router::new()
        .route("/graphql", any(graphql::answer::<E>).with_state(endpoint))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready).with_state(db))
        .layer(CatchPanicLayer::custom(request::answer_panic))
        .layer(compression(limits.compress_from_bytes));
    if !cors_origins.is_empty() {
        router = router.layer(cors::layer(cors_origins));
    }
    for (name, value) in SAFE_HEADERS {
        router = router.layer(SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value)));
    }
    Ok(router.layer(from_fn(request::observe)))
}

/// For browsers that show an answer: it is data, whatever it looks like, and nobody's frame.
const SAFE_HEADERS: [(HeaderName, &str); 4] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("x-frame-options"), "DENY"),
    (HeaderName::from_static("content-security-policy"), "default-src 'none'; frame-ancestors 'none'"),
];

/// A stream of events must reach the client one by one, which a compressor would hold up.
fn compression(from_bytes: u64) -> CompressionLayer<impl Predicate> {
    let worthwhile = SizeAbove::new(from_bytes).and(NotForContentType::SSE);
    CompressionLayer::new().quality(CompressionLevel::Precise(4)).compress_when(worthwhile)
}
