//! Stock clients listen to new comments while the server is killed under them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::process::Server;
use crate::support::database::{Backend, TestDatabase};

on_both!(graphql_ws_loses_nothing, graphql_sse_loses_nothing);

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

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
    let server = Server::start(&["--database-url", &database.url]);
    let address = server.url.trim_start_matches("http://").trim_end_matches("/graphql").to_owned();
    let mut client = Client::start(protocol, &server.url);
    client.wait_for("cursor").await;
    // Before it has connected or after: both are behind its cursor.
    say(&db, 0).await;
    assert_eq!(client.texts(1).await, ["0"]);
    // At once, with nothing received since the connection was made; then between two comments.
    let mut server = Some(server);
    for round in 0..3 {
        let first = 1 + round * 4;
        say(&db, first).await;
        assert_eq!(client.texts(1).await, [first.to_string()]);
        let old = server.take().unwrap();
        if round == 1 {
            // Politely.
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
    assert_eq!(client.texts(1).await, ["99"], "nothing came twice");
}

async fn say(db: &DatabaseConnection, number: i32) {
    let sql = format!("INSERT INTO comments (comment, movie_id) VALUES ('{number}', 1)");
    db.execute_unprepared(&sql).await.unwrap();
}

/// The program `tests/conformance/listen.js`; killed when dropped.
struct Client {
    child: Child,
    lines: UnboundedReceiver<String>,
}

impl Drop for Client {
    fn drop(&mut self) {
        // An error says that it has ended.
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
        node.args(["listen.js", protocol, url]).current_dir(folder).stdout(Stdio::piped());
        let mut child =
            node.spawn().unwrap_or_else(|error| panic!("node: {error}: install it with `apt-get install nodejs npm`"));
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = unbounded_channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.recv()).await;
        line.unwrap_or_else(|_| panic!("the client is silent")).unwrap_or_else(|| panic!("the client ended"))
    }

    async fn wait_for(&mut self, wanted: &str) {
        while self.line().await != wanted {}
    }

    /// The next texts, with connections left out.
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

/// What the documentation recommends is what is tested here.
#[test]
fn the_recipe_is_in_the_docs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let recipe = std::fs::read_to_string(root.join("web/src/live/resume.js")).unwrap();
    let docs = std::fs::read_to_string(root.join("docs/subscriptions.md")).unwrap();
    assert!(docs.contains(recipe.trim()), "copy web/src/live/resume.js into docs/subscriptions.md");
}
