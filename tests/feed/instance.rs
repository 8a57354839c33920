//! The feed of a server, without its transport.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::Parser;
use futures_util::{StreamExt, stream};
use graphql::{EngineRefusal, OperationKind, PreparedOperation, Request};
use kinoteka::budget::Budget;
use kinoteka::comment::subscription::read_root_field;
use kinoteka::config::Cli;
use kinoteka::db::Db;
use kinoteka::executor::Executor;
use kinoteka::feed::{Feed, FeedSettings, SharedExecutor};
use kinoteka::http::{Limits, request_errors};
use kinoteka::library::{self, DomainContexts};
use kinoteka::position::ReadsFrom;
use kinoteka::quota::{Quota, QuotaNames};
use kinoteka::subscribe::{End, Payloads, ResumeFrom, Subscribe, Subscription};
use kinoteka::viewer::{Caller, Role, Viewer};
use migration::connect::{PoolSettings, Timeouts};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::database::{Backend, TestDatabase};

/// Catches hangs.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub struct Instance {
    pub db: Db,
    pub feed: Feed,
    executor: Executor,
    shared: Arc<SharedExecutor>,
    statements: Arc<AtomicUsize>,
}

impl Instance {
    pub async fn start(url: &str) -> Self {
        Self::start_with(url, Timeouts { statement: PATIENCE, lock: PATIENCE }).await
    }

