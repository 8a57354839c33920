//! The pages: their requests work, and a setting disables them.

use std::path::Path;

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::app::{TestApp, User};
use crate::socket::Socket;
use crate::support::database::{Backend, TestDatabase};

on_both!(examples_of_the_ide_run_on_the_demo_catalogue, demo_accounts_are_offered_only_in_a_demo);

/// Runs the examples in the order of their tabs, so that those after the log-in use its token.
async fn examples_of_the_ide_run_on_the_demo_catalogue(backend: Backend) {
    let app = TestApp::start(TestDatabase::seeded_with_accounts(backend).await, &[]).await;
    let cursor = app.data("{ commentCursor }", json!({})).await["commentCursor"].clone();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/src/ide/examples");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "graphql"));
    paths.sort();
    let mut user = app.anonymous();
    for path in &paths {
        let name = path.display();
        let query = std::fs::read_to_string(path).unwrap();
        assert!(query.starts_with('#'), "{name} must begin with a comment");
        let variables = std::fs::read_to_string(path.with_extension("json"))
            .map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
        let data = match query.contains("\nsubscription ") {
            true => hear(&user, &app.origin, &query, &cursor).await,
            false => user.data(&query, variables).await,
        };
        if let Some(token) = data["logIn"]["token"].as_str() {
            user = app.bearer(0, token);
        }
        for (field, value) in data.as_object().unwrap() {
            let is_empty = value.is_null() || value["nodes"].as_array().is_some_and(Vec::is_empty);
            let is_refused = value["errors"].as_array().is_some_and(|errors| !errors.is_empty());
            assert!(!is_empty && !is_refused, "{field} of {name}: {value}");
        }
    }
    assert!(user.token.is_some(), "one example must log in");
    assert_eq!(paths.len(), 9);
}

/// The first message of a subscription to comments after a cursor.
async fn hear(user: &User, origin: &str, subscription: &str, cursor: &Value) -> Value {
    let mut socket = Socket::sign_in(origin, user.token.as_deref().unwrap()).await;
    let subscription = subscription.replace("commentEvents {", &format!("commentEvents(after: {cursor}) {{"));
    socket.subscribe("1", &subscription, Value::Null).await;
    let message = socket.hear().await;
    assert_eq!(message["payload"]["data"]["commentEvents"]["comment"]["canEdit"], true, "{message}");
    message["payload"]["data"].clone()
}

async fn demo_accounts_are_offered_only_in_a_demo(backend: Backend) {
    let site = async |database: TestDatabase, args: &[&str]| -> Value {
        let app = TestApp::start(database, args).await;
        let response = app.client.get(format!("{}/site.json", app.origin)).send().await.unwrap();
        assert_eq!(response.headers()["cache-control"], "no-store");
        response.json().await.unwrap()
    };
    let accounts = async || TestDatabase::seeded_with_accounts(backend).await;
    let shown = site(accounts().await, &["--demo"]).await;
    assert!(shown["pages"].as_array().unwrap().contains(&json!("/plain")), "{shown}");
    assert_eq!(shown["demo"], json!({ "usernames": ["member", "editor", "admin"], "password": "kinoteka-demo" }));
    assert_eq!(site(accounts().await, &[]).await["demo"], Value::Null);
    assert_eq!(site(accounts().await, &["--demo", "--production", "--ide", "true"]).await["demo"], Value::Null);
    // A database with other rows has no demo accounts.
    assert_eq!(site(TestDatabase::seeded(backend).await, &["--demo"]).await["demo"], Value::Null);
    // An account with another password is not offered.
    let database = accounts().await;
    let sql = "UPDATE users SET password = '!' WHERE username = 'admin'";
    database.connect().await.execute_unprepared(sql).await.unwrap();
    assert_eq!(site(database, &["--demo"]).await["demo"]["usernames"], json!(["member", "editor"]));
}

#[tokio::test]
async fn files_of_pages_are_compressed() {
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &[]).await;
    let request = app.client.get(format!("{}/plain.js", app.origin)).header("accept-encoding", "gzip");
    let shown = request.send().await.unwrap();
    assert_eq!(shown.headers()["content-encoding"], "gzip");
    assert_eq!(shown.headers()["vary"], "accept-encoding");
    assert_eq!(shown.headers()["cache-control"], "no-cache");
    assert!(shown.headers()["content-security-policy"].to_str().unwrap().contains("script-src 'self'"));
    let source = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/http/src/ide/plain.js")).unwrap();
    for coding in ["identity", "br", "gzip;q=0", "deflate, GZIP;q=0.0"] {
        let request = app.client.get(format!("{}/plain.js", app.origin)).header("accept-encoding", coding);
        let shown = request.send().await.unwrap();
        let compressed = shown.headers().get("content-encoding").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(compressed.as_deref(), (coding == "br").then_some("br"), "{coding}");
        assert!(coding == "br" || shown.bytes().await.unwrap() == source, "{coding}");
    }
}

#[tokio::test]
async fn a_flag_disables_the_pages() {
    let page = async |args: &[&str], path: &str| {
        let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, args).await;
        app.client.get(format!("{}{path}", app.origin)).send().await.unwrap()
    };
    for path in ["/", "/plain"] {
        let shown = page(&[], path).await;
        assert_eq!(shown.status(), 200, "{path}");
        assert_eq!(shown.headers()["content-type"], "text/html; charset=utf-8");
        let policy = shown.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert_eq!(shown.headers()["cache-control"], "no-cache");
        assert_eq!(shown.headers()["x-frame-options"], "DENY");
        assert_eq!(page(&["--ide", "false"], path).await.status(), 404, "{path}");
        assert_eq!(page(&["--production"], path).await.status(), 404, "{path}");
        assert_eq!(page(&["--production", "--ide", "true"], path).await.status(), 200, "{path}");
    }
}
