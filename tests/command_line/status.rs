//! `kinoteka status`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::patroni::Patroni;
use crate::process::{Server, command, run};
use crate::support::database::{Backend, TestDatabase};

on_both!(status_is_printed_as_tables_and_as_json);

fn address(server: &Server) -> String {
    server.url.trim_end_matches("/graphql").to_owned()
}

async fn status_is_printed_as_tables_and_as_json(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let server = Server::start(&["--database-url", &database.url]);
    let address = address(&server);
    let args = ["status", "--instances", &address];

    let text = run(&args).ok();
    assert!(text.contains("| Server ") && text.contains("| full "), "{text}");
    assert!(text.contains("patroni: not configured; --patroni-url names it"), "{text}");
    assert!(text.ends_with("Nothing is wrong.\n"), "{text}");
    assert!(!text.contains('\x1b'), "no colours without a terminal: {text:?}");
    let coloured = command(&args).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(coloured.stdout.contains(&b'\x1b'));
    let plain = command(&args).env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1").output().unwrap();
    assert!(!plain.stdout.contains(&b'\x1b'));

    let shown: Value = serde_json::from_str(&run(&[&args[..], &["--json"]].concat()).ok()).unwrap();
    let kind = if backend == Backend::Postgres { "PostgreSQL" } else { "SQLite" };
    assert_eq!((&shown["instances"][0]["database"], &shown["isWell"]), (&json!(kind), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_source_is_named_and_sets_the_exit_code() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    let server = Server::start(&["--database-url", &database.url]);
    let run = run(&["status", "--instances", &address(&server), "--patroni-url", "http://127.0.0.1:1"]);
    assert_eq!(run.status.code(), Some(1), "{run:?}");
    assert!(run.stdout.contains("| full "), "the rest must be shown: {run:?}");
    let silent = crate::process::run(&["status", "--instances", "http://127.0.0.1:1"]).stdout;
    let row = silent.lines().find(|line| line.starts_with("| 127.0.0.1:1 ")).unwrap();
    assert!(row.contains("| no response ") && !row.contains("| 0 "), "its counts are unknown: {row}");
    let line = run.stdout.lines().find(|line| line.starts_with("patroni: ")).unwrap();
    assert!(line.contains("refused") && line.ends_with("start it, or correct --patroni-url"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_run_detects_stopped_replay() {
    let patroni = Patroni::start().await;
    patroni.change(0, |n2| n2.replayed -= 5 << 20);
    let args = ["status", "--patroni-url", &patroni.address, "--instances", "http://127.0.0.1:1"];
    let done = tokio::task::spawn_blocking({
        let args = args.map(str::to_owned);
        move || run(&args.each_ref().map(String::as_str))
    });
    let done = done.await.unwrap();
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(done.stdout.starts_with("+ Cluster: main (7513551497020290584) -"), "{done:?}");
    let member = done.stdout.lines().find(|line| line.starts_with("| n2 ")).unwrap();
    let cells: Vec<_> = member.split('|').map(str::trim).collect();
    let expected = ["", "n2", "127.0.0.12:5432", "Quorum Standby", "streaming", "7", "0/3000000", "0", "0/2B00000"];
    assert_eq!(cells[..9], expected, "{done:?}");
    assert_eq!(cells[9], "5.0 MiB");
    assert!(done.stdout.contains("warning: ReplayStopped: n2 receives changes"), "{done:?}");
    assert!(done.stdout.contains("what to do: docs/monitoring.md#replaystopped"), "{done:?}");
    assert!(done.stdout.contains("critical: InstanceDown: 127.0.0.1:1 does not answer"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_continues() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    let server = Server::start(&["--database-url", &database.url]);
    let mut watching = command(&["status", "--watch", "--json", "--instances", &address(&server)])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap()["at"].clone();
    assert_ne!(next(), next());
    watching.kill().unwrap();
    watching.wait().unwrap();
}

#[test]
fn invalid_addresses_are_refused() {
    for (flag, value, why) in [
        ("--patroni-url", "n1:8008", "such as http://10.0.0.11:8008"),
        ("--instances", "http://u:s3cret@n1", "without a user"),
        ("--monitor-url", "sqlite://kinoteka.db", "only PostgreSQL has statistics"),
        ("--monitor-url", "http://n1", "unknown scheme"),
    ] {
        let run = run(&["status", flag, value]);
        assert!(run.failure().contains(why), "{run:?}");
    }
}
