//! The machine-readable reasons of problems.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::app::{TestApp, User, new_account};
use crate::movie::global_id;
use crate::support::database::{Backend, TestDatabase};

on_both!(invalid_input_has_reasons_with_their_bounds, outcomes_of_older_versions_have_a_reason_too,);

/// `REASON field min max` of each problem.
async fn reasons(user: &User, mutation: &str, input: Value) -> Vec<String> {
    let (first, rest) = mutation.split_at(1);
    let query = format!(
        "mutation($input: {}{rest}Input!) {{ it: {mutation}(input: $input) {{ errors {{ reason field min max }} }} }}",
        first.to_uppercase()
    );
    let data = user.data(&query, json!({ "input": input })).await;
    let show = |error: &Value| {
        let text = |name: &str| match &error[name] {
            Value::String(text) => text.trim_start_matches("input.").to_owned(),
            other => other.to_string(),
        };
        format!("{} {} {} {}", text("reason"), text("field"), text("min"), text("max"))
    };
    data["it"]["errors"].as_array().unwrap().iter().map(show).collect()
}

fn account_with(field: &str, value: &str) -> Value {
    let mut account = new_account("vronsky", "tram number 47");
    account[field] = json!(value);
    account
}

fn publication(tags: &[&str]) -> Value {
    json!({ "title": "Раз", "text": "Два", "categoryId": global_id("PublicationCategory", 1), "tags": tags })
}

