//! A running server with its own database, and a client.

use std::fmt;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, NaiveDate};
use clap::Parser;
use kinoteka::app::Application;
use kinoteka::config::Cli;
use sea_orm::sea_query::OnConflict;
use sea_orm::{DatabaseConnection, EntityTrait, Set, Statement};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::client;
use crate::support::database::{Backend, TestDatabase};

pub struct TestApp {
    pub database: Arc<TestDatabase>,
    /// The server's origin: `http://127.0.0.1:PORT`.
    pub origin: String,
    pub client: reqwest::Client,
    statements: Arc<Mutex<Vec<Statement>>>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<anyhow::Result<()>>,
}

/// A server's address, the log of its statements, its stop signal and its task.
type Running = (String, Arc<Mutex<Vec<Statement>>>, oneshot::Sender<()>, JoinHandle<anyhow::Result<()>>);

/// A GraphQL response.
#[derive(Debug)]
pub struct GraphqlResponse(pub Value);

impl TestApp {
    /// A server on the demo catalogue.
    pub async fn seeded(backend: Backend) -> Self {
        Self::start(TestDatabase::seeded(backend).await, &[]).await
    }

    /// A server on `database` with further command line arguments.
    pub async fn start(database: TestDatabase, args: &[&str]) -> Self {
        let (origin, statements, stop, server) = Self::serve(&database.url, args).await;
        Self { database: Arc::new(database), origin, client: client::new(), statements, stop: Some(stop), server }
    }

    /// Another server on the same database.
    pub async fn start_on(other: &Self, args: &[&str]) -> Self {
        let (origin, statements, stop, server) = Self::serve(&other.database.url, args).await;
        let database = Arc::clone(&other.database);
        Self { database, origin, client: client::new(), statements, stop: Some(stop), server }
    }

    async fn serve(url: &str, args: &[&str]) -> Running {
        let mut line = vec!["kinoteka", "--database-url", url, "--listen", "127.0.0.1:0"];
        // Hashing is slow on purpose, and most tests do not need it.
        if !args.contains(&"--password-memory-kib") {
            line.extend(["--password-memory-kib", "64", "--password-passes", "1"]);
        }
        // All clients of a test have the same address.
        if !args.contains(&"--signups-per-address") {
            line.extend(["--signups-per-address", "1000000"]);
        }
        let cli = Cli::try_parse_from(line.iter().chain(args)).unwrap();
        let statements = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&statements);
        let observer = Arc::new(move |statement: &Statement| {
            // Without the server's background statements.
            if kinoteka::telemetry::request_id().is_some() {
                log.lock().unwrap().push(statement.clone());
            }
        });
        let application = Application::build(&cli.serve, Some(observer)).await.unwrap();
        let origin = format!("http://{}", application.address().unwrap());
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(application.run(async {
            let _ = stopped.await;
        }));
        (origin, statements, stop, server)
    }

    /// Sends a query.
    pub async fn query(&self, query: &str, variables: Value) -> GraphqlResponse {
        self.anonymous().query(query, variables).await
    }

    /// Sends a query, which must succeed, and returns its data.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        self.query(query, variables).await.data()
    }

    /// A signed-in user with a new account and this role. Inserts the rows of a sign-up, without its
    /// cost.
    pub async fn sign_in(&self, username: &str, role: &str) -> User {
        let db = self.sql().await;
        let user = entity::users::ActiveModel {
            username: Set(username.to_owned()),
            email: Set(format!("{username}@example.org")),
            password: Set("!".to_owned()),
            fio: Set(username.to_owned()),
            birthday: Set(NaiveDate::from_ymd_opt(1990, 1, 1).unwrap()),
            ..Default::default()
        };
        let id = entity::users::Entity::insert(user).exec(&db).await.unwrap().last_insert_id;
        if role != "member" {
            let role = entity::user_roles::ActiveModel {
                user_id: Set(id),
                role: Set(role.to_owned()),
                granted_at: Set(DateTime::from_timestamp(1_700_000_000, 0).unwrap().fixed_offset()),
            };
            entity::user_roles::Entity::insert(role).exec_without_returning(&db).await.unwrap();
        }
        self.sign_in_as(id).await
    }

    /// An existing user, with a session that no request needs to extend.
    pub async fn sign_in_as(&self, id: i32) -> User {
        let token = format!("token of user {id}");
        let begun = DateTime::from_timestamp(4_000_000_000, 0).unwrap().fixed_offset();
        let session = entity::sessions::ActiveModel {
            user_id: Set(id),
            token_hash: Set(Sha256::digest(token.as_bytes()).to_vec()),
            created_at: Set(begun),
            seen_at: Set(begun),
            expires_at: Set(begun),
            ..Default::default()
        };
        let once = OnConflict::column(entity::sessions::Column::TokenHash)
            .update_column(entity::sessions::Column::SeenAt)
            .to_owned();
        entity::sessions::Entity::insert(session).on_conflict(once).exec(&self.sql().await).await.unwrap();
        self.bearer(id, &token)
    }

    /// The user with this key and token.
    pub fn bearer(&self, id: i32, token: &str) -> User {
        User { id, token: Some(token.to_owned()), ..self.anonymous() }
    }

    /// An anonymous client.
    pub fn anonymous(&self) -> User {
        User { id: 0, endpoint: format!("{}/graphql", self.origin), token: None, client: self.client.clone() }
    }

    /// Creates an account through the API.
    pub async fn sign_up(&self, username: &str, password: &str) -> User {
        let done = self.anonymous().done("signUp", new_account(username, password), "token user { id }").await;
        let (_, id) = kinoteka::kit::id::split(done["user"]["id"].as_str().unwrap()).unwrap();
        self.bearer(id, done["token"].as_str().unwrap())
    }

    /// The SQL statements of `query`.
    pub async fn statements_of(&self, query: &str, variables: Value) -> Vec<String> {
        self.run(query, variables).await.into_iter().map(|statement| statement.sql).collect()
    }

    /// The same, with the bound values as text.
    pub async fn statements_with_values(&self, query: &str, variables: Value) -> Vec<String> {
        self.run(query, variables).await.iter().map(ToString::to_string).collect()
    }

    async fn run(&self, query: &str, variables: Value) -> Vec<Statement> {
        self.statements_while(async || drop(self.data(query, variables.clone()).await)).await
    }

    /// The SQL statements that run during `work`.
    pub async fn statements_while(&self, work: impl AsyncFn()) -> Vec<Statement> {
        self.statements.lock().unwrap().clear();
        work().await;
        std::mem::take(&mut *self.statements.lock().unwrap())
    }

    /// A plain connection to the same database.
    pub async fn sql(&self) -> DatabaseConnection {
        self.database.connect().await
    }

    /// Stops the server as SIGTERM does, and waits for its end.
    pub async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.server.await.unwrap().unwrap();
    }
}

