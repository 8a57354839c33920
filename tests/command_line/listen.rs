//! Stock clients listen to new comments while the server is killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::process::Server;
use crate::support::address::own_address;
use crate::support::database::{Backend, TestDatabase};

on_both!(graphql_ws_loses_nothing, graphql_sse_loses_nothing);

/// Catches hangs.
const PATIENCE: Duration = Duration::from_secs(120);

async fn graphql_ws_loses_nothing(backend: Backend) {
    listen_while_it_is_killed(backend, "ws").await;
}

async fn graphql_sse_loses_nothing(backend: Backend) {
    listen_while_it_is_killed(backend, "sse").await;
}

async fn listen_while_it_is_killed(backend: Backend, protocol: &str) {
    let database = TestDatabase::migrated(backend).await;
    let db = database.connect().await;
    db.execute_unprepared("INSERT INTO movies (title, duration) VALUES ('Сталкер', 162)").await.unwrap();
    let address = own_address().to_string();
    let server = Server::start_at(&address, &["--database-url", &database.url]);
    let mut client = Client::start(protocol, &server.url);
    client.wait_for("cursor").await;
    // Before or after it connects: both are after its cursor.
    say(&db, 0).await;
    assert_eq!(client.texts(1).await, ["0"]);
    // First directly after connecting, then between two comments.
    let mut server = Some(server);
    for round in 0..3 {
        let first = 1 + round * 4;
        say(&db, first).await;
        assert_eq!(client.texts(1).await, [first.to_string()]);
        let old = server.take().unwrap();
        if round == 1 {
            // A graceful stop.
            old.signal("TERM");
            let (status, log) = old.wait(PATIENCE);
            assert!(status.success(), "{log}");
        } else {
            old.signal("KILL");
            drop(old);
        }
        say(&db, first + 1).await;
        say(&db, first + 2).await;
        server = Some(Server::start_at(&address, &["--database-url", &database.url]));
        say(&db, first + 3).await;
        let expected: Vec<_> = (first + 1..first + 4).map(|number| number.to_string()).collect();
        assert_eq!(client.texts(3).await, expected);
    }
    say(&db, 99).await;
    assert_eq!(client.texts(1).await, ["99"], "a comment arrived twice");
}

async fn say(db: &DatabaseConnection, number: i32) {
    let sql = format!("INSERT INTO comments (comment, movie_id) VALUES ('{number}', 1)");
    db.execute_unprepared(&sql).await.unwrap();
}

/// Like a lost network: the connection stays open, and nothing arrives.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_freezes_is_noticed() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    let db = database.connect().await;
    db.execute_unprepared("INSERT INTO movies (title, duration) VALUES ('Сталкер', 162)").await.unwrap();
    let server = Server::start(&["--database-url", &database.url]);
    let mut client = Client::start("ws", &server.url);
    client.wait_for("connected").await;
    say(&db, 1).await;
    assert_eq!(client.texts(1).await, ["1"]);
    server.signal("STOP");
    client.wait_for("closed 4499").await;
    say(&db, 2).await;
    server.signal("CONT");
    client.wait_for("connected").await;
    assert_eq!(client.texts(1).await, ["2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_resumes_at_its_cursor() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    let db = database.connect().await;
    db.execute_unprepared("INSERT INTO movies (title, duration) VALUES ('Сталкер', 162)").await.unwrap();
    let address = own_address().to_string();
    let server = Server::start_at(&address, &["--database-url", &database.url]);
    let (url, folder) = (server.url.clone(), tempfile::tempdir().unwrap());
    let file = folder.path().join("cursor");
    // `Movie:1`
    let args = [&url, "--subject", "TW92aWU6MQ", "--after-file", file.to_str().unwrap()];
    let mut client = Client::spawn(Client::example(&args));
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !file.exists() {
        assert!(tokio::time::Instant::now() < deadline, "the example has no cursor");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    say(&db, 1).await;
    assert_eq!(client.line().await, "somebody: 1");
    server.signal("KILL");
    drop(server);
    say(&db, 2).await;
    let server = Server::start_at(&address, &["--database-url", &database.url]);
    assert_eq!(client.line().await, "somebody: 2");
    // It stores its cursor after it prints the line.
    let kept = std::fs::read_to_string(&file).unwrap();
    say(&db, 3).await;
    assert_eq!(client.line().await, "somebody: 3");
    while std::fs::read_to_string(&file).unwrap() == kept {
        assert!(tokio::time::Instant::now() < deadline + PATIENCE, "the cursor is not stored");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(client);
    say(&db, 4).await;
    let mut client = Client::spawn(Client::example(&args));
    let line = client.line().await;
    // If it is killed between printing and storing, it repeats the comment.
    let line = if line == "somebody: 3" { client.line().await } else { line };
    assert_eq!(line, "somebody: 4");
    let refused = Client::example(&[&url, "--token", "nobody's"]).output().unwrap();
    let complaint = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && complaint.contains("Forbidden"), "{complaint}");
    drop(server);
}

/// A program that prints new comments. Killed when dropped.
struct Client {
    child: Child,
    lines: UnboundedReceiver<String>,
}

impl Drop for Client {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Client {
    fn start(protocol: &str, url: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
        assert!(
            folder.join("node_modules/graphql-ws").exists(),
            "the clients are not installed: run scripts/test, or `npm ci` in tests/conformance"
        );
        let mut node = Command::new("node");
        node.args(["listen.js", protocol, url]).current_dir(folder);
        Self::spawn(node)
    }

    /// The example `listen`, which cargo builds with the tests.
    fn example(args: &[&str]) -> Command {
        let tests = std::env::current_exe().unwrap();
        let mut listen = Command::new(tests.parent().unwrap().with_file_name("examples").join("listen"));
        listen.args(args);
        listen
    }

    fn spawn(mut program: Command) -> Self {
        let mut child = program.stdout(Stdio::piped()).spawn().unwrap_or_else(|error| {
            panic!("{program:?}: {error}: scripts/test installs and builds what the tests need")
        });
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = unbounded_channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.recv()).await;
        line.unwrap_or_else(|_| panic!("the client prints nothing")).unwrap_or_else(|| panic!("the client ended"))
    }

    async fn wait_for(&mut self, wanted: &str) {
        while self.line().await != wanted {}
    }

    /// The next texts, skipping connections.
    async fn texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        while texts.len() < count {
            let line = self.line().await;
            if line != "connected" {
                texts.push(line);
            }
        }
        texts
    }
}

/// The tested code is the code in the documentation.
#[test]
fn the_recipe_is_in_the_docs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let recipe = std::fs::read_to_string(root.join("web/src/live/resume.js")).unwrap();
    let docs = std::fs::read_to_string(root.join("docs/subscriptions.md")).unwrap();
    assert!(docs.contains(recipe.trim()), "copy web/src/live/resume.js into docs/subscriptions.md");
}
