//! PgBouncer between the server and PostgreSQL.

use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use seeding::accounts::PASSWORD;
use serde_json::{Value, json};

use crate::process::{Server, run};
use crate::support::address::own_address;
use crate::support::client;
use crate::support::database::{Backend, TestDatabase};
use crate::support::postgres;

/// Catches hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// PgBouncer in the foreground, with Debian's settings except for the pools. Killed when dropped.
struct Pooler {
    child: Child,
    address: SocketAddr,
    // Dropped first.
    _folder: tempfile::TempDir,
}

impl Pooler {
    fn start(database: &TestDatabase, mode: &str, more: &str) -> Self {
        let program = ["/usr/sbin/pgbouncer", "/usr/local/bin/pgbouncer", "/usr/bin/pgbouncer"]
            .into_iter()
            .find(|path| std::path::Path::new(path).exists())
            .unwrap_or_else(|| {
                panic!("PgBouncer is missing: scripts/test installs it, or `apt-get install pgbouncer`")
            });
        let (folder, address) = (tempfile::tempdir().unwrap(), own_address());
        let server = database.url.split(['@', '/', ':']).collect::<Vec<_>>();
        let [.., host, port, _] = server[..] else { panic!("{}", database.url) };
        let path = |name: &str| folder.path().join(name).display().to_string();
        let config = format!(
            "[databases]\n* = host={host} port={port}\n[pgbouncer]\nlisten_addr = {}\nlisten_port = {}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = {mode}\n{more}\n",
            address.ip(),
            address.port(),
            path("users"),
        );
        std::fs::write(path("users"), "\"kinoteka\" \"\"\n").unwrap();
        std::fs::write(path("config"), config).unwrap();
        let mut command = postgres::as_unprivileged(program.as_ref(), folder.path());
        let child = command.arg("--quiet").arg(path("config")).stderr(Stdio::null()).spawn().unwrap();
        let mut pooler = Self { child, address, _folder: folder };
        let deadline = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(address).is_err() {
            let ended = pooler.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "PgBouncer does not start: {ended:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        pooler
    }

    /// The database's URL through the pooler.
    fn url(&self, database: &TestDatabase) -> String {
        let name = database.url.rsplit('/').next().unwrap();
        format!("postgres://kinoteka@{}/{name}", self.address)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn pools_of_transactions_are_refused() {
    let database = TestDatabase::migrated(Backend::Postgres).await;
    for (mode, more) in [
        ("transaction", ""),
        // With any number of connections, and any order of them.
        ("transaction", "default_pool_size = 1"),
        ("transaction", "min_pool_size = 5\nserver_round_robin = 1"),
        ("statement", ""),
    ] {
        let pooler = Pooler::start(&database, mode, more);
        let url = pooler.url(&database);
        let read_from_pooler =
            ["serve", "--listen", "127.0.0.1:0", "--database-url", &database.url, "--database-read-url", &url];
        for command in [
            &["serve", "--listen", "127.0.0.1:0", "--database-url", &url][..],
            &read_from_pooler,
            &["migrate", "up", "--database-url", &url],
            &["migrate", "status", "--database-url", &url],
        ] {
            // While its pool fills up.
            for _ in 0..2 {
                let refused = run(command);
                let message = refused.failure();
                for word in ["transaction mode", "prepared statements", "pool_mode = session"] {
                    assert!(message.contains(word), "{mode}, {more}, {command:?}: {message}");
                }
            }
        }
    }
}

/// Mutations, queries, and notifications between instances. Polling for new comments is off.
#[tokio::test(flavor = "multi_thread")]
async fn pools_of_sessions_serve() {
    let database = TestDatabase::seeded_with_accounts(Backend::Postgres).await;
    let pooler = Pooler::start(&database, "session", "default_pool_size = 50");
    let url = pooler.url(&database);
    let status = run(&["migrate", "status", "--database-url", &url]).ok();
    assert!(status.ends_with("the database schema is current\n"), "{status}");
    let start = || Server::start(&["--database-url", &url, "--feed-poll-ms", "60000"]);
    let (one, other) = (start(), start());
    let query = json!({ "query": "subscription { commentAdded { comment { text } } }" });
    let mut heard =
        client::new().post(&other.url).header("accept", "text/event-stream").json(&query).send().await.unwrap();
    assert!(heard.status().is_success());
    let token = ask(
        &one,
        None,
        "mutation($password: String!) { it: logIn(input: { login: \"member\", password: $password }) { token } }",
        json!({ "password": PASSWORD }),
    )
    .await["token"]
        .clone();
    let add =
        "mutation($id: ID!) { it: addComment(input: { subjectId: $id, text: \"Через пул\" }) { comment { text } } }";
    let added = ask(&one, token.as_str(), add, json!({ "id": "TW92aWU6MQ" })).await;
    assert_eq!(added, json!({ "comment": { "text": "Через пул" } }));
    let hear = async {
        let mut text = String::new();
        while !text.contains("Через пул") {
            text.push_str(&String::from_utf8_lossy(&heard.chunk().await.unwrap().unwrap()));
        }
    };
    // Half the interval of polling.
    tokio::time::timeout(Duration::from_secs(30), hear).await.unwrap();
    for _ in 0..20 {
        let price = "{ it: movies(first: 5) { nodes { title availability { nodes { price } } } } }";
        assert!(ask(&other, None, price, json!({})).await["nodes"][0]["title"].is_string());
    }
}

async fn ask(server: &Server, token: Option<&str>, query: &str, variables: Value) -> Value {
    let mut request = client::new().post(&server.url).json(&json!({ "query": query, "variables": variables }));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert!(answer["errors"].is_null(), "{answer}");
    answer["data"]["it"].clone()
}