/// The input of a sign-up.
pub fn new_account(username: &str, password: &str) -> Value {
    json!({
        "username": username, "email": format!("{username}@example.org"), "password": password,
        "fullName": "Анна Каренина", "birthday": "1990-02-28",
    })
}

/// A signed-in user, or an anonymous client.
#[derive(Clone)]
pub struct User {
    /// The key of the account.
    pub id: i32,
    endpoint: String,
    pub token: Option<String>,
    client: reqwest::Client,
}

impl User {
    /// Sends a query.
    pub async fn query(&self, query: &str, variables: Value) -> GraphqlResponse {
        let response = self.request(query, variables).send().await.unwrap();
        let answer = response.text().await.unwrap();
        GraphqlResponse(serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}")))
    }

    /// A request to which headers can be added.
    pub fn request(&self, query: &str, variables: Value) -> reqwest::RequestBuilder {
        let body = json!({ "query": query, "variables": variables });
        let request = self.client.post(&self.endpoint).json(&body);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a query, which must succeed, and returns its data.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        self.query(query, variables).await.data()
    }

    /// Sends a mutation with one input, whose type has the mutation's name.
    pub async fn send(&self, mutation: &str, input: Value, selection: &str) -> GraphqlResponse {
        self.query(&mutation_of(mutation, selection), json!({ "input": input })).await
    }

    /// The same, with an idempotency key.
    pub async fn send_keyed(&self, key: &str, mutation: &str, input: Value, selection: &str) -> GraphqlResponse {
        let request = self.request(&mutation_of(mutation, selection), json!({ "input": input }));
        GraphqlResponse(request.header("idempotency-key", key).send().await.unwrap().json().await.unwrap())
    }

    /// The payload of a mutation without errors.
    pub async fn done(&self, mutation: &str, input: Value, selection: &str) -> Value {
        let data = self.send(mutation, input, selection).await.data();
        assert_eq!(data["it"]["errors"], json!([]), "{mutation}");
        data["it"].clone()
    }

    /// `CODE field: message` of each problem with the mutation's input.
    pub async fn refused(&self, mutation: &str, input: Value) -> Vec<String> {
        self.send(mutation, input, "").await.problems()
    }
}

/// A mutation with one input, whose type has the mutation's name; its payload is `it`.
fn mutation_of(mutation: &str, selection: &str) -> String {
    let (first, rest) = mutation.split_at(1);
    let ty = format!("{}{rest}Input", first.to_uppercase());
    format!(
        "mutation($input: {ty}!) {{ it: {mutation}(input: $input) {{ {selection} errors {{ code field message }} }} }}"
    )
}

impl GraphqlResponse {
    /// `CODE field: message` of each problem in the payload `it`.
    pub fn problems(&self) -> Vec<String> {
        let errors = self.0["data"]["it"]["errors"].as_array().unwrap_or_else(|| panic!("no payload in {self}"));
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let show =
            |error: &Value| format!("{} {}: {}", text(&error["code"]), text(&error["field"]), text(&error["message"]));
        errors.iter().map(show).collect()
    }

    /// The data of a response without errors.
    pub fn data(self) -> Value {
        assert!(self.0.get("errors").is_none(), "{self}");
        self.0["data"].clone()
    }

    /// `CODE message` of each error.
    pub fn errors(&self) -> Vec<String> {
        let errors = self.0["errors"].as_array().unwrap_or_else(|| panic!("no errors in {self}"));
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        errors
            .iter()
            .map(|error| format!("{} {}", text(&error["extensions"]["code"]), text(&error["message"])))
            .collect()
    }
}

impl fmt::Display for GraphqlResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}