    /// An instance with these statement timeouts.
    pub async fn start_with(url: &str, timeouts: Timeouts) -> Self {
        let statements = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&statements);
        let pool = PoolSettings { connections_max: 4, acquire_timeout: PATIENCE };
        let count: kinoteka::db::Observer = Arc::new(move |info| {
            if info.statement.sql.contains("\"comments\"") {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        let db = Db::open(&url.parse().unwrap(), None, pool, timeouts, Some(count)).await.unwrap();
        let settings = FeedSettings { pause: Duration::from_millis(20), retention: Duration::from_secs(3_600) };
        let feed = Feed::start(&db, settings).await.unwrap();
        let executor = executor(&db, &feed);
        let shared = Arc::new(SharedExecutor::new(executor.clone(), Arc::clone(&feed.hub), read_root_field));
        Self { db, feed, executor, shared, statements }
    }

    /// Subscribes with a document.
    pub fn listen(&self, query: &str, variables: Value) -> Listener {
        self.listen_as(query, variables, None, None)
    }

    /// Subscribes after a last event id, as `EventSource` sends it, and as a user.
    pub fn listen_as(&self, query: &str, variables: Value, seen: Option<&str>, user: Option<i32>) -> Listener {
        self.listen_from(CLIENT, (query, variables), seen, user)
    }

    /// The same for a client at this address.
    pub fn listen_from(
        &self,
        client: IpAddr,
        (query, variables): (&str, Value),
        seen: Option<&str>,
        user: Option<i32>,
    ) -> Listener {
        let (shared, executor) = (Arc::clone(&self.shared), self.executor.clone());
        let asked = Asked { shared, executor, client, query: query.to_owned(), variables, user };
        let seen = seen.map(str::to_owned);
        Listener { payloads: asked.subscribe(seen.clone()), asked, seen, lags: 0 }
    }

    pub async fn ask(&self, query: &str) -> Value {
        self.ask_as(query, json!({}), None).await
    }

    /// The data of a query or a mutation.
    pub async fn ask_as(&self, query: &str, variables: Value, user: Option<i32>) -> Value {
        let prepared = prepare(&self.executor, query, &variables).unwrap();
        let mut caller = Caller::anonymous(CLIENT);
        caller.viewer = user.map(|user| Viewer { user, session: 1, role: Role::Member });
        let (contexts, budget) = (&self.executor.contexts, budget(CLIENT));
        let context = match prepared.kind() {
            OperationKind::Query => contexts.query_context(&prepared, ReadsFrom::Replicas, caller, budget),
            kind => contexts.context(kind, caller, budget),
        };
        let answer = self.executor.engine.execute(&prepared, &context, usize::MAX).await.unwrap();
        assert!(answer.errors.is_empty(), "{:?}", answer.errors);
        serde_json::from_slice::<Value>(&answer.json).unwrap()["data"].take()
    }

    /// The number of statements that have read comments.
    pub fn reads(&self) -> usize {
        self.statements.load(Ordering::Relaxed)
    }

    pub async fn stop(self) {
        self.feed.close().await;
        self.db.close().await.unwrap();
    }
}

/// The positions of the listeners.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// As in a server.
fn executor(db: &Db, feed: &Feed) -> Executor {
    let accounts = Cli::try_parse_from(["kinoteka"]).unwrap().serve.accounts;
    let backends = library::backends(db, feed, &accounts.open().unwrap(), &accounts.writes());
    let engine = Arc::new(library::engine(&Limits::DEFAULT, true).unwrap());
    let contexts = DomainContexts::new(backends);
    Executor { engine, contexts: Arc::new(contexts) }
}

fn prepare(executor: &Executor, query: &str, variables: &Value) -> Result<PreparedOperation, EngineRefusal> {
    let variables = variables.as_object().unwrap();
    executor.engine.prepare(&Request { query, operation_name: None, variables })
}

fn budget(client: IpAddr) -> Arc<Budget> {
    let names = QuotaNames { limit: "all", limit_per_client: "own", held: "are held", retry_after_s: 1 };
    Budget::new(16 << 20, Quota::new(names, 512 << 20, 128 << 20), client)
}

/// The operation of a listener.
struct Asked {
    shared: Arc<SharedExecutor>,
    executor: Executor,
    client: IpAddr,
    query: String,
    variables: Value,
    user: Option<i32>,
}

impl Asked {
    /// Subscribes as the transport does.
    fn subscribe(&self, seen: Option<String>) -> Payloads {
        let mut caller = Caller::anonymous(self.client);
        caller.viewer = self.user.map(|user| Viewer { user, session: 1, role: Role::Member });
        let prepared = match prepare(&self.executor, &self.query, &self.variables) {
            Ok(prepared) => prepared,
            Err(refusal) => return stream::iter([Err(End::Refused(request_errors(&refusal)))]).boxed(),
        };
        let resume_from = seen.map(|seen| ResumeFrom(seen.into()));
        self.shared.subscribe(Subscription { prepared, caller, budget: budget(self.client), resume_from })
    }
}

/// A subscription. Its events are buffered until they are read.
pub struct Listener {
    payloads: Payloads,
    asked: Asked,
    /// The cursor of the last event.
    seen: Option<String>,
    /// How often it was ended because it was too slow, and resumed.
    pub lags: usize,
}

impl Listener {
    /// The next result, or the reason of the end.
    pub async fn step(&mut self) -> Result<Value, End> {
        let next = timeout(PATIENCE, self.payloads.next()).await.expect("a result must arrive in time");
        let payload = next.expect("the stream must continue")?;
        let mut result: Value = serde_json::from_slice(&payload.json).unwrap();
        if let Some(id) = &payload.event_id {
            result["event_id"] = json!(**id);
            self.seen = Some(id.to_string());
        }
        Ok(result)
    }

    /// The cursor of the last event.
    pub fn cursor(&self) -> Option<&str> {
        self.seen.as_deref()
    }

    /// Resumes after it was too slow, as clients do: after its last cursor, or the first one.
    pub fn resume(&mut self) {
        assert!(self.seen.is_some() || self.asked.variables["after"].is_string(), "it has no cursor to resume from");
        self.payloads = self.asked.subscribe(self.seen.clone());
        self.lags += 1;
    }

    /// The next event, also on a slow machine.
    pub async fn event(&mut self) -> Value {
        let result = loop {
            match self.step().await {
                Ok(result) => break result,
                Err(End::Lagged) => self.resume(),
                Err(end) => panic!("{end:?}"),
            }
        };
        assert!(result.get("errors").is_none(), "{result:#}");
        let event = result["data"].as_object().unwrap().values().next().unwrap().clone();
        if let Some(cursor) = event.get("cursor") {
            assert_eq!(*cursor, result["event_id"]);
        }
        event
    }

    /// The texts of the next events' comments.
    pub async fn texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        for _ in 0..count {
            texts.push(self.event().await["comment"]["text"].as_str().unwrap().to_owned());
        }
        texts
    }

    /// Whether no event arrives in a time in which it would. A listener that was too slow resumes, and may have missed
    /// nothing.
    pub async fn is_silent(&mut self) -> bool {
        loop {
            match timeout(Duration::from_millis(300), self.payloads.next()).await {
                Err(_) => return true,
                Ok(Some(Err(End::Lagged))) => self.resume(),
                Ok(_) => return false,
            }
        }
    }

    /// The codes of the errors with which it ends.
    pub async fn refusal(&mut self) -> Vec<String> {
        match self.step().await {
            Err(End::Refused(errors)) => errors.iter().map(|error| error.code().to_owned()).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// Polls it until it waits for events.
    pub async fn settle(mut self) -> Self {
        assert!(self.is_silent().await);
        self
    }
}

/// A migrated database with two movies and a publication, and a plain connection to it.
pub async fn database(backend: Backend) -> (TestDatabase, DatabaseConnection) {
    let database = TestDatabase::migrated(backend).await;
    let db = database.connect().await;
    for statement in [
        "INSERT INTO movies (title, duration) VALUES ('Сталкер', 162), ('Зеркало', 108)",
        "INSERT INTO users (username, email, password, fio, birthday)
            VALUES ('anna', 'anna@mail.example', '!', 'Анна Орлова', '1990-05-01')",
        "INSERT INTO publications_category (title) VALUES ('Обзор')",
        "INSERT INTO publications (title, text, author, category) VALUES ('О зонах', 'Пустоты.', 1, 1)",
    ] {
        db.execute_unprepared(statement).await.unwrap();
    }
    (database, db)
}

/// Adds a comment on a movie.
pub async fn say(db: &DatabaseConnection, movie: i32, text: &str) {
    let sql = format!("INSERT INTO comments (user_id, comment, movie_id) VALUES (1, '{text}', {movie})");
    db.execute_unprepared(&sql).await.unwrap();
}
