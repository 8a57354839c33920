//! A primary, a standby, and one of our servers with a signed-in user.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use crate::front::Front;
use crate::process::Server as Kinoteka;
use crate::support::client;
use crate::support::database::connect_to;
use crate::support::postgres::Server;

/// Catches hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The time limit of reads in all situations.
pub const READ_MAX: Duration = Duration::from_secs(2);

pub const READ: &str = "{ movies(first: 1) { nodes { title } } }";
pub const VIEWER: &str = "{ viewer { username } movies(first: 1) { nodes { title } } }";

pub struct Pair {
    pub primary: Server,
    pub standby: Server,
    pub front: Front,
}

impl Pair {
    /// Starts both, with the demo catalogue.
    pub async fn start() -> Self {
        let primary = Server::start(true);
        let db = connect_to(&primary.url("postgres")).await.unwrap();
        migration::up(&db, None).await.unwrap();
        seeding::seed(&db, &seeding::SeedOptions::default(), |_: seeding::SeedEvent| {}).await.unwrap();
        db.close().await.unwrap();
        let standby = primary.standby();
        let front = Front::to(primary.address()).await;
        Self { primary, standby, front }
    }

    /// The URL of the leader.
    pub fn url(&self) -> String {
        format!("postgres://kinoteka@{}/postgres", self.front.address)
    }

    pub fn standby_url(&self) -> String {
        self.standby.url("postgres")
    }

    /// One of our servers with further arguments.
    pub fn serve(&self, args: &[&str]) -> Kinoteka {
        let (url, standby) = (self.url(), self.standby_url());
        let common = ["--database-url", &url, "--database-read-url", &standby, "--log-filter", QUIET];
        Kinoteka::start(&[&common[..], HASHING, args].concat())
    }

    /// Makes the standby the leader.
    pub fn fail_over(&self) {
        self.standby.promote();
        self.front.lead_to(self.standby.address());
    }

    /// Stops the replay of a standby.
    pub async fn pause(standby: &Server) {
        let standby = connect_to(&standby.url("postgres")).await.unwrap();
        standby.execute_unprepared("SELECT pg_wal_replay_pause()").await.unwrap();
        let state = "SELECT pg_get_wal_replay_pause_state()";
        until("the standby stands still", async || text(&standby, state).await == "paused").await;
    }

    /// Waits until the standby has caught up with the primary.
    pub async fn settle(&self) {
        let primary = connect_to(&self.primary.url("postgres")).await.unwrap();
        let standby = connect_to(&self.standby_url()).await.unwrap();
        let at = text(&primary, "SELECT pg_current_wal_flush_lsn()::text").await;
        let reached = format!("SELECT (pg_last_wal_replay_lsn() >= '{at}')::text");
        until("the standby follows", async || text(&standby, &reached).await == "true").await;
    }
}

/// Log filter without a line for each request.
const QUIET: &str = "info,sqlx=warn,sqlx_core::pool=off,kinoteka_http=warn";

pub const HASHING: &[&str] = &["--password-memory-kib", "64", "--password-passes", "1", "--lock-timeout-ms", "1000"];

