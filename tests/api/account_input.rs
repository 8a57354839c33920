//! Invalid input to the mutations of accounts gives a problem with its field or a refused request, but never an
//! internal error or partial changes.

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};

use crate::app::{TestApp, User};
use crate::bad_input::ACCOUNTS;
use crate::inputs::{self, Field, Mutation};
use crate::movie::global_id;
use crate::support::database::{Backend, TestDatabase};

on_both!(
    missing_null_and_wrong_types_are_refused,
    unusable_values_are_problems_of_their_fields,
    a_mutation_that_is_selected_twice_runs_once,
);

/// Tables that mutations write.
const TABLES: &[&str] = &[
    "audit_log",
    "awards",
    "cinema_online",
    "cinema_online_movie_presence",
    "comments",
    "film_award_nominations_registry",
    "film_award_registry",
    "movie_staff_m2m",
    "movies",
    "person_position",
    "persons",
    "publications",
    "publications_category",
    "sessions",
    "tags",
    "user_movie_orders",
    "user_roles",
    "users",
    "users_rating",
];

async fn count_rows(db: &DatabaseConnection) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in TABLES {
        let sql = format!("SELECT count(*) FROM {table}");
        let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap();
        counts.push(row.try_get_by_index(0).unwrap());
    }
    counts
}

/// The errors of a mutation, at the top level or about its input.
async fn ask(user: &User, mutation: &Mutation, input: &Value) -> Vec<(String, String)> {
    let response = user.request(&mutation.document(), json!({ "input": input })).send().await.unwrap();
    let status = response.status();
    let answer: Value = response.json().await.unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let top = list(&answer["errors"]);
    let mut found: Vec<_> =
        top.iter().map(|error| (text(&error["extensions"]["code"]), text(&error["extensions"]["field"]))).collect();
    found.extend(
        list(&answer["data"]["it"]["errors"]).iter().map(|error| (text(&error["code"]), text(&error["field"]))),
    );
    for (code, _) in &found {
        let known = ["BAD_USER_INPUT", "NOT_FOUND", "CONFLICT"].contains(&code.as_str());
        assert!(known, "{} with {input}: {status} {answer:#}", mutation.name);
    }
    found
}

/// The mutations of accounts that have an input.
async fn every_mutation(app: &TestApp) -> Vec<Mutation> {
    let mut mutations = inputs::mutations(app).await;
    mutations.retain(|mutation| ACCOUNTS.contains(&mutation.name.as_str()) && mutation.input.is_some());
    assert_eq!(mutations.len(), ACCOUNTS.len() - 2);
    mutations
}

/// A server that accepts any number of wrong passwords.
async fn patient(backend: Backend) -> TestApp {
    TestApp::start(TestDatabase::seeded(backend).await, &["--login-failures", "1000000"]).await
}

async fn missing_null_and_wrong_types_are_refused(backend: Backend) {
    let app = patient(backend).await;
    let admin = app.sign_in("chief", "admin").await;
    let db = app.sql().await;
    let before = count_rows(&db).await;
    for mutation in every_mutation(&app).await {
        let good = mutation.sample();
        let without = ask(&admin, &mutation, &Value::Null).await;
        assert_eq!(without[0].0, "BAD_USER_INPUT", "{}", mutation.name);
        for field in mutation.fields() {
            let path = format!("input.{}", field.name);
            let named = |found: &[(String, String)]| {
                found.iter().any(|(code, field)| {
                    code == "BAD_USER_INPUT" && field.trim_start_matches("variables.").starts_with(&path)
                })
            };
            let mut wrong = vec![json!({ "a": 1 })];
            match field.kind.as_str() {
                "Int" => wrong.extend([json!("x"), json!(1.5), json!(99_999_999_999_i64)]),
                "Boolean" => wrong.extend([json!("true"), json!(1)]),
                _ => wrong.push(json!(true)),
            }
            if !field.list {
                wrong.push(json!([[]]));
            }
            for value in wrong {
                let mut input = good.clone();
                input[&field.name] = value.clone();
                let found = ask(&admin, &mutation, &input).await;
                // Resolvers read custom scalars, so the error names the argument.
                let by_argument = || found.iter().any(|(code, field)| code == "BAD_USER_INPUT" && field == "input");
                assert!(named(&found) || by_argument(), "{} {path} = {value}: {found:?}", mutation.name);
            }
            if field.required {
                let mut input = good.clone();
                input[&field.name] = Value::Null;
                assert!(named(&ask(&admin, &mutation, &input).await), "{} without {path}", mutation.name);
                input.as_object_mut().unwrap().remove(&field.name);
                assert!(named(&ask(&admin, &mutation, &input).await), "{} without {path}", mutation.name);
            }
        }
        let mut unknown = good.clone();
        unknown["shoeSize"] = json!(47);
        assert_eq!(ask(&admin, &mutation, &unknown).await[0].0, "BAD_USER_INPUT", "{}", mutation.name);
    }
    assert_eq!(count_rows(&db).await, before);
}

