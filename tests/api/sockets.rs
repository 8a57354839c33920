//! WebSockets with `graphql-transport-ws`: valid use, and violations of the protocol.

use std::time::Duration;

use entity::sessions;
use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, Statement};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::app::TestApp;
use crate::listening::{ADDED, begin_session, cursor, listen_signed_in, say, start};
use crate::movie::global_id;
use crate::socket::Socket;
use crate::support::database::Backend;

on_both!(
    comments_arrive_over_a_socket,
    operations_run_concurrently,
    sessions_are_checked_at_connect_and_later,
    nothing_is_delivered_to_a_session_that_has_ended,
    logging_out_ends_a_socket_immediately,
    a_slow_reader_is_told_to_reconnect,
    a_client_that_reads_nothing_blocks_no_others,
);

/// Catches hangs.
const PATIENCE: Duration = Duration::from_secs(60);

async fn comments_arrive_over_a_socket(backend: Backend) {
    let app = start(backend, &[]).await;
    let after = cursor(&app).await;
    let mut socket = Socket::begin(&app.origin).await;
    socket.subscribe("a\"б", ADDED, json!({ "after": after })).await;
    say(&app, "раз").await;
    say(&app, "два").await;
    let (first, cursor) = socket.hear_comment().await;
    assert_eq!((first.as_str(), socket.hear_comment().await.0.as_str()), ("раз", "два"));
    // Another socket resumes in the middle.
    let mut other = Socket::begin(&app.origin).await;
    other.subscribe("1", ADDED, json!({ "after": cursor })).await;
    assert_eq!(other.hear_comment().await.0, "два");
    // After completion its id is free again, and no more results arrive for it.
    socket.say(json!({ "type": "complete", "id": "a\"б" })).await;
    socket.subscribe("a\"б", "{ __typename }", json!({})).await;
    let message = json!({ "type": "next", "id": "a\"б", "payload": { "data": { "__typename": "Query" } } });
    assert_eq!(socket.hear().await, message);
    assert_eq!(socket.hear().await, json!({ "type": "complete", "id": "a\"б" }));
    say(&app, "три").await;
    assert_eq!(other.hear_comment().await.0, "три");
    // Listening clients are told to reconnect when the server stops.
    let (stopped, one, two) = tokio::join!(timeout(PATIENCE, app.stop()), socket.hear_end(), other.hear_end());
    stopped.expect("the server must stop in time");
    assert_eq!((one.0, two.0), (1012, 1012));
}

async fn operations_run_concurrently(backend: Backend) {
    let app = start(backend, &["--limit-socket-operations", "3"]).await;
    let after = cursor(&app).await;
    let mut socket = Socket::begin(&app.origin).await;
    for id in ["1", "2"] {
        socket.subscribe(id, ADDED, json!({ "after": after })).await;
    }
    socket.subscribe("3", "{ movies { totalCount } }", json!({})).await;
    let mut heard = vec![socket.hear().await, socket.hear().await];
    heard.retain(|message| message["id"] == "3");
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert_eq!(heard[0]["payload"]["data"]["movies"]["totalCount"], 1);
    say(&app, "всем").await;
    let mut ids = vec![socket.hear().await["id"].clone(), socket.hear().await["id"].clone()];
    ids.sort_by_key(Value::to_string);
    assert_eq!(ids, ["1", "2"]);
    // An invalid operation ends, but not its socket.
    for (query, variables, code) in [
        ("subscription { nothing }", json!({}), "VALIDATION"),
        (ADDED, json!({ "after": "?" }), "BAD_USER_INPUT"),
        ("{", json!({}), "PARSE"),
    ] {
        socket.subscribe("4", query, variables).await;
        let message = socket.hear().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("4")), "{message}");
        let found = message["payload"][0]["extensions"]["code"].as_str().unwrap_or("none").to_owned();
        assert!(found.contains(code), "{message}");
    }
    socket.subscribe("5", ADDED, json!({ "after": after })).await;
    socket.hear_comment().await;
    socket.subscribe("6", "{ __typename }", json!({})).await;
    let message = socket.hear().await;
    assert_eq!(message["payload"][0]["extensions"]["code"], "RATE_LIMITED", "{message}");
}

