//! Server-sent events in graphql-sse's mode of distinct connections.

use std::time::{Duration, Instant};

use graphql::Request;
use kinoteka::http::Limits;
use kinoteka::library;
use request::subscribe::EVENT_ID_BYTES_MAX;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::{RequestBuilder, Response};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::app::TestApp;
use crate::listening::{ADDED, PERSONAL, begin_session, cursor, listen_signed_in, say, start};
use crate::movie::global_id;
use crate::support::database::Backend;
use crate::transport::{code, post, send};

on_both!(
    events_have_ids_and_resume,
    a_stream_ends_with_its_session,
    nothing_is_delivered_to_a_session_that_has_ended,
    logging_out_ends_a_stream_immediately,
);

const PATIENCE: Duration = Duration::from_secs(60);
const EVENTS: &str = "text/event-stream";

/// An event stream.
pub struct Events {
    response: Response,
    text: String,
}

/// One event: the value of each field.
#[derive(Debug, Default, PartialEq)]
struct Event {
    id: Option<String>,
    event: String,
    data: String,
}

impl Events {
    pub async fn open(request: RequestBuilder) -> Self {
        let response = request.header(ACCEPT, EVENTS).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream; charset=utf-8");
        Self { response, text: String::new() }
    }

    /// The next block (a comment or an event), or None at the end.
    pub async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(block);
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await.expect("a block must arrive in time");
            match chunk.unwrap() {
                Some(chunk) => self.text.push_str(std::str::from_utf8(&chunk).unwrap()),
                None => {
                    assert_eq!(self.text, "", "the stream must end between events");
                    return None;
                }
            }
        }
    }

    /// The next event, skipping comments.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            if block == ":" {
                continue;
            }
            let mut event = Event::default();
            for line in block.lines() {
                let (name, value) = line.split_once(':').unwrap();
                let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
                match name {
                    "id" => event.id = Some(value),
                    "event" => event.event = value,
                    "data" => event.data = value,
                    other => panic!("{other}: {value}"),
                }
            }
            return Some(event);
        }
    }

    /// The id and the text of the next comment.
    pub async fn comment(&mut self) -> (String, String) {
        let event = self.next().await.expect("the stream must continue");
        let data: Value = serde_json::from_str(&event.data).unwrap();
        let added = &data["data"]["commentAdded"];
        assert_eq!((event.event.as_str(), event.id.as_deref()), ("next", added["cursor"].as_str()), "{data}");
        (event.id.unwrap(), added["comment"]["text"].as_str().unwrap().to_owned())
    }

    /// The remaining events, each with its name and data.
    pub async fn rest(mut self) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        while let Some(Event { event, data, .. }) = self.next().await {
            events.push((event, serde_json::from_str(&data).unwrap_or_default()));
        }
        events
    }
}

fn ask(app: &TestApp, query: &str, variables: Value) -> RequestBuilder {
    post(app, json!({ "query": query, "variables": variables }).to_string())
}

/// The request of an `EventSource`.
fn get(app: &TestApp, query: &str, variables: Value) -> RequestBuilder {
    let parameters = [("query", query.to_owned()), ("variables", variables.to_string())];
    let encoded = parameters.map(|(name, value)| {
        let value: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("{name}={value}")
    });
    app.client.get(format!("{}/graphql?{}", app.origin, encoded.join("&")))
}

async fn events_have_ids_and_resume(backend: Backend) {
    let app = start(backend, &[]).await;
    let before = cursor(&app).await;
    let mut events =
        Events::open(get(&app, ADDED, json!({ "after": before })).header(ACCEPT_ENCODING, "gzip, br")).await;
    assert!(!events.response.headers().contains_key(CONTENT_ENCODING), "compression would delay events");
    assert_eq!(events.response.headers()["cache-control"], "no-store");
    assert_eq!(events.block().await.as_deref(), Some(":"), "the client immediately sees that it is connected");
    say(&app, "раз").await;
    let (first, text) = events.comment().await;
    assert_eq!(text, "раз");
    drop(events);
    say(&app, "два").await;
    // The last event id of an `EventSource` is newer than the cursor in its URL.
    let mut events = Events::open(get(&app, ADDED, json!({ "after": before })).header("last-event-id", &first)).await;
    assert_eq!(events.comment().await.1, "два");
    let mut other = Events::open(ask(&app, ADDED, json!({ "after": before }))).await;
    assert_eq!([other.comment().await.1, other.comment().await.1], ["раз", "два"]);
    say(&app, "три").await;
    assert_eq!([events.comment().await.1, other.comment().await.1], ["три", "три"]);
    // The client reconnects a stream that ends without "complete".
    let (stopped, rest, others) = tokio::join!(timeout(PATIENCE, app.stop()), events.rest(), other.rest());
    stopped.expect("the server must stop in time");
    assert_eq!((rest, others), (vec![], vec![]));
}

