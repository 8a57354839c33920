//! What a load cannot start with.

use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};
use async_graphql_axum::GraphQL;
use axum::Router;
use tokio::net::TcpListener;

use crate::node::Node;
use crate::program::{Served, load, message};
use crate::support::address::own_address;
use crate::support::database::{Backend, TestDatabase};

fn refusal(url: &str, args: &[&str]) -> String {
    message(&load(url, args).output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_named() {
    let url = format!("http://{}/graphql", own_address());
    let text = refusal(&url, &[]);
    assert!(text.contains("nobody answers at") && text.contains("--url"), "{text}");
}

#[test]
fn a_url_that_is_none_is_refused() {
    for url in ["127.0.0.1:8000", "https://films.example/graphql", "ftp://films.example"] {
        let output = load(url, &[]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("--url"), "{output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_path_is_told() {
    let database = TestDatabase::seeded(Backend::Sqlite).await;
    let node = Node::start(&database.url);
    let text = refusal(&format!("http://{}/graphqll", node.address()), &[]);
    assert!(text.contains("not GraphQL") && text.contains("/graphql"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_accounts_are_told() {
    let database = TestDatabase::seeded(Backend::Sqlite).await;
    let node = Node::start(&database.url);
    let text = refusal(&format!("http://{}/graphql", node.address()), &[]);
    assert!(text.contains("no demo account") && text.contains("--with-demo-accounts"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_that_the_server_does_not_take_are_told() {
    let served = Served::start(Backend::Sqlite).await;
    let text = refusal(&served.url(), &["--listeners=101", "--duration=1"]);
    assert!(text.contains("listener 101 of 101") && text.contains("--limit-sockets-per-client"), "{text}");
}

#[test]
fn actions_and_rates_that_are_none_are_refused() {
    for (arg, words) in [("--mix=dance", "rate-publication"), ("--rate=0", "actions a second")] {
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
async fn a_server_of_another_schema_is_told() {
    let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/graphql", listener.local_addr().unwrap());
    let app = Router::new().route_service("/graphql", GraphQL::new(schema));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let text = tokio::task::spawn_blocking(move || refusal(&url, &[])).await.unwrap();
    assert!(text.contains("of another version") && text.contains("movies"), "{text}");
}