/// JSON with invalid values does not violate the protocol.
#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_variable_only_ends_its_operation() {
    let app = start(Backend::Sqlite, &[]).await;
    let mut socket = Socket::begin(&app.origin).await;
    socket.subscribe("1", ADDED, json!({ "after": cursor(&app).await })).await;
    let nested = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for (odd, limit) in
        [("\"\\ud83d\"", None), ("1e400", None), ("{\"a\": 1, \"a\": 1}", None), (&nested, Some("limit-nesting"))]
    {
        let payload =
            format!(r#"{{"query": "query($a: ID) {{ movie(id: $a) {{ id }} }}", "variables": {{"a": {odd}}}}}"#);
        socket.send(Message::text(format!(r#"{{"type": "subscribe", "id": "2", "payload": {payload}}}"#))).await;
        let message = socket.hear().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("2")), "{message}");
        let error = &message["payload"][0];
        assert_eq!(
            (&error["extensions"]["code"], &error["extensions"]["limit"]),
            (&json!("BAD_USER_INPUT"), &json!(limit))
        );
        assert!(!error["message"].as_str().unwrap().contains("not valid JSON"), "{message}");
    }
    say(&app, "раз").await;
    assert_eq!(socket.hear_comment().await.0, "раз");
}

async fn sessions_are_checked_at_connect_and_later(backend: Backend) {
    let app = start(backend, &["--session-check-ms", "50"]).await;
    let mut socket = Socket::open(&app.origin).await;
    socket.say(json!({ "type": "connection_init", "payload": { "token": "nobody's" } })).await;
    assert_eq!(socket.hear_end().await.0, 4403);
    let token = begin_session(&app).await;
    let db = app.sql().await;
    let end_at = async |time: chrono::DateTime<chrono::Utc>| {
        let ended = Expr::value(time.fixed_offset());
        let rows = sessions::Entity::update_many().col_expr(sessions::Column::ExpiresAt, ended);
        rows.exec(&db).await.unwrap();
    };
    let now = kinoteka::clock::now();
    end_at(now - chrono::TimeDelta::seconds(1)).await;
    for payload in [json!({ "token": token }), json!({ "Authorization": format!("Bearer {token}") })] {
        let mut socket = Socket::open(&app.origin).await;
        socket.say(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.hear_end().await, (4403, "Forbidden".to_owned()));
    }
    end_at(now + chrono::TimeDelta::hours(1)).await;
    for payload in [json!({ "token": token }), json!({ "Authorization": format!("Bearer {token}") })] {
        let mut socket = Socket::open(&app.origin).await;
        socket.init(payload).await;
        let add = "mutation ($input: AddCommentInput!) { addComment(input: $input) {
            comment { author { username } } errors { message } } }";
        let input = json!({ "subjectId": global_id("Movie", 1), "text": "Смотрела дважды" });
        socket.subscribe("1", add, json!({ "input": input })).await;
        let message = socket.hear().await;
        assert_eq!(message["payload"]["data"]["addComment"]["comment"]["author"]["username"], "olga", "{message}");
    }
    let mut socket = Socket::sign_in(&app.origin, &token).await;
    socket.subscribe("1", ADDED, json!({})).await;
    app.sql().await.execute_unprepared("DELETE FROM sessions").await.unwrap();
    assert_eq!(socket.hear_end().await.0, 4403);
}

