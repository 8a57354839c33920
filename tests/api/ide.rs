//! The pages for people: what they send works, and the setting that leaves them out.

use std::path::Path;

use serde_json::Value;

use crate::app::TestApp;
use crate::support::database::{Backend, TestDatabase};

on_both!(examples_of_the_ide_run_on_the_demo_catalogue);

async fn examples_of_the_ide_run_on_the_demo_catalogue(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/src/ide/examples");
    let mut examples = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "graphql") {
            continue;
        }
        examples += 1;
        let query = std::fs::read_to_string(&path).unwrap();
        assert!(query.starts_with('#'), "{} begins with what it shows", path.display());
        let variables = std::fs::read_to_string(path.with_extension("json"))
            .map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
        for (field, value) in app.data(&query, variables).await.as_object().unwrap() {
            let empty = value.is_null() || value["nodes"].as_array().is_some_and(Vec::is_empty);
            assert!(!empty, "{field} of {} has nothing to show", path.display());
        }
    }
    assert!(examples > 2);
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
async fn pages_go_with_their_flag() {
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
