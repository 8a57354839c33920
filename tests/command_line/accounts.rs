//! `kinoteka role` and `kinoteka user`.

use std::io::Write;
use std::process::Stdio;

use entity::{audit_log, sessions, user_roles, users};
use sea_orm::{ActiveValue::Set, DatabaseConnection, EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use crate::process::{Run, Server, command, run};
use crate::support::client;
use crate::support::database::{Backend, TestDatabase};

on_both!(roles_are_granted_and_revoked, a_reset_password_can_log_in, errors_have_remedies,);

/// Makes argon2id cheap for the tests.
const CHEAP: [&str; 4] = ["--password-memory-kib", "64", "--password-passes", "1"];

async fn add_user(db: &DatabaseConnection, username: &str) -> i32 {
    let row = users::ActiveModel {
        username: Set(username.to_owned()),
        email: Set(format!("{username}@example.org")),
        password: Set("!".to_owned()),
        fio: Set(username.to_owned()),
        birthday: Set(chrono::NaiveDate::from_ymd_opt(1990, 1, 1).unwrap()),
        ..Default::default()
    };
    users::Entity::insert(row).exec(db).await.unwrap().last_insert_id
}

async fn roles(db: &DatabaseConnection) -> Vec<(i32, String)> {
    let mut roles: Vec<_> =
        user_roles::Entity::find().all(db).await.unwrap().into_iter().map(|row| (row.user_id, row.role)).collect();
    roles.sort();
    roles
}

async fn roles_are_granted_and_revoked(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let db = database.connect().await;
    let (anna, boris) = (add_user(&db, "anna").await, add_user(&db, "boris").await);
    let role =
        |change: &str, user: &str, role: &str| run(&["role", change, user, role, "--database-url", &database.url]);
    assert_eq!(role("grant", "Anna", "admin").ok(), "granted the role to Anna\n");
    assert_eq!(role("grant", "anna", "admin").ok(), "granted the role to anna\n");
    assert_eq!(role("grant", "boris@example.org", "editor").ok(), "granted the role to boris@example.org\n");
    assert_eq!(roles(&db).await, [(anna, "admin".to_owned()), (boris, "editor".to_owned())]);
    let last = role("revoke", "anna", "admin");
    assert_eq!(last.failure(), "error: anna: this user is the last admin; grant ADMIN to another user first");
    role("grant", "boris", "admin").ok();
    assert_eq!(role("revoke", "anna", "admin").ok(), "revoked the role from anna\n");
    assert_eq!(roles(&db).await, [(boris, "admin".to_owned()), (boris, "editor".to_owned())]);
    let log = audit_log::Entity::find().all(&db).await.unwrap();
    let actions: Vec<_> = log.iter().map(|entry| (entry.action.as_str(), entry.user_id)).collect();
    assert_eq!(actions, [("grantRole", None), ("grantRole", None), ("grantRole", None), ("revokeRole", None)]);
}

fn reset(database: &TestDatabase, user: &str, input: &str) -> Run {
    let mut process = command(&["user", "reset-password", user, "--database-url", &database.url])
        .args(CHEAP)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

async fn ask(server: &Server, query: &str, variables: Value) -> Value {
    let body = json!({ "query": query, "variables": variables });
    let response = client::new().post(&server.url).json(&body).send().await.unwrap();
    response.json().await.unwrap()
}

async fn log_in(server: &Server, password: &str) -> bool {
    let query = "mutation($input: LogInInput!) { logIn(input: $input) { token errors { message } } }";
    let answer = ask(server, query, json!({ "input": { "login": "anna", "password": password } })).await;
    assert!(answer.get("errors").is_none(), "{answer:#}");
    answer["data"]["logIn"]["token"].is_string()
}

async fn a_reset_password_can_log_in(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let db = database.connect().await;
    add_user(&db, "anna").await;
    let server = Server::start(&[&["--database-url", database.url.as_str()][..], &CHEAP].concat());
    assert!(!log_in(&server, "!").await, "a seeded user cannot log in");
    let given = reset(&database, "anna", "трамвай № 47\r\nweitere Zeilen\n");
    assert_eq!(given.ok(), "anna has the new password; all sessions have ended\n");
    assert!(log_in(&server, "трамвай № 47").await);
    assert_eq!(sessions::Entity::find().count(&db).await.unwrap(), 1);
    let made = reset(&database, "ANNA@example.org", "").ok();
    let password = made.trim_end();
    assert!(password.len() >= 20 && made.lines().count() == 1, "{made}");
    assert_eq!(sessions::Entity::find().count(&db).await.unwrap(), 0);
    assert!(log_in(&server, password).await && !log_in(&server, "трамвай № 47").await);
    let log = audit_log::Entity::find().all(&db).await.unwrap();
    assert_eq!(log.len(), 2);
    assert!(!format!("{log:?}").contains(password));
}

async fn errors_have_remedies(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let db = database.connect().await;
    add_user(&db, "anna").await;
    let url = ["--database-url", &database.url];
    let unknown = run(&[&["role", "grant", "nobody", "admin"], &url[..]].concat());
    assert_eq!(unknown.failure(), "error: user \"nobody\" does not exist; use a username or an email address");
    let unknown = reset(&database, "nobody", "трамвай № 47");
    assert_eq!(unknown.failure(), "error: user \"nobody\" does not exist; use a username or an email address");
    let short = reset(&database, "anna", "1234\n");
    assert_eq!(short.failure(), "error: the password must be at least 8 characters long");
    let member = run(&[&["role", "grant", "anna", "member"], &url[..]].concat());
    assert!(member.failure().contains("editor, admin"), "{member:?}");
    let none = run(&[&["role", "revoke", "anna", "editor"], &url[..]].concat());
    assert!(none.failure().starts_with("error: anna: the user does not have this role"), "{none:?}");
    let empty = TestDatabase::empty(backend).await;
    empty.connect().await.close().await.unwrap();
    let stale = run(&["role", "grant", "anna", "admin", "--database-url", &empty.url]);
    assert!(stale.failure().contains("run `kinoteka migrate up`"), "{stale:?}");
    assert_eq!(roles(&db).await, []);
}
