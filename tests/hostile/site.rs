//! A server on a SQLite file of the demo, its clients, and the contents of the file.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use seeding::accounts::PASSWORD;
use serde_json::{Value, json};

use crate::process::Server;
use crate::support::client;
use crate::support::database::{Backend, TestDatabase, connect_to};

/// The time limit of a response.
const PATIENCE: Duration = Duration::from_secs(60);

pub const ADD: &str = "mutation ($id: ID!, $text: String!) {
    it: addComment(input: { subjectId: $id, text: $text }) { comment { id } errors { message } } }";

pub const SIGN_UP: &str = "mutation ($name: String!, $email: String!) {
    it: signUp(input: { username: $name, email: $email, password: \"quite a long one\", fullName: \"N\",
                        birthday: \"1990-01-01\" }) { token errors { message } } }";

/// The demo's first movie.
pub const MOVIE: &str = "TW92aWU6MQ";

/// A server, and how to restart it.
pub struct Site {
    pub server: Server,
    pub client: reqwest::Client,
    /// The program that starts it the next time.
    pub starter: Vec<String>,
    args: Vec<String>,
}

/// Copies the demo's database, with accounts, to a file.
pub async fn copy_demo(file: &Path) {
    let demo = TestDatabase::seeded_with_accounts(Backend::Sqlite).await;
    let from = demo.url.trim_start_matches("sqlite://").trim_end_matches("?mode=rwc");
    std::fs::copy(from, file).unwrap();
}

impl Site {
    /// Serves a database by `starter` and with `args`.
    pub fn start(url: &str, starter: &[String], args: &[&str]) -> Self {
        let mut all = vec!["--database-url", url, "--password-memory-kib", "64", "--password-passes", "1"];
        // One member writes all changes.
        all.extend(["--mutations-per-user", "1000000", "--signups-per-address", "1000000"]);
        all.extend(args);
        let args: Vec<_> = all.into_iter().map(str::to_owned).collect();
        let client = client::builder().timeout(PATIENCE).build().unwrap();
        Self { server: serve(starter, &args), client, starter: starter.to_vec(), args }
    }

    /// Kills the server as a crash does.
    pub fn crash(&mut self) {
        self.server.crash();
    }

    /// Restarts it after a crash.
    pub fn restart(&mut self) {
        self.server = serve(&self.starter, &self.args);
    }

    /// Runs an operation. Returns `data.it`, or the code and text of the first error.
    pub async fn ask(&self, token: Option<&str>, query: &str, variables: Value) -> Result<Value, String> {
        self.ask_keyed(token, None, query, variables).await
    }

    /// The same with an idempotency key.
    pub async fn ask_keyed(
        &self,
        token: Option<&str>,
        key: Option<&str>,
        query: &str,
        variables: Value,
    ) -> Result<Value, String> {
        let mut request = self.client.post(&self.server.url).json(&json!({ "query": query, "variables": variables }));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
        let answer: Value = answer.json().await.map_err(|error| format!("{error:?}"))?;
        match &answer["errors"][0] {
            Value::Null => Ok(answer["data"]["it"].clone()),
            error => Err(format!(
                "{} {}",
                error["extensions"]["code"].as_str().unwrap_or("?"),
                error["message"].as_str().unwrap_or("?")
            )),
        }
    }

    /// Logs a demo account in. With short timeouts, a busy machine may need several attempts.
    pub async fn log_in(&self, login: &str) -> String {
        let query = "mutation ($login: String!, $password: String!) {
            it: logIn(input: { login: $login, password: $password }) { token } }";
        let mut answer = Err(String::new());
        for _ in 0..20 {
            answer = self.ask(None, query, json!({ "login": login, "password": PASSWORD })).await;
            if !answer.as_ref().is_err_and(|error| error.starts_with("TIMEOUT ")) {
                break;
            }
        }
        answer.unwrap()["token"].as_str().unwrap().to_owned()
    }

    /// Adds a comment to the first movie. Returns its key if it was acknowledged.
    pub async fn comment(&self, token: &str, text: &str) -> Result<i64, String> {
        let it = self.ask(Some(token), ADD, json!({ "id": MOVIE, "text": text })).await?;
        let id = it["comment"]["id"].as_str().ok_or_else(|| it.to_string())?;
        Ok(key_of(id))
    }

    /// Adds a comment to a missing movie, which starts a transaction and rolls it back. The server may be too
    /// busy to report it.
    pub async fn be_refused(&self, token: &str) {
        let outcome = self.ask(Some(token), ADD, json!({ "id": "TW92aWU6OTk5OTk5", "text": "Раз" })).await;
        assert!(outcome.as_ref().map_or(true, |it| it["comment"].is_null()), "{outcome:?}");
    }

    /// Creates an account. Returns whether it was acknowledged.
    pub async fn sign_up(&self, name: &str) -> Result<(), String> {
        let email = format!("{name}@example.org");
        let it = self.ask(None, SIGN_UP, json!({ "name": name, "email": email })).await?;
        if it["token"].is_string() { Ok(()) } else { Err(it.to_string()) }
    }

    /// The response of `/readyz`.
    pub async fn ready(&self) -> (u16, String) {
        let url = self.server.url.replace("/graphql", "/readyz");
        let answer = self.client.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Waits until `/readyz` has this status.
    pub async fn wait_ready(&self, status: u16) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (now, text) = self.ready().await;
            if now == status {
                return text;
            }
            assert!(Instant::now() < deadline, "/readyz reports {now} {text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn serve(starter: &[String], args: &[String]) -> Server {
    let starter: Vec<_> = starter.iter().map(String::as_str).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let mut server = Server::start_by(&starter, &args);
    server.stop_reading();
    server
}

/// The number in a global id.
fn key_of(id: &str) -> i64 {
    use base64::Engine as _;
    let text = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(id).unwrap();
    std::str::from_utf8(&text).unwrap().rsplit_once(':').unwrap().1.parse().unwrap()
}

/// The contents of a killed server's SQLite file, read by a new connection from a copy.
pub struct Remains {
    db: DatabaseConnection,
    _folder: tempfile::TempDir,
}

impl Remains {
    /// Copies the file and its log.
    pub async fn of(file: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("kinoteka-remains-").tempdir().unwrap();
        let copy = folder.path().join("kinoteka.db");
        std::fs::copy(file, &copy).unwrap();
        let log = |file: &Path| PathBuf::from(format!("{}-wal", file.display()));
        if log(file).exists() {
            std::fs::copy(log(file), log(&copy)).unwrap();
        }
        let db = connect_to(&format!("sqlite://{}", copy.display())).await.unwrap();
        Self { db, _folder: folder }
    }

    /// The number that a statement returns.
    pub async fn count(&self, sql: &str) -> i64 {
        let row = self.db.query_one_raw(Statement::from_string(DbBackend::Sqlite, sql)).await.unwrap();
        row.unwrap().try_get_by_index(0).unwrap()
    }

    /// The missing ones of these comments.
    pub async fn missing(&self, acknowledged: &[i64]) -> Vec<i64> {
        let mut missing = Vec::new();
        for id in acknowledged {
            if self.count(&format!("SELECT count(*) FROM comments WHERE id = {id}")).await == 0 {
                missing.push(*id);
            }
        }
        missing
    }

    /// SQLite's integrity check of the file.
    pub async fn is_intact(&self) -> bool {
        let row = self.db.query_one_raw(Statement::from_string(DbBackend::Sqlite, "PRAGMA integrity_check")).await;
        row.unwrap().unwrap().try_get_by_index::<String>(0).unwrap() == "ok"
    }
}
