//! A server whose responses are sometimes replaced after it has executed the request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::net::TcpListener;

use crate::program::{Served, report};
use crate::support::client;
use crate::support::database::Backend;

/// Malformed responses.
const NONSENSE: [(u16, &str); 7] = [
    (200, "<html>Welcome to nginx!</html>"),
    (200, "[]"),
    (200, "null"),
    (200, r#"{"data":{}}"#),
    (200, r#"{"data":[1]}"#),
    (503, "<html>503 Service Unavailable</html>"),
    (200, r#"{"data":null,"errors":[{"message":"oh","extensions":{"code":"INTERNAL"}}]}"#),
];
/// The load's first requests, which are not replaced.
const SENSIBLE: usize = 100;

struct Proxy {
    url: String,
    client: reqwest::Client,
    count: AtomicUsize,
}

async fn pass(State(proxy): State<Arc<Proxy>>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let mut request = proxy.client.post(&proxy.url).body(body);
    for name in ["content-type", "authorization", "idempotency-key"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value.as_bytes());
        }
    }
    let answer = request.send().await.unwrap();
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
    let text = answer.text().await.unwrap();
    let count = proxy.count.fetch_add(1, Ordering::Relaxed);
    if count < SENSIBLE || count % 5 > 0 {
        return (status, text);
    }
    let (status, text) = NONSENSE[count / 5 % NONSENSE.len()];
    (StatusCode::from_u16(status).unwrap(), text.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_with_malformed_responses_are_executed_once() {
    let served = Served::start(Backend::Sqlite).await;
    let proxy = Arc::new(Proxy { url: served.url(), client: client::new(), count: AtomicUsize::new(0) });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/graphql", listener.local_addr().unwrap());
    let app = Router::new().route("/graphql", post(pass)).with_state(proxy);
    tokio::spawn(async move { axum::serve(listener, app).await });
    let report = tokio::task::spawn_blocking(move || report(&url, &["--duration=4", "--rng-seed=1", "--verify"]));
    let report = report.await.unwrap();
    for code in ["INTERNAL", "HTTP 200", "HTTP 503"] {
        assert!(report["sentAgain"]["codes"][code].as_u64().is_some(), "{code}: {report:#}");
    }
    assert!(report["outages"]["byKind"]["mutations"]["count"].as_u64().unwrap() > 0, "{report:#}");
}