async fn a_stream_ends_with_its_session(backend: Backend) {
    let app = start(backend, &["--session-check-ms", "50", "--keep-alive-ms", "50"]).await;
    let signed = |token: &str| ask(&app, ADDED, json!({})).header(AUTHORIZATION, format!("Bearer {token}"));
    let (status, _, answer) = send(signed("nobody's").header(ACCEPT, EVENTS)).await;
    assert_eq!((status, code(&answer)), (401, "UNAUTHENTICATED"));
    let token = begin_session(&app).await;
    let mut events = Events::open(signed(&token)).await;
    for _ in 0..5 {
        assert_eq!(events.block().await.as_deref(), Some(":"));
    }
    let db = app.sql().await;
    db.execute_unprepared("INSERT INTO user_roles (user_id, role) VALUES (1, 'editor')").await.unwrap();
    assert_eq!(events.rest().await, [], "with other rights the client must reconnect");
    let events = Events::open(signed(&token)).await;
    db.execute_unprepared("DELETE FROM sessions").await.unwrap();
    assert_eq!(events.rest().await, []);
}

/// Another instance has ended the session, and the comment is the first event after that.
async fn nothing_is_delivered_to_a_session_that_has_ended(backend: Backend) {
    let app = start(backend, &["--session-check-ms", "1000"]).await;
    let token = begin_session(&app).await;
    let request = ask(&app, PERSONAL, json!({})).header(AUTHORIZATION, format!("Bearer {token}"));
    let mut events = Events::open(request).await;
    assert_eq!(events.block().await.as_deref(), Some(":"));
    app.sql().await.execute_unprepared("DELETE FROM sessions").await.unwrap();
    // Longer than a session is cached.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let comment = "INSERT INTO comments (user_id, comment, movie_id) VALUES (1, 'раз', 1)";
    app.sql().await.execute_unprepared(comment).await.unwrap();
    assert_eq!(events.rest().await, []);
}

async fn logging_out_ends_a_stream_immediately(backend: Backend) {
    let app = start(backend, &["--session-check-ms", "3600000"]).await;
    let token = begin_session(&app).await;
    let signed = |request: RequestBuilder| request.header(AUTHORIZATION, format!("Bearer {token}"));
    let mut events = Events::open(signed(ask(&app, PERSONAL, json!({})))).await;
    assert_eq!(events.block().await.as_deref(), Some(":"));
    let (_, _, answer) = send(signed(ask(&app, "mutation { logOut { endedSessions } }", json!({})))).await;
    assert_eq!(answer["data"]["logOut"]["endedSessions"], 1, "{answer}");
    assert_eq!(events.rest().await, []);
}

fn role() -> Value {
    json!({ "userId": global_id("User", 1), "role": "EDITOR" })
}

