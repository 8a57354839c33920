//! Transport: GraphQL over HTTP, the IDE, health and metrics, and what every request gets. Names no domain.
//!
//! A request passes [`serve`] (connections), [`metrics`] (counts), [`envelope`] (id, log line), compression, and at
//! `/graphql` [`dispatch`]: [`accept`] selects the media type, [`caller`] identifies the sender, [`body`] and
//! [`params`] read the request, the [`graphql`] endpoint runs it on the engine with the
//! [`executor`](request::executor), and [`respond`] sends the response. A request that is not executed is a
//! [`refusal`]. `docs/transport.md` describes the transport for clients, `docs/operations.md` for operators.

mod accept;
mod body;
mod bounds;
mod caller;
mod cors;
mod dispatch;
mod engine_refusal;
mod envelope;
mod events;
mod graphql;
mod ide;
mod limits;
mod metrics;
mod not_found;
mod operation;
mod overview;
mod params;
mod refusal;
mod respond;
mod rest;
mod serve;
mod size;
mod socket;
mod status;
mod unread;
mod values;
mod write_timeout;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, get};
use ipnet::IpNet;
use request::executor::Executor;
use request::subscribe::Subscribe;
use request::viewer::Authenticate;
use tower::util::{MapRequestLayer, option_layer};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};

pub use cors::Origin;
pub use engine_refusal::request_errors;
pub use ide::DemoLogin;
pub use limits::Limits;
pub use overview::Overview;
pub use serve::serve;
pub use status::{Readiness, Status};

use caller::Callers;
use graphql::Endpoint;

/// The transport's settings.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Limits of requests.
    pub limits: Limits,
    /// Sites whose pages may send requests.
    pub cors_origins: Vec<Origin>,
    /// Proxies whose forwarded addresses are trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether there are pages at `/`.
    pub ide: bool,
    /// The accounts that these pages offer for trying out the API.
    pub demo: Option<DemoLogin>,
    /// Whether `/metrics` is on the main address.
    pub metrics: bool,
}

/// The services behind the transport.
pub struct HttpServices {
    /// Executes operations.
    pub executor: Executor,
    /// Delivers the results of subscriptions.
    pub subscribe: Arc<dyn Subscribe>,
    /// Resolves tokens.
    pub authenticate: Arc<dyn Authenticate>,
    /// Reports the state of the cluster to admins, if enabled: at `/status.json`, with a page at `/status`.
    pub overview: Option<Arc<dyn Overview>>,
}

/// The routes of the main address: `/graphql`, `/livez`, `/readyz`, and if enabled the pages at `/`, `/status.json` and
/// `/metrics`.
pub fn router(services: HttpServices, status: &Arc<dyn Status>, settings: &HttpSettings) -> Router {
    let HttpSettings { limits, cors_origins, trusted_proxies, .. } = settings;
    let HttpServices { executor, subscribe, authenticate, overview } = services;
    let callers = Callers::new(authenticate, trusted_proxies.clone());
    let endpoint = Arc::new(Endpoint::new(executor, subscribe, callers.clone(), settings));
    let graphql = any(dispatch::handle).with_state(Arc::clone(&endpoint));
    let mut router = health_routes(status).route("/graphql", graphql);
    let mut paths = vec!["/graphql", "/livez", "/readyz"];
    if settings.ide {
        paths.extend(["/", "/live", "/plain"].into_iter().filter(|path| ide::has(path)));
    }
    if settings.ide || overview.is_some() {
        router = router.merge(ide::routes(settings.ide, overview.is_some(), settings.demo.as_ref()));
    }
    if let Some(overview) = overview {
        router = router.route("/status.json", get(overview::handle).with_state((endpoint, overview)));
        paths.extend(["/status", "/monitoring"].into_iter().filter(|path| ide::has(path)));
        paths.push("/status.json");
    }
    if settings.metrics {
        router = router.merge(metrics_route(status));
        paths.push("/metrics");
    }
    let router = with_fallbacks(router, paths);
    // One layer, the outermost part first: the router boxes the routes and each request once for every layer.
    router.layer((
        from_fn(metrics::observe),
        from_fn_with_state(callers, envelope::observe),
        from_fn(envelope::require_host),
        option_layer((!cors_origins.is_empty()).then(|| cors::layer(cors_origins))),
        MapRequestLayer::new(envelope::allow_identity::<Body>),
        compression(limits.compress_from_bytes),
        CatchPanicLayer::custom(envelope::respond_to_panic),
    ))
}

/// The routes of the operators' address: health and metrics. Their requests are not logged.
pub fn operations_router(status: &Arc<dyn Status>) -> Router {
    let router = health_routes(status).merge(metrics_route(status));
    with_fallbacks(router, vec!["/livez", "/readyz", "/metrics"]).layer(from_fn(envelope::require_host))
}

/// Handles requests without a route.
fn with_fallbacks(router: Router, paths: Vec<&'static str>) -> Router {
    router
        .fallback(async move |request: Request| not_found::refuse(&request, &paths))
        .method_not_allowed_fallback(async |method: Method| not_found::refuse_method(&method))
}

fn health_routes(status: &Arc<dyn Status>) -> Router {
    Router::new().route("/livez", get(status::live)).route("/readyz", get(status::ready).with_state(Arc::clone(status)))
}

fn metrics_route(status: &Arc<dyn Status>) -> Router {
    Router::new().route("/metrics", get(status::metrics).with_state(Arc::clone(status)))
}

/// A compressor would delay the events of a stream, which must reach the client one by one.
fn compression(from_bytes: u64) -> CompressionLayer<impl Predicate> {
    let worthwhile = SizeAbove::new(from_bytes).and(NotForContentType::SSE);
    CompressionLayer::new().quality(CompressionLevel::Precise(4)).compress_when(worthwhile)
}
