//! Servers with planted faults, which must be found in the history of a load. Needs the feature
//! `planted-faults`.

use std::path::Path;

use tempfile::TempDir;

use crate::history::{check, faults};
use crate::process::Server;
use crate::program::load;
use crate::support::database::{Backend, TestDatabase};

/// Each fault, with the kinds of findings. One of them must occur.
const FAULTS: [(&str, &[&str]); 8] = [
    ("skip-wait", &["read-your-writes"]),
    ("drop-event", &["missed-event", "listeners-differ"]),
    ("repeat-event", &["repeated-event"]),
    ("swap-events", &["writes-follow-reads", "listeners-differ"]),
    ("acknowledge-early", &["missing", "wrong-value"]),
    ("lose-key", &["twice"]),
    ("stale-session", &["read-your-writes"]),
    // Another viewer's missing rating looks like a lost one.
    ("other-viewer", &["other-viewer", "read-your-writes"]),
];

async fn findings(backend: Backend, fault: &str) -> serde_json::Value {
    let database = TestDatabase::seeded_with_accounts(backend).await;
    let fault = format!("KINOTEKA_PLANTED_FAULT={fault}");
    let plenty = ["--mutations-per-user=1000000", "--idempotency-keys-per-user=1000000"];
    let more = ["--signups-per-address=1000000", "--database-url", &database.url, "--log-filter", "info"];
    let server = Server::start_by(&["env", &fault], &[&plenty[..], &more[..]].concat());
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("run.jsonl");
    let args = ["--duration=15", "--rng-seed=1", "--workers=2", "--members=3", "--listeners=2", "--quiet", "--history"];
    let output = load(&server.url, &args).arg(&file).output().unwrap();
    assert!(file.exists(), "{output:?}");
    history_of(&file)
}

fn history_of(file: &Path) -> serde_json::Value {
    faults(&check(&std::fs::read_to_string(file).unwrap()))
}

on_both!(every_planted_fault_is_found);

async fn every_planted_fault_is_found(backend: Backend) {
    let clean = findings(backend, "none").await;
    assert_eq!(clean["total"], 0, "{clean:#}");
    let mut unfound = Vec::new();
    for (fault, kinds) in FAULTS {
        let found = findings(backend, fault).await;
        println!("{backend:?} {fault}: {}", found["counts"]);
        if !kinds.iter().any(|kind| found["counts"][kind].as_u64().is_some()) {
            unfound.push((fault, found));
        }
    }
    assert!(unfound.is_empty(), "{unfound:#?}");
}