/// Values that are invalid for every field of a kind.
fn unusable(field: &Field) -> Vec<Value> {
    let values = match field.kind.as_str() {
        "String" => vec![json!("\u{0}"), json!("a\u{0}b"), json!("\u{1b}[31m"), json!("x".repeat(300_000))],
        "ID" => vec![
            json!(""),
            json!("1"),
            json!("\u{0}"),
            json!("' OR 1=1 --"),
            json!("x".repeat(100_000)),
            json!(global_id("Nothing", 1)),
            json!(global_id("Movie", 0)),
        ],
        "Int" => vec![json!(i32::MIN), json!(i32::MAX)],
        "Date" => vec![json!("2999-01-01"), json!("2001-02-29"), json!("-0001-01-01"), json!("")],
        "Decimal" => vec![json!("-0.01"), json!("1e99"), json!("0.001"), json!("NaN"), json!("9".repeat(40))],
        _ => Vec::new(),
    };
    if field.list { values.into_iter().map(|value| json!([value])).collect() } else { values }
}

async fn unusable_values_are_problems_of_their_fields(backend: Backend) {
    let app = patient(backend).await;
    let admin = app.sign_in("chief", "admin").await;
    let db = app.sql().await;
    let before = count_rows(&db).await;
    for mutation in every_mutation(&app).await {
        let good = mutation.sample();
        for field in mutation.fields() {
            for value in unusable(field) {
                let mut input = good.clone();
                input[&field.name] = value.clone();
                let found = ask(&admin, &mutation, &input).await;
                let short: String = value.to_string().chars().take(60).collect();
                assert!(!found.is_empty(), "{} took {} = {short}", mutation.name, field.name);
                // Values that the type refuses are refused before execution. The error names the variable.
                let at_input = |(_, field): &(String, String)| {
                    let field = field.strip_prefix("variables.").unwrap_or(field);
                    field.starts_with("input") || mutation.name == "logIn"
                };
                assert!(found.iter().all(at_input), "{} {} = {short}: {found:?}", mutation.name, field.name);
            }
        }
    }
    assert_eq!(count_rows(&db).await, before);
}

async fn a_mutation_that_is_selected_twice_runs_once(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("somebody", "member").await;
    let db = app.sql().await;
    let comments = async || count_rows(&db).await[TABLES.iter().position(|table| *table == "comments").unwrap()];
    let before = comments().await;
    let add = "addComment(input: { subjectId: \"TW92aWU6MQ\", text: \"раз\" })";
    for query in [
        format!("mutation {{ {add} {{ comment {{ id }} }} {add} {{ errors {{ code }} }} }}"),
        format!("mutation {{ {add} {{ comment {{ id }} }} ... on Mutation {{ {add} {{ errors {{ code }} }} }} }}"),
        format!("mutation {{ ...F ...F }} fragment F on Mutation {{ {add} {{ comment {{ id }} }} }}"),
    ] {
        let data = user.data(&query, json!({})).await;
        assert!(data["addComment"]["comment"]["id"].is_string(), "{data}");
    }
    assert_eq!(comments().await, before + 3);
    let two = format!(
        "mutation {{ __typename one: {add} {{ errors {{ code }} }} two: {add} {{ errors {{ code }} }} __typename }}"
    );
    user.data(&two, json!({})).await;
    assert_eq!(comments().await, before + 5);
}