/// The first value of a statement's result.
pub async fn text(db: &impl ConnectionTrait, sql: &str) -> String {
    let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

/// Waits until a condition holds.
pub async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < PATIENCE, "{what} within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A client of one of our servers.
pub struct Client {
    pub http: reqwest::Client,
    pub url: String,
    pub token: Option<String>,
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub retry_after: Option<u64>,
    pub body: Value,
    pub took: Duration,
    /// The position that the next query must see.
    pub after: Option<String>,
    pub is_stale: bool,
}

impl Answer {
    /// Whether it has data and no errors.
    pub fn is_good(&self) -> bool {
        self.status == 200 && self.body["errors"].is_null() && self.body["data"].is_object()
    }

    /// The outcome of a failed mutation.
    pub fn outcome(&self) -> &str {
        self.body["errors"][0]["extensions"]["outcome"].as_str().unwrap_or("none")
    }

    pub fn code(&self) -> &str {
        self.body["errors"][0]["extensions"]["code"].as_str().unwrap_or("none")
    }
}

impl Client {
    pub fn of(server: &Kinoteka) -> Self {
        Self { http: client::new(), url: server.url.clone(), token: None }
    }

    /// A user with a new account.
    pub async fn sign_up(server: &Kinoteka, name: &str) -> Self {
        Self::sign_up_with(server, name, None).await
    }

    /// The same with an idempotency key.
    pub async fn sign_up_with(server: &Kinoteka, name: &str, key: Option<&str>) -> Self {
        let query = "mutation($input: SignUpInput!) { it: signUp(input: $input) { token } }";
        let input = json!({ "username": name, "email": format!("{name}@example.org"), "password": "трамвай № 47",
                            "fullName": name, "birthday": "1990-02-28" });
        let body = json!({ "query": query, "variables": { "input": input } });
        let anonymous = Self::of(server);
        let answer = anonymous.send_with(body, key).await;
        let token = answer.body["data"]["it"]["token"].as_str().map(str::to_owned);
        assert!(token.is_some(), "{answer:?}");
        Self { token, ..anonymous }
    }

    /// The same from another address of this machine.
    pub fn from(&self, address: [u8; 4]) -> Self {
        let http = client::builder().local_address(std::net::IpAddr::from(address)).build().unwrap();
        Self { http, url: self.url.clone(), token: self.token.clone() }
    }

    pub async fn ask(&self, query: &str) -> Answer {
        self.send(json!({ "query": query })).await
    }

    /// Requires the query to see this position.
    pub async fn ask_after(&self, query: &str, after: Option<&str>) -> Answer {
        self.send_headed(json!({ "query": query }), "x-kinoteka-after", after).await
    }

    /// Adds a comment, which exists if the response is good.
    pub async fn comment(&self) -> Answer {
        self.add("Раз", None).await
    }

    /// Adds a comment with this text, which exists if the response is good.
    pub async fn add(&self, text: &str, key: Option<&str>) -> Answer {
        let query = "mutation($id: ID!, $text: String!) { it: addComment(input: { subjectId: $id, text: $text }) \
                     { errors { message } comment { id } } }";
        let id = kinoteka::kit::id::encode("Movie", 1);
        let body = json!({ "query": query, "variables": { "id": id, "text": text } });
        let answer = self.send_with(body, key).await;
        let problems = &answer.body["data"]["it"]["errors"];
        assert!(problems.as_array().is_none_or(Vec::is_empty), "{answer:?}");
        answer
    }

    async fn send(&self, body: Value) -> Answer {
        self.send_with(body, None).await
    }

    async fn send_with(&self, body: Value, key: Option<&str>) -> Answer {
        self.send_headed(body, "Idempotency-Key", key).await
    }

    async fn send_headed(&self, body: Value, name: &str, value: Option<&str>) -> Answer {
        let (request, started) = (self.http.post(&self.url).json(&body), Instant::now());
        let request = match value {
            Some(value) => request.header(name, value),
            None => request,
        };
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let response = request.send().await.unwrap();
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (status, retry_after) = (response.status(), header("retry-after").map(|value| value.parse().unwrap()));
        let (after, is_stale) = (header("x-kinoteka-after"), header("x-kinoteka-stale").is_some());
        let body = response.json().await.unwrap();
        Answer { status, retry_after, body, took: started.elapsed(), after, is_stale }
    }

    /// A read that must always succeed.
    pub async fn read(&self, query: &str) {
        let answer = self.ask(query).await;
        assert!(answer.is_good() && answer.took < READ_MAX, "{answer:?}");
    }

    /// Sends signed-in and anonymous reads for a while.
    pub async fn read_for(&self, time: Duration) {
        let (anonymous, started) =
            (Self { token: None, http: self.http.clone(), url: self.url.clone() }, Instant::now());
        while started.elapsed() < time {
            tokio::join!(anonymous.read(READ), self.read(VIEWER), self.read(VIEWER));
            self.ready().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The response of `/readyz`, which must arrive within a second.
    pub async fn ready(&self) -> (u16, String, String) {
        let started = Instant::now();
        let response = self.http.get(self.url.replace("/graphql", "/readyz")).send().await.unwrap();
        let state = response.headers()["x-kinoteka-state"].to_str().unwrap().to_owned();
        let found = (response.status().as_u16(), state, response.text().await.unwrap());
        assert!(started.elapsed() < Duration::from_secs(1), "{found:?} after {:?}", started.elapsed());
        found
    }

    /// Waits for a state of `/readyz`.
    pub async fn wait_for(&self, state: &str) {
        until(state, async || self.ready().await.1 == state).await;
    }

    /// A series of `/metrics`.
    pub async fn count(&self, series: &str) -> f64 {
        let text = self.http.get(self.url.replace("/graphql", "/metrics")).send().await.unwrap().text().await.unwrap();
        let line = text.lines().find(|line| line.split(' ').next() == Some(series));
        line.unwrap_or_else(|| panic!("no {series} in {text}")).rsplit(' ').next().unwrap().parse().unwrap()
    }
}
