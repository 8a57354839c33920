//! A program whose words nobody reads goes on.

use std::process::Stdio;

use migration::SchemaState;
use serde_json::json;

use crate::process::{Server, command};
use crate::serve::{PATIENCE, ask};
use crate::support::database::{Backend, TestDatabase};

on_both!(a_server_whose_log_nobody_reads_fills_the_demo_and_serves, what_is_done_without_a_reader_is_done);

async fn a_server_whose_log_nobody_reads_fills_the_demo_and_serves(backend: Backend) {
    let database = TestDatabase::empty(backend).await;
    let unread = Server::start_unread(&["--database-url", &database.url, "--demo", "--log-filter", "debug"]);
    serves_and_stops(unread).await;
    // Neither does it matter when the reader goes away later.
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

async fn what_is_done_without_a_reader_is_done(backend: Backend) {
    let database = TestDatabase::empty(backend).await;
    let run_unread = |args: &[&str]| {
        let args = [args, &["--database-url", &database.url]].concat();
        let mut child = command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        child.wait().unwrap().code()
    };
    assert_eq!(run_unread(&["migrate", "up"]), Some(0));
    assert_eq!(migration::compare(&database.connect().await).await.unwrap(), SchemaState::Current);
    // Here the words are all there is to do; and a failure is one without them.
    assert_eq!(run_unread(&["migrate", "status"]), Some(1));
    assert_eq!(run_unread(&["role", "grant", "nobody", "admin"]), Some(1));
}
