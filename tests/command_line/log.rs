//! The log lines of requests and of account events.

use std::process::Stdio;

use sea_orm::EntityTrait;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::process::{Server, command};
use crate::serve::PATIENCE;
use crate::support::address::own_address;
use crate::support::client;
use crate::support::database::{Backend, TestDatabase};

on_both!(requests_are_logged_with_codes_client_and_user, accounts_have_events_and_no_secrets);

/// Makes argon2id cheap for the tests.
const CHEAP: [&str; 4] = ["--password-memory-kib", "64", "--password-passes", "1"];

async fn ask(server: &Server, token: Option<&str>, query: &str, variables: Value) -> Value {
    let request = client::new().post(&server.url).json(&json!({ "query": query, "variables": variables }));
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    request.send().await.unwrap().json().await.unwrap()
}

/// Stops a server and returns its log lines.
fn lines(server: Server) -> (Vec<Value>, String) {
    server.signal("TERM");
    let (_, log) = server.wait(PATIENCE);
    (log.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), log)
}

const SIGN_UP: &str =
    "mutation SignUp($input: SignUpInput!) { it: signUp(input: $input) { token user { id } errors { message } } }";
const LOG_IN: &str = "mutation LogIn($input: LogInInput!) { it: logIn(input: $input) { token errors { message } } }";

async fn sign_up(server: &Server, username: &str, password: &str) -> (String, String) {
    let account = json!({
        "username": username, "email": format!("{username}@example.org"), "password": password,
        "fullName": "Анна Каренина", "birthday": "1990-02-28",
    });
    let done = ask(server, None, SIGN_UP, json!({ "input": account })).await["data"]["it"].clone();
    (done["token"].as_str().unwrap().to_owned(), done["user"]["id"].as_str().unwrap().to_owned())
}

async fn requests_are_logged_with_codes_client_and_user(backend: Backend) {
    let database = TestDatabase::seeded(backend).await;
    let server = Server::start(&[&["--database-url", &database.url][..], &CHEAP].concat());
    let (token, _) = sign_up(&server, "anna", "tram number 47").await;
    for query in [
        "query Fine { viewer { username } }",
        "query Wrong { movie(id: \"banana\") { title } }",
        "query Invalid { nothing }",
        "mutation NotMine { deleteUser(input: { id: \"VXNlcjox\" }) { deletedId } }",
    ] {
        ask(&server, Some(&token), query, json!({})).await;
    }
    ask(&server, Some("no token of ours"), "query Stranger { __typename }", json!({})).await;
    for path in ["/livez", "/plain", "/nothing"] {
        client::new().get(server.url.replace("/graphql", path)).send().await.unwrap();
    }
    let (lines, log) = lines(server);
    for path in ["/livez", "/plain", "/nothing"] {
        let line = lines.iter().find(|line| line["message"] == format!("GET {path}"));
        assert!(line.is_some_and(|line| line["client"] == "127.0.0.1"), "{path}: {log}");
    }
    let requests: Vec<_> = lines.iter().filter(|line| line["message"] == "POST /graphql").collect();
    assert_eq!(requests.len(), 6, "{log}");
    let user = requests[1]["user"].as_i64().unwrap();
    for (line, (level, operation, codes, status, known)) in requests.iter().zip([
        ("INFO", "SignUp", None, 200, false),
        ("INFO", "Fine", None, 200, true),
        ("WARN", "Wrong", Some("BAD_USER_INPUT"), 200, true),
        ("WARN", "-", Some("GRAPHQL_VALIDATION_FAILED"), 200, true),
        ("WARN", "NotMine", Some("FORBIDDEN"), 200, true),
        ("WARN", "-", Some("UNAUTHENTICATED"), 401, false),
    ]) {
        assert_eq!((&line["level"], &line["operation"]), (&json!(level), &json!(operation)), "{line}");
        assert_eq!(line.get("errors").and_then(Value::as_str), codes, "{line}");
        assert_eq!((&line["status"], &line["client"]), (&json!(status), &json!("127.0.0.1")), "{line}");
        assert_eq!(line.get("user").and_then(Value::as_i64), known.then_some(user), "{line}");
        for number in ["status", "duration_ms", "statements"] {
            assert!(line[number].is_number(), "{number} in {line}");
        }
    }
}