async fn invalid_input_has_reasons_with_their_bounds(backend: Backend) {
    let app = TestApp::start(TestDatabase::seeded(backend).await, &["--login-failures", "1000000"]).await;
    let (nobody, anna) = (app.anonymous(), app.sign_up("karenina", "tram number 47").await);
    let (editor, admin) = (app.sign_in("redactor", "editor").await, app.sign_in("chief", "admin").await);
    let movie = global_id("Movie", 1);
    let offer = app.data("{ availabilities(first: 1) { nodes { cinema { id } movie { id } } } }", json!({})).await;
    let offer = &offer["availabilities"]["nodes"][0];
    let order = json!({ "movieId": offer["movie"]["id"], "cinemaId": offer["cinema"]["id"] });
    anna.done("orderMovie", order.clone(), "").await;
    let made = anna.done("createPublication", publication(&[]), "publication { id }").await;
    let comment = anna.done("addComment", json!({ "subjectId": movie, "text": "Раз" }), "comment { id }").await;
    let tags = app.data("{ tags(first: 1) { nodes { title } } }", json!({})).await;
    let tag = tags["tags"]["nodes"][0]["title"].as_str().unwrap().to_owned();
    editor.done("updateMovie", json!({ "id": movie, "tags": [tag] }), "").await;
    let many = vec![tag.as_str(); 21];
    let tomorrow = "2999-01-01";
    let reply = json!({ "subjectId": global_id("Movie", 2), "parentId": comment["comment"]["id"], "text": "Два" });
    let stale = json!({ "id": made["publication"]["id"], "expectedChangedAt": "2001-01-01T00:00:00Z" });
    let cases = [
        (&nobody, "signUp", account_with("password", "1234"), "TOO_SHORT password 8.0 128.0"),
        (&nobody, "signUp", account_with("password", &"я".repeat(129)), "TOO_LONG password 8.0 128.0"),
        (&nobody, "signUp", account_with("password", "password123"), "COMMON_PASSWORD password null null"),
        (&nobody, "signUp", account_with("password", "vronsky@example.org"), "PASSWORD_IS_NAME password null null"),
        (&nobody, "signUp", account_with("username", "a"), "TOO_SHORT username 3.0 64.0"),
        (&nobody, "signUp", account_with("username", "вронский"), "INVALID_CHARACTER username null null"),
        (&nobody, "signUp", account_with("username", "karenina"), "TAKEN username null null"),
        (&nobody, "signUp", account_with("email", "vronsky"), "INVALID_FORMAT email null null"),
        (&nobody, "signUp", account_with("fullName", " "), "REQUIRED fullName 1.0 256.0"),
        (&nobody, "signUp", account_with("birthday", tomorrow), "NOT_IN_PAST birthday null null"),
        (&nobody, "logIn", json!({ "login": "karenina", "password": "wrong" }), "WRONG_CREDENTIALS null null null"),
        (
            &anna,
            "changePassword",
            json!({ "currentPassword": "wrong", "newPassword": "tram number 48" }),
            "WRONG_PASSWORD currentPassword null null",
        ),
        (&anna, "rate", json!({ "subjectId": movie, "rating": 9 }), "OUT_OF_RANGE rating 1.0 5.0"),
        (&anna, "rate", json!({ "subjectId": "banana", "rating": 1 }), "INVALID_ID subjectId null null"),
        (
            &anna,
            "rate",
            json!({ "subjectId": global_id("Movie", 999_999), "rating": 1 }),
            "NOT_FOUND subjectId null null",
        ),
        (&anna, "orderMovie", order, "TAKEN movieId null null"),
        (&anna, "createPublication", publication(&many), "TOO_MANY tags null 20.0"),
        (&anna, "createPublication", publication(&[&tag, &tag]), "DUPLICATE tags.1 null null"),
        (&anna, "createPublication", publication(&["нет такого"]), "NOT_FOUND tags.0 null null"),
        (&anna, "updatePublication", stale, "CHANGED expectedChangedAt null null"),
        (&anna, "addComment", json!({ "text": "Раз" }), "REQUIRED subjectId null null"),
        (&anna, "addComment", reply, "MISMATCH subjectId null null"),
        (&anna, "addComment", json!({ "subjectId": movie, "text": "я".repeat(10_001) }), "TOO_LONG text 1.0 10000.0"),
        (&editor, "deleteTag", json!({ "title": tag }), "IN_USE title null null"),
        (&editor, "updateMovie", json!({ "id": movie, "title": null }), "REQUIRED title null null"),
        (
            &admin,
            "grantRole",
            json!({ "userId": global_id("User", anna.id), "role": "MEMBER" }),
            "NOT_GRANTABLE role null null",
        ),
        (
            &admin,
            "revokeRole",
            json!({ "userId": global_id("User", admin.id), "role": "ADMIN" }),
            "LAST_ADMIN userId null null",
        ),
    ];
    let mut met = BTreeSet::from(["INVALID".to_owned(), "TOO_DEEP".to_owned()]);
    for (user, mutation, input, reason) in cases {
        assert_eq!(reasons(user, mutation, input.clone()).await, [reason], "{mutation}: {input}");
        met.insert(reason.split(' ').next().unwrap().to_owned());
    }
    let known = app.data("{ __type(name: \"UserErrorReason\") { enumValues { name } } }", json!({})).await;
    let known: BTreeSet<_> = known["__type"]["enumValues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(met, known, "every reason must have a case here");
}

/// An older version stored an outcome without a reason, and the client repeats the mutation on this version.
async fn outcomes_of_older_versions_have_a_reason_too(backend: Backend) {
    use sea_orm::{EntityTrait, Set};
    let app = TestApp::seeded(backend).await;
    let anna = app.sign_in("karenina", "member").await;
    let input = json!({ "subjectId": global_id("Movie", 1), "rating": 9 });
    let query = "mutation($input: RateInput!) { it: rate(input: $input) { errors { code reason min } } }";
    let ask = async || {
        let request = anna.request(query, json!({ "input": input })).header("idempotency-key", "once");
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["data"]["it"]["errors"].clone()
    };
    assert_eq!(ask().await, json!([{ "code": "BAD_USER_INPUT", "reason": "OUT_OF_RANGE", "min": 1.0 }]));
    let db = app.sql().await;
    let kept = entity::idempotency_keys::Entity::find().one(&db).await.unwrap().unwrap();
    let mut kept: entity::idempotency_keys::ActiveModel = kept.into();
    let old = json!({ "refused": [[{ "code": "BAD_USER_INPUT", "field": "input.rating", "message": "9 is no rating" }], null] });
    kept.outcome = Set(Some(old));
    entity::idempotency_keys::Entity::update(kept).exec_without_returning(&db).await.unwrap();
    assert_eq!(ask().await, json!([{ "code": "BAD_USER_INPUT", "reason": "INVALID", "min": null }]));
}
