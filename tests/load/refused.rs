//! Conditions under which a load does not start.

use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};
use async_graphql_axum::GraphQL;
use axum::Router;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::node::Node;
use crate::program::{Served, load, message};
use crate::support::address::own_address;
use crate::support::database::{Backend, TestDatabase};

fn refusal(url: &str, args: &[&str]) -> String {
    message(&load(url, args).output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_server_is_named() {
    let url = format!("http://{}/graphql", own_address());
    let text = refusal(&url, &[]);
    assert!(text.contains("no server answers at") && text.contains("--url"), "{text}");
}

#[test]
fn an_invalid_url_is_refused() {
    for url in ["127.0.0.1:8000", "https://films.example/graphql", "ftp://films.example"] {
        let output = load(url, &[]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("--url"), "{output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_path_is_reported() {
    let database = TestDatabase::seeded(Backend::Sqlite).await;
    let node = Node::start(&database.url);
    let text = refusal(&format!("http://{}/graphqll", node.address()), &[]);
    assert!(text.contains("does not exist; the paths are /graphql,"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_accounts_are_reported() {
    let database = TestDatabase::seeded(Backend::Sqlite).await;
    let node = Node::start(&database.url);
    let text = refusal(&format!("http://{}/graphql", node.address()), &[]);
    assert!(text.contains("no demo account") && text.contains("--with-demo-accounts"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_listeners_are_reported() {
    let served = Served::start(Backend::Sqlite).await;
    let text = refusal(&served.url(), &["--listeners=101", "--duration=1"]);
    assert!(text.contains("listener 101 of 101") && text.contains("--limit-sockets-per-client"), "{text}");
}

/// A server that refuses most of a load has not been measured.
#[tokio::test(flavor = "multi_thread")]
async fn limits_that_refuse_a_load_are_named() {
    let served = Served::start_with(Backend::Sqlite, &["--mutations-per-user=20"]).await;
    let args = ["--rate=40", "--duration=4", "--members=1", "--mix=rate-movie", "--quiet", "--json", "--verify"];
    let output = load(&served.url(), &args).output().unwrap();
    let said = message(&output);
    assert_eq!(said.matches("refuses requests: its --mutations-per-user is 20;").count(), 1, "{said}");
    assert!(
        said.contains("limits refused") && said.contains("restart it with higher values of --mutations-per-user"),
        "{said}"
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let limit = &report["limits"]["mutations-per-user"];
    assert!(limit["max"] == 20 && limit["refused"].as_u64().unwrap() > 20, "{report:#}");
    assert_eq!(report["total"]["errors"]["RATE_LIMITED"], limit["refused"]);
    // A few refusals are normal when the load runs at the limit.
    let served = Served::start_with(Backend::Sqlite, &["--signups-per-address=1"]).await;
    let args = ["--duration=10", "--workers=2", "--quiet", "--json"];
    let output = load(&served.url(), &args).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let total = &report["total"];
    let (limited, done) = (total["errors"]["RATE_LIMITED"].as_u64().unwrap(), total["done"].as_u64().unwrap());
    let failed: u64 = total["errors"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(output.status.success(), limited * 100 <= done + failed, "{output:?}");
}

#[test]
fn invalid_actions_and_rates_are_refused() {
    for (arg, words) in [("--mix=dance", "rate-publication"), ("--rate=0", "actions per second")] {
        let output = load("http://127.0.0.1:8000/graphql", &[arg]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(words), "{output:?}");
    }
}

struct Query;

#[Object]
impl Query {
    async fn hello(&self) -> &'static str {
        "world"
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_another_schema_is_reported() {
    let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/graphql", listener.local_addr().unwrap());
    let app = Router::new().route_service("/graphql", GraphQL::new(schema));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let text = tokio::task::spawn_blocking(move || refusal(&url, &[])).await.unwrap();
    assert!(text.contains("has another version") && text.contains("movies"), "{text}");
}