async fn accounts_have_events_and_no_secrets(backend: Backend) {
    let database = TestDatabase::seeded(backend).await;
    let server = Server::start(&[&["--database-url", &database.url, "--login-failures", "3"][..], &CHEAP].concat());
    let url = ["--database-url", &database.url];
    let secrets =
        ["tram number 47", "tram number 48", "typed-in-the-wrong-field", "guess-one", "guess-two", "guess-three"];
    let (anna, anna_id) = sign_up(&server, "anna", secrets[0]).await;
    let (boris, _) = sign_up(&server, "boris", secrets[1]).await;
    let log_in = async |login: &str, password: &str| {
        let input = json!({ "input": { "login": login, "password": password } });
        ask(&server, None, LOG_IN, input).await["data"]["it"]["token"].as_str().map(str::to_owned)
    };
    let second = log_in("anna", secrets[0]).await.unwrap();
    assert_eq!(log_in(secrets[2], secrets[0]).await, None);
    for guess in &secrets[3..] {
        assert_eq!(log_in("boris", guess).await, None);
    }
    assert_eq!(log_in("boris", secrets[1]).await, None, "too many failures");
    let operator = |args: &[&str]| {
        let output = command(&[args, &url].concat()).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (_, granted) = operator(&["role", "grant", "anna", "admin"]);
    assert!(granted.contains("WARN a role was granted event=role_granted user="), "{granted}");
    let (made, reset) = operator(&[&["user", "reset-password", "boris"], &CHEAP[..]].concat());
    assert!(reset.contains("WARN a password was reset event=password_reset user="), "{reset}");
    assert!(made.trim().len() > 10 && !reset.contains(made.trim()), "{reset}");
    let user = entity::users::Entity::find().all(&database.connect().await).await.unwrap();
    let boris_id = user.iter().find(|user| user.username == "boris").unwrap().id;
    let boris_node = kinoteka::kit::id::encode("User", boris_id);
    for (mutation, input) in [
        ("grantRole", json!({ "userId": boris_node, "role": "EDITOR" })),
        ("revokeRole", json!({ "userId": boris_node, "role": "EDITOR" })),
        ("changePassword", json!({ "currentPassword": secrets[0], "newPassword": "tram number 49" })),
        ("deleteUser", json!({ "id": boris_node })),
    ] {
        let (first, rest) = mutation.split_at(1);
        let query = format!(
            "mutation($input: {}{rest}Input!) {{ {mutation}(input: $input) {{ errors {{ message }} }} }}",
            first.to_uppercase()
        );
        let answer = ask(&server, Some(&anna), &query, json!({ "input": input })).await;
        assert_eq!(answer["data"][mutation]["errors"], json!([]), "{answer}");
    }
    let (lines, log) = lines(server);
    let events: Vec<_> = lines.iter().filter(|line| line["event"].is_string()).collect();
    let (_, anna_key) = kinoteka::kit::id::split(&anna_id).unwrap();
    let shown: Vec<_> = events.iter().map(|line| (line["event"].as_str().unwrap(), line["user"].as_i64())).collect();
    let (a, b) = (Some(i64::from(anna_key)), Some(i64::from(boris_id)));
    let expected = [
        ("sign_up", a),
        ("sign_up", b),
        ("log_in", a),
        ("log_in_refused", None),
        ("log_in_refused", b),
        ("log_in_refused", b),
        ("log_in_refused", b),
        ("log_in_refused", None),
        ("role_granted", b),
        ("role_revoked", b),
        ("password_changed", a),
        ("account_deleted", b),
    ];
    assert_eq!(shown, expected, "{log}");
    assert_eq!((&events[8]["by"], &events[8]["role"]), (&json!(anna_key), &json!("editor")));
    assert!(events.iter().all(|line| line["client"] == "127.0.0.1" && line["request_id"].is_string()), "{log}");
    for secret in secrets.iter().copied().chain([&*anna, &boris, &second, made.trim(), "tram number 49"]) {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

/// The log on a terminal.
#[tokio::test]
async fn pretty_lines_fit_a_terminal() {
    let database = TestDatabase::seeded(Backend::Sqlite).await;
    let mut server = Server::start_as(&["--log-format", "pretty", "--database-url", &database.url]);
    let answer = ask(&server, None, "query Titles { movies(first: 2) { nodes { title } } }", json!({})).await;
    assert!(answer["data"].is_object());
    let mut line = server.read_line();
    while !line.contains("POST /graphql") {
        line = server.read_line();
    }
    assert!(line.trim_end().len() <= 120, "{line}");
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!((words[2], words[3]), ("INFO", "200"), "{line}");
    assert!(words[4].ends_with("ms") && words[5..8] == ["POST", "/graphql", "Titles"], "{line}");
    assert!(words.last().unwrap().starts_with("id="), "{line}");
}

/// The log names the cause, not the timeout of the pool.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_a_database_that_is_down() {
    let database = TestDatabase::migrated(Backend::Postgres).await;
    let (head, rest) = database.url.split_once('@').unwrap();
    let (target, name) = rest.split_once('/').unwrap();
    let own = own_address();
    let way = tokio::spawn(lead(TcpListener::bind(own).await.unwrap(), target.to_owned()));
    let mut server =
        Server::start(&["--database-url", &format!("{head}@{own}/{name}"), "--acquire-timeout-ms", "1000"]);
    assert!(ask(&server, None, "{ movies { totalCount } }", json!({})).await["data"].is_object());
    way.abort();
    assert!(way.await.unwrap_err().is_cancelled());
    let mut log = String::new();
    let told = async {
        while !(log.contains("the leader") && log.contains("the database is down, or cannot be reached")) {
            let _ = ask(&server, None, "{ movies { totalCount } }", json!({})).await;
            log.push_str(&server.read_line());
        }
    };
    client::in_time(told).await;
    let (_, rest) = lines(server);
    log.push_str(&rest);
    assert!(!log.contains("timed out"), "{log}");
    let request =
        log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).find(|line| line["status"] == 503);
    let request = request.unwrap_or_else(|| panic!("no request was refused: {log}"));
    assert_eq!((&request["level"], &request["errors"]), (&json!("WARN"), &json!("UNAVAILABLE")), "{request}");
}

/// Forwards connections to `target` until it is dropped.
async fn lead(listener: TcpListener, target: String) {
    let mut connections = JoinSet::new();
    loop {
        let (mut from, _) = listener.accept().await.unwrap();
        let target = target.clone();
        connections.spawn(async move {
            let mut to = TcpStream::connect(target).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
        });
    }
}