/// Waits until a statement waits for a lock of this table.
async fn wait_for_lock(db: &DatabaseConnection, table: &str) {
    let waits = format!("SELECT 1 AS one FROM pg_locks WHERE NOT granted AND relation = '{table}'::regclass");
    let deadline = Instant::now() + PATIENCE;
    while db.query_one_raw(Statement::from_string(DbBackend::Postgres, &waits)).await.unwrap().is_none() {
        assert!(Instant::now() < deadline, "no statement waits for {table}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The session is read, and its change announced, before the stream listens for changes.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_while_a_session_is_looked_up_is_noticed() {
    let app = start(Backend::Postgres, &["--session-check-ms", "3600000"]).await;
    let (token, admin) = (begin_session(&app).await, app.sign_in("chief", "admin").await);
    let db = app.sql().await;
    // The request has read the session and waits to record its use.
    db.execute_unprepared("UPDATE sessions SET seen_at = now() - interval '20 days' WHERE user_id = 1").await.unwrap();
    db.execute_unprepared("BEGIN; LOCK TABLE sessions IN SHARE MODE").await.unwrap();
    let request = ask(&app, PERSONAL, json!({})).header(AUTHORIZATION, format!("Bearer {token}"));
    let change = async {
        wait_for_lock(&db, "sessions").await;
        admin.done("grantRole", role(), "").await;
        db.execute_unprepared("ROLLBACK").await.unwrap();
    };
    let (events, mut socket, ()) = tokio::join!(Events::open(request), listen_signed_in(&app, &token), change);
    assert_eq!(events.rest().await, []);
    assert_eq!(socket.hear_end().await.0, 4403);
}

/// A change is announced while the token's user is not known.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_could_not_be_looked_up_is_looked_up_again() {
    let args = ["--session-check-ms", "3600000", "--lock-timeout-ms", "1000"];
    let app = start(Backend::Postgres, &args).await;
    let (token, admin) = (begin_session(&app).await, app.sign_in("chief", "admin").await);
    let request = ask(&app, PERSONAL, json!({})).header(AUTHORIZATION, format!("Bearer {token}"));
    let (mut events, mut socket) = (Events::open(request).await, listen_signed_in(&app, &token).await);
    assert_eq!(events.block().await.as_deref(), Some(":"));
    // The streams read the session after they listen, which is not visible from outside.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (sessions, roles) = (app.sql().await, app.sql().await);
    roles.execute_unprepared("BEGIN; LOCK TABLE user_roles IN SHARE MODE").await.unwrap();
    let grant = admin.done("grantRole", role(), "");
    let lock = async {
        wait_for_lock(&roles, "user_roles").await;
        sessions.execute_unprepared("BEGIN; LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE").await.unwrap();
        roles.execute_unprepared("ROLLBACK").await.unwrap();
    };
    tokio::join!(grant, lock);
    // Longer than the streams wait for the lock.
    tokio::time::sleep(Duration::from_millis(1_800)).await;
    sessions.execute_unprepared("ROLLBACK").await.unwrap();
    assert_eq!(events.rest().await, []);
    assert_eq!(socket.hear_end().await.0, 4403);
}

/// A log-in elsewhere changes nothing for the user's open sockets.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_does_not_affect_streams() {
    let app = start(Backend::Sqlite, &["--session-check-ms", "3600000"]).await;
    let anna = app.sign_up("anna", "трамвай № 47").await;
    let request = ask(&app, PERSONAL, json!({})).header(AUTHORIZATION, format!("Bearer {}", anna.token.unwrap()));
    let mut events = Events::open(request).await;
    assert_eq!(events.block().await.as_deref(), Some(":"));
    // Waits until the statements of the stream's start are over, and long enough for those of the log-in.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let input = json!({ "login": "anna", "password": "трамвай № 47" });
    let statements = app.statements_while(async || {
        app.anonymous().done("logIn", input.clone(), "token").await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    });
    let looked_up = |sql: &str| sql.contains("\"token_hash\" =");
    let found: Vec<_> = statements.await.into_iter().filter(|statement| looked_up(&statement.sql)).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn single_results_and_mistakes_are_events_too() {
    let app = start(Backend::Sqlite, &[]).await;
    let complete = || ("complete".to_owned(), Value::Null);
    let next = |data: Value| ("next".to_owned(), data);
    let events = Events::open(ask(&app, "{ __typename }", json!({}))).await.rest().await;
    assert_eq!(events, [next(json!({ "data": { "__typename": "Query" } })), complete()]);
    for (query, variables, wanted) in [
        ("{", json!({}), "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("query ($id: ID!) { movie(id: $id) { id } }", json!({}), "BAD_USER_INPUT"),
        (ADDED, json!({ "after": "?" }), "BAD_USER_INPUT"),
    ] {
        let events = Events::open(get(&app, query, variables)).await.rest().await;
        assert_eq!((events.len(), &events[1], code(&events[0].1)), (2, &complete(), wanted), "{events:?}");
        assert!(events[0].1.get("data").is_none(), "{events:?}");
    }
    // The maximum length of a cursor that was read with a list.
    let longest = ask(&app, ADDED, json!({})).header("last-event-id", "x".repeat(EVENT_ID_BYTES_MAX));
    assert_eq!(code(&Events::open(longest).await.rest().await[0].1), "BAD_USER_INPUT");
    // An invalid request gets a status and a JSON body.
    let accept = |request: RequestBuilder, accept: &str| send(request.header(ACCEPT, accept));
    for (request, wanted) in [
        (get(&app, "mutation { __typename }", json!({})), 405),
        (post(&app, "{}"), 400),
        (app.client.put(format!("{}/graphql", app.origin)), 405),
        (app.client.post(format!("{}/graphql", app.origin)).body("{}"), 415),
        (ask(&app, ADDED, json!({})).header("last-event-id", "x".repeat(EVENT_ID_BYTES_MAX + 1)), 400),
    ] {
        let (status, _, answer) = accept(request, EVENTS).await;
        assert_eq!((status, code(&answer)), (wanted, "BAD_USER_INPUT"), "{answer}");
    }
    // A client that accepts both gets the matching type.
    let both = "application/json, text/event-stream";
    let (status, headers, _) = accept(ask(&app, "{ __typename }", json!({})), both).await;
    assert_eq!((status, &headers[CONTENT_TYPE]), (200, &"application/json; charset=utf-8".parse().unwrap()));
    Events::open(ask(&app, ADDED, json!({})).header(ACCEPT, "application/json")).await;
    let (status, _, answer) = accept(ask(&app, ADDED, json!({})), "application/json").await;
    assert_eq!((status, code(&answer)), (400, "BAD_USER_INPUT"));
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("text/event-stream"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_outlives_a_requests_time() {
    let app = start(Backend::Sqlite, &["--keep-alive-ms", "200", "--request-timeout-ms", "1000"]).await;
    let mut events = Events::open(ask(&app, ADDED, json!({}))).await;
    for _ in 0..8 {
        assert_eq!(events.block().await.as_deref(), Some(":"));
    }
    say(&app, "раз").await;
    assert_eq!(events.comment().await.1, "раз");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_have_a_limit() {
    for (flags, refused, limit) in [
        (["--limit-sockets-per-client", "2"], 429, "limit-sockets-per-client"),
        (["--limit-sockets", "2"], 503, "limit-sockets"),
    ] {
        let app = start(Backend::Sqlite, &flags).await;
        let request = || ask(&app, ADDED, json!({}));
        let held = (Events::open(request()).await, Events::open(request()).await);
        let (status, headers, answer) = send(request().header(ACCEPT, EVENTS)).await;
        let extensions = &answer["errors"][0]["extensions"];
        assert_eq!((status, &extensions["limit"], &extensions["max"]), (refused, &json!(limit), &json!(2)));
        assert!(headers.contains_key("retry-after"));
        // Queries do not count, and closed streams no longer count.
        app.data("{ __typename }", json!({})).await;
        drop(held);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while request().header(ACCEPT, EVENTS).send().await.unwrap().status() != 200 {
            assert!(tokio::time::Instant::now() < deadline, "closed streams still count");
        }
    }
}

/// The memory of a stream, which includes the operation's plan and variables, has a limit.
#[tokio::test(flavor = "multi_thread")]
async fn the_memory_of_streams_has_a_limit() {
    let query = "subscription { commentAdded { cursor } }";
    let request = Request { query, operation_name: None, variables: &serde_json::Map::new() };
    let bytes = library::engine(&Limits::DEFAULT, false).unwrap().prepare(&request).unwrap().bytes();
    for (flag, refused) in [("limit-kept-bytes-per-client", 429), ("limit-kept-bytes", 503)] {
        for (max, wanted) in [(bytes - 1, refused), (bytes, 200)] {
            let app = start(Backend::Sqlite, &[&format!("--{flag}"), &max.to_string()]).await;
            let request = || ask(&app, query, json!({})).header(ACCEPT, EVENTS);
            if wanted == 200 {
                let held = Events::open(request()).await;
                assert_eq!(request().send().await.unwrap().status(), refused);
                drop(held);
                let deadline = tokio::time::Instant::now() + PATIENCE;
                while request().send().await.unwrap().status() != 200 {
                    assert!(tokio::time::Instant::now() < deadline, "closed streams still count");
                }
                continue;
            }
            let (status, _, answer) = send(request()).await;
            let extensions = &answer["errors"][0]["extensions"];
            assert_eq!((status, &extensions["limit"], &extensions["max"]), (refused, &json!(flag), &json!(max)));
        }
    }
}
