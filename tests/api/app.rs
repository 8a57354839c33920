//! A running server with a database of its own, and a client to ask it.

use std::fmt;
use std::sync::{Arc, Mutex};

use clap::Parser;
use kinoteka::app::Application;
use kinoteka::config::Cli;
use sea_orm::{DatabaseConnection, Statement};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::database::{Backend, TestDatabase};

pub struct TestApp {
    pub database: TestDatabase,
    /// Where the server listens: `http://127.0.0.1:PORT`.
    pub origin: String,
    pub client: reqwest::Client,
    statements: Arc<Mutex<Vec<Statement>>>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<anyhow::Result<()>>,
}

/// A GraphQL answer.
#[derive(Debug)]
pub struct Answer(pub Value);

impl TestApp {
    /// A server on the demo catalogue.
    pub async fn seeded(backend: Backend) -> Self {
        Self::start(TestDatabase::seeded(backend).await, &[]).await
    }

    /// A server on `database` with further command line arguments.
    pub async fn start(database: TestDatabase, args: &[&str]) -> Self {
        let line = ["kinoteka", "--database-url", &database.url, "--listen", "127.0.0.1:0"];
        let cli = Cli::try_parse_from(line.iter().chain(args)).unwrap();
        let statements = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&statements);
        let observer = Arc::new(move |statement: &Statement| log.lock().unwrap().push(statement.clone()));
        let application = Application::build(&cli.serve, Some(observer)).await.unwrap();
        let origin = format!("http://{}", application.address().unwrap());
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(application.run(async {
            let _ = stopped.await;
        }));
        Self { database, origin, client: reqwest::Client::new(), statements, stop: Some(stop), server }
    }

    /// Asks the API.
    pub async fn query(&self, query: &str, variables: Value) -> Answer {
        let body = json!({ "query": query, "variables": variables });
        let response = self.client.post(format!("{}/graphql", self.origin)).json(&body).send().await.unwrap();
        Answer(response.json().await.unwrap())
    }

    /// Asks the API and wants data without errors.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        self.query(query, variables).await.data()
    }

    /// The SQL statements that `query` costs.
    pub async fn statements_of(&self, query: &str, variables: Value) -> Vec<String> {
        self.run(query, variables).await.into_iter().map(|statement| statement.sql).collect()
    }

    /// The same with the values that were bound, as text.
    pub async fn statements_with_values(&self, query: &str, variables: Value) -> Vec<String> {
        self.run(query, variables).await.iter().map(ToString::to_string).collect()
    }

    async fn run(&self, query: &str, variables: Value) -> Vec<Statement> {
        self.statements.lock().unwrap().clear();
        self.data(query, variables).await;
        std::mem::take(&mut *self.statements.lock().unwrap())
    }

    /// A plain connection to the same database.
    pub async fn sql(&self) -> DatabaseConnection {
        self.database.connect().await
    }

    /// Stops the server as SIGTERM would and waits for its end.
    pub async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.server.await.unwrap().unwrap();
    }
}

impl Answer {
    /// The data of an answer without errors.
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

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}