/// Another instance has ended it.
async fn nothing_is_delivered_to_a_session_that_has_ended(backend: Backend) {
    let app = start(backend, &["--session-check-ms", "1000"]).await;
    let token = begin_session(&app).await;
    let mut socket = listen_signed_in(&app, &token).await;
    app.sql().await.execute_unprepared("DELETE FROM sessions").await.unwrap();
    // Longer than a session is cached.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let comment = "INSERT INTO comments (user_id, comment, movie_id) VALUES (1, 'раз', 1)";
    app.sql().await.execute_unprepared(comment).await.unwrap();
    let Message::Close(Some(frame)) = socket.next().await else { panic!("something was delivered") };
    assert_eq!(u16::from(frame.code), 4403);
}

/// A log-out over a socket still gets its response.
async fn logging_out_ends_a_socket_immediately(backend: Backend) {
    let app = start(backend, &["--session-check-ms", "3600000"]).await;
    let token = begin_session(&app).await;
    let (mut socket, mut other) = (listen_signed_in(&app, &token).await, listen_signed_in(&app, &token).await);
    socket.subscribe("2", "mutation { logOut { endedSessions } }", json!({})).await;
    assert_eq!(socket.hear().await["payload"]["data"]["logOut"]["endedSessions"], 1);
    assert_eq!(socket.hear().await, json!({ "type": "complete", "id": "2" }));
    assert_eq!((socket.hear_end().await.0, other.hear_end().await.0), (4403, 4403));
}

async fn a_slow_reader_is_told_to_reconnect(backend: Backend) {
    let app = start(backend, &[]).await;
    let after = cursor(&app).await;
    let mut socket = Socket::begin_slow(&app.origin).await;
    let mut quick = Socket::begin(&app.origin).await;
    socket.subscribe("1", ADDED, json!({ "after": after })).await;
    quick.subscribe("1", ADDED, json!({ "after": after })).await;
    // More than the buffers of the operating system hold.
    let rows = vec![format!("('{}', 1)", "x".repeat(40_000)); 50].join(", ");
    let db = app.sql().await;
    for _ in 0..10 {
        // After some comments both have joined their group, unless the machine is too busy.
        for number in 0..5 {
            let text = format!("начало {number}");
            say(&app, &text).await;
            assert_eq!(socket.hear_comment().await.0, text);
            assert_eq!(quick.hear_comment().await.0, text);
        }
        for _ in 0..12 {
            db.execute_unprepared(&format!("INSERT INTO comments (comment, movie_id) VALUES {rows}")).await.unwrap();
            for _ in 0..50 {
                quick.hear_comment().await;
            }
        }
        let mut left = 12 * 50;
        while left > 0 {
            match socket.next().await {
                Message::Text(_) => left -= 1,
                Message::Close(frame) => {
                    assert_eq!(u16::from(frame.unwrap().code), 1013);
                    return;
                }
                _ => {}
            }
        }
        // It was still catching up at its own pace, and has read everything.
    }
    // If the events arrive in few large deliveries, as PostgreSQL may return them, it keeps up and is not disconnected.
    assert_eq!(backend, Backend::Postgres, "it is not disconnected");
}

/// Its operations finish and free what others wait for.
async fn a_client_that_reads_nothing_blocks_no_others(backend: Backend) {
    let app = start(backend, &["--database-connections", "1"]).await;
    let rows = vec![format!("('{}', 1)", "x".repeat(40_000)); 100].join(", ");
    let db = app.sql().await;
    db.execute_unprepared(&format!("INSERT INTO comments (comment, movie_id) VALUES {rows}")).await.unwrap();
    let mut socket = Socket::begin(&app.origin).await;
    let query = "query ($id: ID!) { movie(id: $id) { comments(first: 100) { nodes { text } } } }";
    for number in 0..20 {
        socket.subscribe(&number.to_string(), query, json!({ "id": "TW92aWU6MQ" })).await;
    }
    for _ in 0..3 {
        app.query("{ movies(first: 1) { totalCount } }", json!({})).await.data();
    }
}

