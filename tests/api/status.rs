//! `/status.json`: the state of the cluster, the servers and the database, for admins.

use std::time::{Duration, Instant};

use reqwest::Response;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::app::{TestApp, User};
use crate::patroni::Patroni;
use crate::support::client::PATIENCE;
use crate::support::database::{Backend, TestDatabase};

on_both!(status_is_for_admins, status_shows_the_available_sources);

async fn ask(app: &TestApp, user: &User) -> Response {
    let request = app.client.get(format!("{}/status.json", app.origin));
    match &user.token {
        Some(token) => request.bearer_auth(token).send().await.unwrap(),
        None => request.send().await.unwrap(),
    }
}

async fn status_is_for_admins(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let member = app.sign_in("member", "member").await;
    let editor = app.sign_in("editor", "editor").await;
    let admin = app.sign_in("admin", "admin").await;
    for (user, status, code, challenge) in [
        (&app.anonymous(), 401, "UNAUTHENTICATED", Some("Bearer")),
        (&app.bearer(0, "nobody's"), 401, "UNAUTHENTICATED", Some("Bearer error=\"invalid_token\"")),
        (&member, 403, "FORBIDDEN", None),
        (&editor, 403, "FORBIDDEN", None),
    ] {
        let refused = ask(&app, user).await;
        assert_eq!(refused.status(), status);
        assert_eq!(refused.headers().get("www-authenticate").map(|value| value.to_str().unwrap()), challenge);
        let body: Value = refused.json().await.unwrap();
        assert_eq!(body["errors"][0]["extensions"]["code"], code, "{body}");
        assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
    }
    let shown = ask(&app, &admin).await;
    assert_eq!((shown.status().as_u16(), &shown.headers()["cache-control"]), (200, &"no-store".parse().unwrap()));
    let posted = app.client.post(format!("{}/status.json", app.origin)).bearer_auth(admin.token.unwrap());
    assert_eq!(posted.send().await.unwrap().status(), 405);
    let without = TestApp::start_on(&app, &["--status", "false"]).await;
    for path in ["/status.json", "/status", "/monitoring"] {
        assert_eq!(
            without.client.get(format!("{}{path}", without.origin)).send().await.unwrap().status(),
            404,
            "{path}"
        );
    }
}

async fn status_shows_the_available_sources(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let admin = app.sign_in("admin", "admin").await;
    let shown: Value = ask(&app, &admin).await.json().await.unwrap();
    let [instance] = &shown["instances"].as_array().unwrap()[..] else { panic!("{shown}") };
    assert_eq!(format!("http://{}", instance["name"].as_str().unwrap()), app.origin);
    assert_eq!((&instance["readiness"], &instance["reason"]), (&json!("full"), &Value::Null));
    let (kind, leader) = match backend {
        Backend::Postgres => ("PostgreSQL", json!(true)),
        Backend::Sqlite => ("SQLite", Value::Null),
    };
    assert_eq!((&instance["database"], &instance["isLeaderKnown"]), (&json!(kind), &leader));
    let pools: Vec<_> = instance["pools"].as_array().unwrap().iter().map(|pool| &pool["name"]).collect();
    assert!(pools.contains(&&json!("write")), "{shown}");
    assert_eq!((&shown["cluster"], &shown["database"]), (&Value::Null, &Value::Null));
    assert_eq!((&shown["isWell"], &shown["symptoms"]), (&json!(true), &json!([])));
    let unknown: Vec<_> = shown["sources"].as_array().unwrap().iter().map(|source| &source["address"]).collect();
    assert_eq!(unknown, [&Value::Null, &Value::Null, &instance["name"]]);
}

