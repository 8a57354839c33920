//! The program works when nobody reads its output.

use std::process::Stdio;

use migration::SchemaState;
use serde_json::json;

use crate::process::{Server, command};
use crate::serve::{PATIENCE, ask};
use crate::support::database::{Backend, TestDatabase};

on_both!(a_server_with_an_unread_log_fills_the_demo_and_serves, commands_succeed_without_a_reader);

async fn a_server_with_an_unread_log_fills_the_demo_and_serves(backend: Backend) {
    let database = TestDatabase::empty(backend).await;
    let unread = Server::start_unread(&["--database-url", &database.url, "--demo", "--log-filter", "debug"]);
    serves_and_stops(unread).await;
    // The same if the reader closes the pipe later.
    let mut server = Server::start(&["--database-url", &database.url]);
    server.stop_reading();
    serves_and_stops(server).await;
}

async fn serves_and_stops(server: Server) {
    for _ in 0..3 {
        let answer = ask(&server.url, "{ movies(first: 1) { totalCount } }").await;
        assert_eq!(answer, json!({ "data": { "movies": { "totalCount": 500 } } }));
    }
    server.signal("TERM");
    let (status, _) = server.wait(PATIENCE);
    assert!(status.success(), "{status}");
}

async fn commands_succeed_without_a_reader(backend: Backend) {
    let database = TestDatabase::empty(backend).await;
    let run_unread = |args: &[&str]| {
        let args = [args, &["--database-url", &database.url]].concat();
        let mut child = command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        child.wait().unwrap().code()
    };
    assert_eq!(run_unread(&["migrate", "up"]), Some(0));
    assert_eq!(migration::compare(&database.connect().await).await.unwrap(), SchemaState::Current);
    // Commands that only print, and failures, keep their exit status without a reader.
    assert_eq!(run_unread(&["migrate", "status"]), Some(1));
    assert_eq!(run_unread(&["role", "grant", "nobody", "admin"]), Some(1));
}