/// A listening socket has a running mutation when the server is told to stop.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_responds_to_a_mutation() {
    let app = start(Backend::Postgres, &[]).await;
    let token = begin_session(&app).await;
    let after = cursor(&app).await;
    let mut socket = Socket::sign_in(&app.origin, &token).await;
    socket.subscribe("1", ADDED, json!({ "after": after })).await;
    say(&app, "раз").await;
    assert_eq!(socket.hear_comment().await.0, "раз");
    let (holder, db) = (app.sql().await, app.sql().await);
    holder.execute_unprepared("BEGIN; LOCK TABLE comments IN SHARE MODE").await.unwrap();
    let add = "mutation ($input: AddCommentInput!) { addComment(input: $input) { comment { text } } }";
    let input = json!({ "subjectId": global_id("Movie", 1), "text": "На прощание" });
    socket.subscribe("2", add, json!({ "input": input })).await;
    let waits = "SELECT 1 AS one FROM pg_locks WHERE NOT granted AND relation = 'comments'::regclass";
    let begun = std::time::Instant::now();
    while db.query_one_raw(Statement::from_string(DbBackend::Postgres, waits)).await.unwrap().is_none() {
        assert!(begun.elapsed() < PATIENCE, "the mutation must wait for the table");
    }
    let address = app.origin.trim_start_matches("http://").to_owned();
    let stopped = tokio::spawn(app.stop());
    // The server no longer listens when connections are refused.
    while TcpStream::connect(&address).await.is_ok() {
        assert!(begun.elapsed() < PATIENCE, "the server must stop");
    }
    holder.execute_unprepared("COMMIT").await.unwrap();
    let message = socket.hear().await;
    assert_eq!(message["payload"]["data"]["addComment"]["comment"]["text"], "На прощание", "{message}");
    assert_eq!(socket.hear_end().await.0, 1012);
    timeout(PATIENCE, stopped).await.expect("the server must stop in time").unwrap();
}

/// For clients, an error is final. A listener without a free slot waits, and is then told to reconnect.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_makes_listeners_wait() {
    let app = start(Backend::Postgres, &["--limit-requests", "1", "--request-timeout-ms", "3000"]).await;
    let after = cursor(&app).await;
    let holder = app.sql().await;
    holder.execute_unprepared("BEGIN; LOCK TABLE movies IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let hanging = "{ movies { totalCount } }";
    let mut socket = Socket::begin(&app.origin).await;
    socket.subscribe("1", hanging, json!({})).await;
    socket.subscribe("2", ADDED, json!({ "after": after })).await;
    holder.execute_unprepared("COMMIT").await.unwrap();
    assert_eq!(socket.hear().await["id"], "1");
    assert_eq!(socket.hear().await["type"], "complete");
    say(&app, "раз").await;
    assert_eq!(socket.hear_comment().await.0, "раз");
    // The first uses all its time, the second starts then, and the third has waited too long.
    holder.execute_unprepared("BEGIN; LOCK TABLE movies IN ACCESS EXCLUSIVE MODE").await.unwrap();
    for id in ["3", "4", "5"] {
        socket.subscribe(id, hanging, json!({})).await;
    }
    let (code, reason) = socket.hear_end().await;
    assert_eq!(code, 1013, "{reason}");
    assert!(reason.contains("try again"), "{reason}");
}

