//! More clients than the process may have open files.

use std::time::{Duration, Instant};

use async_graphql::futures_util::future::join_all;
use serde_json::{Value, json};

use crate::ask::metric;
use crate::honest::Honest;
use crate::process::{Server, command_by};
use crate::stranger;
use crate::support::client;
use crate::support::database::{Backend, TestDatabase};
use crate::usage::sized;

on_both!(the_database_keeps_its_files);

const QUERY: &str = "{ movies(first: 20) { nodes { title plot tags } } persons(first: 20) { nodes { lastName } } }";

async fn the_database_keeps_its_files(backend: Backend) {
    let database = TestDatabase::seeded(backend).await;
    let limited = ["sh", "-c", "ulimit -n 64; exec \"$@\"", "sh"];
    // All clients have one address, which may use all connections. The others wait.
    let all = ["--limit-connections-per-client", "20000"];
    let server = Server::start_by(&limited, &[&["--database-url", &database.url], &all[..]].concat());
    let honest = Honest::queries(server.url.clone(), QUERY);
    let end = Instant::now() + Duration::from_secs(sized(2, 30) as u64);
    // Each request has its own connection.
    let client = client::builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(60)).build().unwrap();
    let clients = (0..200).map(async |_| {
        let mut failed = Vec::new();
        while Instant::now() < end {
            let answer = match client.post(&server.url).json(&json!({ "query": QUERY })).send().await {
                Ok(answer) => answer.json::<Value>().await.unwrap_or_else(|error| error.to_string().into()),
                Err(error) => format!("{error:?}").into(),
            };
            if answer["data"].is_null() || !answer["errors"].is_null() {
                failed.push(answer);
            }
        }
        failed
    });
    let failed: Vec<_> = join_all(clients).await.into_iter().flatten().collect();
    let felt = honest.stop().await;
    assert!(failed.is_empty(), "{} responses, such as {}", failed.len(), failed[0]);
    assert!(felt.failed.is_empty() && felt.longest < Duration::from_secs(30), "{felt:?}");
    let open = metric(&server.url, "process_open_fds").await;
    assert!(open <= 64.0, "{open}");
    server.signal("TERM");
    let (status, log) = server.wait(Duration::from_secs(15));
    assert!(status.success(), "{log}");
    let faults: Vec<_> = log.lines().filter(|line| line.contains("\"ERROR\"")).collect();
    assert!(faults.is_empty(), "{faults:?}");
}

/// A hard limit of many systems for services: fewer files than the connections of one address.
#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_use_all_open_files() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    let limited = ["sh", "-c", "ulimit -n 512; exec \"$@\"", "sh"];
    let server = Server::start_by(&limited, &[&["--database-url", &database.url], &stranger::QUIET[..]].concat());
    let mut held = Vec::new();
    for _ in 0..600 {
        held.push(stranger::connect(&server.url).await);
    }
    let honest = Honest::fetches(server.url.replace("/graphql", "/livez"));
    // How long the honest client is watched.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let felt = honest.stop().await;
    assert!(felt.asked > 0 && felt.failed.is_empty(), "{:?}", felt.failed);
    assert!(felt.longest < Duration::from_secs(1), "{:?}", felt.longest);
    let open = metric(&server.url, "process_open_fds").await;
    assert!(open < 256.0, "{open}");
}

#[tokio::test]
async fn the_limit_of_files_is_raised_or_reported() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    let args = ["--database-url", &database.url, "--listen", "127.0.0.1:0"];
    // The server raises its limit as far as allowed.
    let server = Server::start_by(&["sh", "-c", "ulimit -n 512; ulimit -S -n 40; exec \"$@\"", "sh"], &args[..2]);
    assert_eq!(metric(&server.url, "process_max_fds").await, 512.0);
    server.signal("TERM");
    let (status, _) = server.wait(Duration::from_secs(10));
    assert!(status.success());
    // Too few for 20,000 connections gives a warning, and too few for any work an error at startup.
    let start = |files: &str| {
        let limited = format!("ulimit -n {files}; exec timeout 5 \"$@\"");
        command_by(&["sh", "-c", &limited, "sh"], &[&["serve"], &args[..]].concat()).output().unwrap()
    };
    let told = start("512");
    let log = String::from_utf8(told.stderr).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains("512 open files are allowed")).count(), 1, "{log}");
    assert!(log.contains("--limit-connections") && log.contains("ulimit -n"), "{log}");
    let refused = start("50");
    let log = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{log}");
    let error = log.lines().last().unwrap();
    assert!(error.starts_with("error: only 50 open files are allowed"), "{error}");
    assert!(error.contains("--database-connections") && error.contains("LimitNOFILE="), "{error}");
}