/// The monitor's problem and remedy, with the rest of the document.
async fn monitored(url: &str) -> (String, Value) {
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &["--monitor-url", url]).await;
    let admin = app.sign_in("admin", "admin").await;
    let text = ask(&app, &admin).await.text().await.unwrap();
    assert!(!text.contains("s3cret"), "{text}");
    let shown: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(shown["instances"][0]["readiness"], "full", "the rest must be shown: {shown}");
    assert_eq!(shown["isWell"], false);
    let source = &shown["sources"][1];
    (format!("{}; {}", source["trouble"].as_str().unwrap(), source["remedy"].as_str().unwrap()), shown)
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_rights_of_the_monitor_are_named_with_the_remedy() {
    let database = TestDatabase::migrated(Backend::Postgres).await;
    let db = database.connect().await;
    let name = database.url.rsplit_once('/').unwrap().1.to_owned();
    let watcher = format!("watcher_{name}");
    db.execute_unprepared(&format!("CREATE ROLE {watcher} LOGIN")).await.unwrap();
    let url = database.url.replace("kinoteka@", &format!("{watcher}:s3cret@"));

    let (told, shown) = monitored(&url).await;
    assert!(told.contains(&format!("role {watcher} lacks pg_monitor")), "{told}");
    assert!(told.ends_with(&format!("GRANT pg_monitor TO {watcher}")), "{told}");
    assert_eq!(shown["database"]["name"], name);
    assert!(shown["database"]["connections"]["total"].as_i64().unwrap() > 0);
    assert_eq!(shown["database"]["statements"], Value::Null);

    db.execute_unprepared(&format!("GRANT pg_monitor TO {watcher}")).await.unwrap();
    let (told, _) = monitored(&url).await;
    assert!(told.contains(&format!("database {name} has no pg_stat_statements")), "{told}");
    assert!(told.contains("CREATE EXTENSION pg_stat_statements"), "{told}");

    db.execute_unprepared("CREATE EXTENSION pg_stat_statements SCHEMA public").await.unwrap();
    let (told, shown) = monitored(&url).await;
    assert!(told.contains("add it to shared_preload_libraries, and restart PostgreSQL"), "{told}");
    assert_eq!(shown["database"]["replicas"], json!([]));

    let (told, shown) = monitored("postgres://pmm:s3cret@127.0.0.1:1/kinoteka").await;
    assert!(told.contains("cannot be reached"), "{told}");
    assert_eq!(shown["database"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_patroni_is_named_and_the_rest_is_shown() {
    let args = ["--patroni-url", "http://127.0.0.1:1,http://127.0.0.1:2", "--instances", "http://127.0.0.1:3"];
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &args).await;
    let admin = app.sign_in("admin", "admin").await;
    let shown = until_symptom(&app, &admin, "InstanceDown").await;
    let trouble = shown["sources"][0]["trouble"].as_str().unwrap();
    for address in ["http://127.0.0.1:1/: ", "http://127.0.0.1:2/: "] {
        assert!(trouble.contains(address) && trouble.contains("refused"), "{trouble}");
    }
    assert_eq!(shown["sources"][0]["remedy"], "start it, or correct --patroni-url");
    assert_eq!(shown["instances"][0]["readiness"], Value::Null);
    assert_eq!(shown["cluster"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_member_is_a_symptom_until_it_recovers() {
    let patroni = Patroni::start().await;
    let args = ["--patroni-url", &patroni.address];
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &args).await;
    let admin = app.sign_in("admin", "admin").await;
    let shown: Value = ask(&app, &admin).await.json().await.unwrap();
    let cluster = &shown["cluster"];
    assert_eq!((&cluster["scope"], &cluster["systemIdentifier"]), (&json!("main"), &json!("7513551497020290584")));
    let member = &cluster["members"][1];
    assert_eq!((&member["role"], &member["state"]), (&json!("quorum_standby"), &json!("streaming")));
    assert_eq!((&member["replayLsn"], &member["replayLagBytes"]), (&json!("0/3000000"), &json!(0)));
    assert_eq!((&member["postgresVersion"], &member["host"]), (&json!("15.20"), &json!("127.0.0.12:5432")));

    patroni.change(0, |n2| n2.replayed -= 4096);
    let shown = until_symptom(&app, &admin, "ReplayStopped").await;
    assert_eq!(shown["cluster"]["members"][1]["replayLagBytes"], 4096);
    let symptom = &shown["symptoms"][0];
    assert_eq!((&symptom["subject"], &symptom["severity"]), (&json!("n2"), &json!("warning")));
    assert_eq!(symptom["guide"], "docs/monitoring.md#replaystopped");
    assert!(symptom["text"].as_str().unwrap().contains("0/2FFF000, 4.0 KiB behind"), "{symptom}");

    patroni.change(0, |n2| n2.replayed += 4096);
    patroni.change(1, |n3| n3.answers = false);
    let shown = until_symptom(&app, &admin, "MemberDown").await;
    assert_eq!(shown["symptoms"].as_array().unwrap().len(), 1, "{shown}");
    assert!(shown["cluster"]["members"][2]["silence"].as_str().unwrap().contains("502"), "{shown}");
}

/// Polls until a symptom has this name.
async fn until_symptom(app: &TestApp, admin: &User, name: &str) -> Value {
    let started = Instant::now();
    loop {
        let shown: Value = ask(app, admin).await.json().await.unwrap();
        if shown["symptoms"].as_array().unwrap().iter().any(|symptom| symptom["name"] == name) {
            return shown;
        }
        assert!(started.elapsed() < PATIENCE, "{shown}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
