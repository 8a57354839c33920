//! The audits of GraphQL over HTTP in the npm package `graphql-http`: MUST, SHOULD and MAY.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::support::database::{Backend, TestDatabase};

/// The audits of the version that `tests/conformance/package-lock.json` pins.
const AUDITS: usize = 61;

#[tokio::test(flavor = "multi_thread")]
async fn all_audits_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    assert!(
        folder.join("node_modules/graphql-http").exists(),
        "the audits are not installed: run scripts/test, or `npm ci` in tests/conformance"
    );
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &[]).await;
    let mut node = Command::new("node");
    node.args(["audit.mjs", &format!("{}/graphql", app.origin)]).current_dir(folder);
    let output = tokio::task::spawn_blocking(move || node.output())
        .await
        .unwrap()
        .expect("node runs: install it with `apt-get install nodejs npm`, or run scripts/test");
    let (text, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "the audits failed to run: {complaint}");
    let audits: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let failed: Vec<_> = audits.iter().filter(|audit| audit["status"] != json!("ok")).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(audits.len(), AUDITS);
}