async fn closes(app: &TestApp, init: bool, message: Message) -> (u16, String) {
    let mut socket = if init { Socket::begin(&app.origin).await } else { Socket::open(&app.origin).await };
    socket.send(message).await;
    socket.hear_end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn violations_of_the_protocol_close_the_socket() {
    let app = start(Backend::Sqlite, &["--limit-message-bytes", "2000"]).await;
    let text = |value: Value| Message::text(value.to_string());
    let subscribe = json!({ "type": "subscribe", "id": "1", "payload": { "query": ADDED } });
    for (init, message, code, part) in [
        (true, Message::text("{"), 4400, "JSON"),
        (true, text(json!({ "type": "start" })), 4400, "start"),
        (true, text(json!({ "type": "subscribe", "id": "1" })), 4400, "payload"),
        (true, Message::binary(vec![1]), 4400, "binary"),
        (false, text(json!({ "type": "connection_init", "payload": 1 })), 4400, "object"),
        (false, text(json!({ "type": "connection_init", "payload": { "token": 1 } })), 4400, "token"),
        (false, text(subscribe.clone()), 4401, "Unauthorized"),
        (true, text(json!({ "type": "connection_init" })), 4429, "Too many initialisation requests"),
        (true, Message::text("x".repeat(2_001)), 1009, "2000 bytes"),
    ] {
        let (found, reason) = closes(&app, init, message.clone()).await;
        assert!(found == code && reason.contains(part), "{message}: {found} {reason}");
    }
    let mut socket = Socket::begin(&app.origin).await;
    socket.say(subscribe.clone()).await;
    socket.say(subscribe).await;
    assert_eq!(socket.hear_end().await, (4409, "Subscriber for 1 already exists".to_owned()));
    let mut socket = Socket::try_open(Socket::request(&app.origin)).await.unwrap();
    assert_eq!(socket.hear_end().await, (4406, "Subprotocol not acceptable".to_owned()));
    // The server still works.
    Socket::begin(&app.origin).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_sockets_are_closed() {
    let app = start(Backend::Sqlite, &["--init-timeout-ms", "100"]).await;
    let mut socket = Socket::open(&app.origin).await;
    assert_eq!(socket.hear_end().await.0, 4408);
    // Clients that must send in time get more time, since the machine may be busy.
    let app = start(Backend::Sqlite, &["--keep-alive-ms", "1000"]).await;
    // A client that answers pings stays connected, and can send pings itself.
    let mut socket = Socket::begin(&app.origin).await;
    for _ in 0..3 {
        assert!(matches!(socket.next().await, Message::Ping(_)));
    }
    socket.say(json!({ "type": "ping", "payload": { "a": [1] } })).await;
    assert_eq!(socket.hear().await, json!({ "type": "pong", "payload": { "a": [1] } }));
    socket.say(json!({ "type": "ping" })).await;
    assert_eq!(socket.hear().await, json!({ "type": "pong" }));
    drop(socket);
    // A client that does not answer is disconnected.
    let dead = Socket::begin(&app.origin).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let metrics = app.client.get(format!("{}/metrics", app.origin)).send().await.unwrap().text().await.unwrap();
        if metrics.lines().any(|line| line.contains("sockets_closed") && line.contains("end=\"lost\"")) {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{metrics}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(dead);
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_are_for_own_pages_and_limited() {
    let app = start(
        Backend::Sqlite,
        &["--limit-sockets-per-client", "2", "--limit-sockets", "2", "--cors-origins", "https://films.example"],
    )
    .await;
    let status = async |request: ClientRequestBuilder| match Socket::try_open(request).await {
        Ok(socket) => {
            drop(socket);
            101
        }
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    };
    let from = |origin: &str| Socket::proper_request(&app.origin).with_header("origin", origin);
    assert_eq!(status(from("https://evil.example")).await, 403);
    assert_eq!(status(from("https://films.example")).await, 101);
    assert_eq!(status(from(&app.origin)).await, 101);
    // Slots are free again some time after their clients have disconnected.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let (one, two) = loop {
        let open = || Socket::try_open(Socket::proper_request(&app.origin));
        if let (Ok(one), Ok(two)) = (open().await, open().await) {
            break (one, two);
        }
        assert!(tokio::time::Instant::now() < deadline, "no slot becomes free");
    };
    let refused = status(Socket::request(&app.origin)).await;
    assert!([429, 503].contains(&refused), "{refused}");
    drop((one, two));
}
