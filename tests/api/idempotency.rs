//! Mutations that are repeated with their idempotency key.

use std::time::Duration;

use async_graphql::futures_util::future::join_all;
use chrono::TimeDelta;
use entity::{comments, idempotency_keys, sessions, users, users_rating};
use kinoteka::app::SWEEPS;
use kinoteka::clock;
use kinoteka::kit::upkeep;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};

use crate::app::{GraphqlResponse, TestApp, User, new_account};
use crate::movie::global_id;
use crate::proxy::{Lost, Proxy};
use crate::support::database::{Backend, TestDatabase};

on_both!(
    a_repeated_mutation_returns_the_same_and_changes_nothing,
    the_object_is_read_again,
    another_input_under_a_key_is_a_conflict,
    another_mutation_under_a_key_is_a_conflict,
    refusals_are_stored_too,
    keys_belong_to_their_viewer,
    each_root_field_has_its_own_outcome,
    one_of_many_simultaneous_repetitions_runs,
    a_lost_response_is_sent_again,
    a_repeated_sign_up_returns_no_token,
    a_log_in_is_never_stored,
    unusable_keys_are_refused,
    keys_are_deleted_after_a_day,
);

const PASSWORD: &str = "трамвай № 47";
const CONFLICT: &str =
    "CONFLICT the idempotency key was already used for another mutation or input; use a new key for each new request";

fn comment(text: &str) -> Value {
    json!({ "subjectId": global_id("Movie", 1), "text": text })
}

async fn add(user: &User, key: &str, text: &str) -> Value {
    user.send_keyed(key, "addComment", comment(text), "comment { id text }").await.data()["it"].clone()
}

async fn comments_of(app: &TestApp, user: &User) -> u64 {
    comments::Entity::find().filter(comments::Column::UserId.eq(user.id)).count(&app.sql().await).await.unwrap()
}

async fn a_repeated_mutation_returns_the_same_and_changes_nothing(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("somebody", "member").await;
    let first = add(&user, "k1", "раз").await;
    assert!(first["comment"]["id"].is_string() && first["errors"] == json!([]), "{first}");
    for _ in 0..3 {
        assert_eq!(add(&user, "k1", "раз").await, first);
    }
    assert_eq!(comments_of(&app, &user).await, 1);
    // The order of fields, and the way the input is sent, do not matter.
    let inline = format!(
        "mutation {{ it: addComment(input: {{ text: \"раз\", subjectId: \"{}\" }}) {{ comment {{ id text }} errors {{ code }} }} }}",
        global_id("Movie", 1)
    );
    let request = user.request(&inline, json!({})).header("idempotency-key", "k1");
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["data"]["it"]["comment"], first["comment"], "{answer:#}");
    // Without the key or with another one, it is another request.
    user.done("addComment", comment("раз"), "").await;
    add(&user, "k2", "раз").await;
    assert_eq!(comments_of(&app, &user).await, 3);
    // A repeated deletion returns the same id.
    let input = json!({ "id": first["comment"]["id"] });
    for _ in 0..2 {
        let done = user.send_keyed("k3", "deleteComment", input.clone(), "deletedId").await.data();
        assert_eq!(done["it"], json!({ "deletedId": first["comment"]["id"], "errors": [] }));
    }
}

async fn the_object_is_read_again(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("somebody", "member").await;
    let first = add(&user, "k1", "раз").await;
    user.done("editComment", json!({ "id": first["comment"]["id"], "text": "два" }), "").await;
    assert_eq!(add(&user, "k1", "раз").await["comment"]["text"], "два");
    user.done("deleteComment", json!({ "id": first["comment"]["id"] }), "").await;
    assert_eq!(add(&user, "k1", "раз").await, json!({ "comment": null, "errors": [] }));
}

async fn another_input_under_a_key_is_a_conflict(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("somebody", "member").await;
    add(&user, "k1", "раз").await;
    let other = user.send_keyed("k1", "addComment", comment("два"), "").await;
    assert_eq!(other.errors(), [CONFLICT]);
    // Null is not the same as omitted.
    let mut with_null = comment("раз");
    with_null["parentId"] = Value::Null;
    assert_eq!(user.send_keyed("k1", "addComment", with_null, "").await.errors(), [CONFLICT]);
    let rating = json!({ "subjectId": global_id("Movie", 1), "rating": 5 });
    assert_eq!(user.send_keyed("k1", "rate", rating, "").await.errors(), [CONFLICT], "another mutation");
    assert_eq!(comments_of(&app, &user).await, 1);
}

/// A key belongs to a request. The names in its response do not matter.
async fn another_mutation_under_a_key_is_a_conflict(backend: Backend) {
    let app = TestApp::start(TestDatabase::seeded(backend).await, &["--limit-batch", "5"]).await;
    let user = app.sign_in("somebody", "member").await;
    let subject = global_id("Movie", 1);
    let add = |text: &str| {
        format!("addComment(input: {{ subjectId: \"{subject}\", text: \"{text}\" }}) {{ comment {{ id }} }}")
    };
    let rate = format!("rate(input: {{ subjectId: \"{subject}\", rating: 5 }}) {{ errors {{ code }} }}");
    let send = async |body: Value| -> Vec<Value> {
        let request = user.request("", json!({})).json(&body).header("idempotency-key", "k1");
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        match answer {
            Value::Array(answers) => answers,
            answer => vec![answer],
        }
    };
    let document = |fields: &str| json!({ "query": format!("mutation {{ {fields} }}") });
    let first = send(document(&add("раз"))).await;
    assert!(first[0]["data"]["addComment"]["comment"]["id"].is_string(), "{first:#?}");
    // With another alias, it is the same mutation.
    let renamed = send(document(&format!("other: {}", add("раз")))).await;
    assert_eq!(renamed[0]["data"]["other"], first[0]["data"]["addComment"], "{renamed:#?}");
    let others = [
        document(&rate),
        document(&format!("other: {}", add("два"))),
        document(&format!("{rate} other: {} third: {}", add("раз"), add("два"))),
        document(&format!("other: {} {rate}", add("раз"))),
        document(&format!("logOutEverywhere {{ endedSessions }} {rate}")),
        json!([document(&add("раз")), document(&rate)]),
        json!([document(&rate)]),
        json!([document(&rate), document(&add("раз")), document(&add("два"))]),
    ];
    for other in others {
        for answer in send(other.clone()).await {
            let errors = GraphqlResponse(answer.clone()).errors();
            assert!(!errors.is_empty() && errors.iter().all(|error| error == CONFLICT), "{other:#}: {answer:#}");
            assert!(answer["data"].as_object().unwrap().values().all(Value::is_null), "{other:#}: {answer:#}");
        }
    }
    assert_eq!(comments_of(&app, &user).await, 1);
    let ratings = users_rating::Entity::find().filter(users_rating::Column::UserId.eq(user.id));
    assert_eq!(ratings.count(&app.sql().await).await.unwrap(), 0);
}

async fn refusals_are_stored_too(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let editor = app.sign_in("somebody", "editor").await;
    let tag = json!({ "title": "Вестерн" });
    let made = editor.send_keyed("k1", "createTag", tag.clone(), "tag { title }").await.data();
    let refused = editor.send_keyed("k2", "createTag", tag.clone(), "tag { title }").await;
    assert_eq!(refused.problems().len(), 1, "{refused}");
    editor.done("deleteTag", json!({ "title": "Вестерн" }), "").await;
    // The mutation stays refused, although it would succeed now.
    let again = editor.send_keyed("k2", "createTag", tag.clone(), "tag { title }").await;
    assert_eq!(again.0["data"], refused.0["data"]);
    assert_eq!(made["it"]["tag"]["title"], "Вестерн");
    editor.done("createTag", tag, "").await;
}

async fn keys_belong_to_their_viewer(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let (anna, boris) = (app.sign_in("anna", "member").await, app.sign_in("boris", "member").await);
    let (one, other) = (add(&anna, "k1", "раз").await, add(&boris, "k1", "раз").await);
    assert_ne!(one["comment"]["id"], other["comment"]["id"]);
    // Another session of the same user can repeat it.
    let done = app.sign_up("vera", PASSWORD).await;
    let first = add(&done, "k1", "раз").await;
    let token = app.anonymous().done("logIn", json!({ "login": "vera", "password": PASSWORD }), "token").await;
    let again = app.bearer(done.id, token["token"].as_str().unwrap());
    assert_eq!(add(&again, "k1", "раз").await, first);
}

async fn each_root_field_has_its_own_outcome(backend: Backend) {
    let app = TestApp::start(TestDatabase::seeded(backend).await, &["--limit-batch", "5"]).await;
    let user = app.sign_in("somebody", "member").await;
    let query = "mutation($one: AddCommentInput!, $two: AddCommentInput!) {
        a: addComment(input: $one) { comment { id } } b: addComment(input: $two) { comment { id } }
        c: addComment(input: $one) { comment { id } } }";
    let variables = json!({ "one": comment("раз"), "two": comment("два") });
    let send = async || {
        let request = user.request(query, variables.clone()).header("idempotency-key", "k1");
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let first = send().await;
    assert!(first.get("errors").is_none(), "{first:#}");
    assert_eq!(send().await, first);
    assert_eq!(comments_of(&app, &user).await, 3);
    // So does each operation of a batch.
    let operation = |text: &str| json!({ "query": query, "variables": { "one": comment(text), "two": comment(text) } });
    let batch = json!([operation("три"), operation("четыре")]);
    let send = async || {
        let request = user.request("", json!({})).json(&batch).header("idempotency-key", "k2");
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let first = send().await;
    assert_eq!(first.as_array().unwrap().len(), 2, "{first:#}");
    assert_eq!(send().await, first);
    assert_eq!(comments_of(&app, &user).await, 9);
}

async fn one_of_many_simultaneous_repetitions_runs(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let other = TestApp::start_on(&app, &[]).await;
    let user = app.sign_in("somebody", "member").await;
    let elsewhere = other.bearer(user.id, &format!("token of user {}", user.id));
    for round in 0..10 {
        let answers = join_all((0..12).map(|number| {
            let user = if number % 2 == 0 { user.clone() } else { elsewhere.clone() };
            async move { add(&user, &format!("k{round}"), &format!("комментарий {round}")).await }
        }))
        .await;
        assert!(answers[0]["comment"]["id"].is_string(), "{answers:?}");
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(comments_of(&app, &user).await, round + 1);
    }
}

/// The client disconnects at any moment of its request, and repeats it.
async fn a_lost_response_is_sent_again(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("somebody", "member").await;
    let query =
        "mutation($input: AddCommentInput!) { it: addComment(input: $input) { comment { id } errors { code } } }";
    for round in 0..60_u64 {
        let (key, input) = (format!("k{round}"), comment(&format!("комментарий {round}")));
        let request = user.request(query, json!({ "input": input.clone() })).header("idempotency-key", &key);
        let lost = tokio::time::timeout(Duration::from_micros(round * 250), request.send()).await;
        drop(lost);
        let answer = user.send_keyed(&key, "addComment", input, "comment { id }").await.data();
        assert!(answer["it"]["comment"]["id"].is_string(), "{answer}");
        assert_eq!(comments_of(&app, &user).await, round + 1, "after {} us", round * 250);
    }
}

async fn a_repeated_sign_up_returns_no_token(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let nobody = app.anonymous();
    let shown = "token user { id username }";
    let input = new_account("anna", PASSWORD);
    let first = nobody.send_keyed("k1", "signUp", input.clone(), shown).await.data();
    let again = nobody.send_keyed("k1", "signUp", input.clone(), shown).await.data();
    assert!(first["it"]["token"].is_string() && again["it"]["token"].is_null(), "{again}");
    assert_eq!(again["it"]["user"], first["it"]["user"]);
    let db = app.sql().await;
    assert_eq!(
        (users::Entity::find().count(&db).await.unwrap(), sessions::Entity::find().count(&db).await.unwrap()),
        (1, 1)
    );
    // Another password is another input.
    let mut other = input;
    other["password"] = json!("совсем другой");
    let conflict = nobody.send_keyed("k1", "signUp", other, shown).await.errors();
    assert!(conflict[0].starts_with("CONFLICT "), "{conflict:?}");
    // A repeated change of the password is not a wrong password.
    let anna = app.bearer(0, first["it"]["token"].as_str().unwrap());
    let change = json!({ "currentPassword": PASSWORD, "newPassword": "совсем другой" });
    for _ in 0..2 {
        let done = anna.send_keyed("k2", "changePassword", change.clone(), "user { username }").await.data();
        assert_eq!(done["it"], json!({ "user": { "username": "anna" }, "errors": [] }));
    }
}

async fn a_log_in_is_never_stored(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    app.sign_up("anna", PASSWORD).await;
    let input = json!({ "login": "anna", "password": PASSWORD });
    let first = app.anonymous().send_keyed("k1", "logIn", input.clone(), "token").await.data();
    let again = app.anonymous().send_keyed("k1", "logIn", input, "token").await.data();
    assert!(first["it"]["token"].is_string() && again["it"]["token"].is_string() && first != again);
    assert_eq!(idempotency_keys::Entity::find().count(&app.sql().await).await.unwrap(), 0);
}

async fn unusable_keys_are_refused(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("somebody", "member").await;
    let longest = "k".repeat(255);
    add(&user, &longest, "раз").await;
    for key in ["", "a b", "ключ", &"k".repeat(256)] {
        let request = user.request("{ viewer { id } }", json!({})).header("idempotency-key", key.as_bytes());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 400, "{key}");
        let answer: Value = response.json().await.unwrap();
        let extensions = &answer["errors"][0]["extensions"];
        assert_eq!(*extensions, json!({ "code": "BAD_USER_INPUT", "field": "Idempotency-Key" }), "{answer}");
    }
}

async fn keys_are_deleted_after_a_day(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("somebody", "member").await;
    add(&user, "old", "раз").await;
    let db = app.sql().await;
    let begun = clock::now() - TimeDelta::hours(24) - TimeDelta::seconds(5);
    idempotency_keys::Entity::update_many()
        .col_expr(idempotency_keys::Column::CreatedAt, Expr::value(begun.fixed_offset()))
        .exec(&db)
        .await
        .unwrap();
    add(&user, "new", "два").await;
    assert_eq!(upkeep::sweep(&db, SWEEPS, clock::now()).await.unwrap(), 1);
    let first = add(&user, "new", "два").await;
    assert_eq!(comments_of(&app, &user).await, 2, "{first}");
    add(&user, "old", "раз").await;
    assert_eq!(comments_of(&app, &user).await, 3);
}

/// The connection to the database breaks during the commit, or during a statement that commits by itself: it is unknown
/// whether the change happened.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_commit_is_looked_up() {
    let mut database = TestDatabase::seeded(Backend::Postgres).await;
    let proxy = Proxy::before(&mut database).await;
    let app = TestApp::start(database, &[]).await;
    let user = app.sign_in("somebody", "member").await;
    let written = add(&user, "k", "комментарий").await;
    for round in 0..12_u64 {
        let lost = if round % 2 == 0 { Lost::Turn } else { Lost::GraphqlResponse };
        let (key, text) = (format!("k{round}"), format!("комментарий {round}"));
        proxy.lose(lost, &text);
        let input = comment(&text);
        // With a key, the server looks up the outcome itself.
        let answer = user.send_keyed(&key, "addComment", input.clone(), "comment { id }").await.data();
        assert!(answer["it"]["comment"]["id"].is_string(), "{lost:?}: {answer}");
        assert!(!proxy.loses());
        assert_eq!(comments_of(&app, &user).await, round + 2, "{lost:?}");
        let again = user.send_keyed(&key, "addComment", input, "comment { id }").await.data();
        assert_eq!(again, answer);
    }
    // The same for a transaction.
    for (round, lost) in [Lost::Turn, Lost::GraphqlResponse].into_iter().enumerate() {
        let (key, before) = (format!("d{round}"), comments_of(&app, &user).await);
        let id = add(&user, &format!("a{round}"), "ещё").await["comment"]["id"].clone();
        proxy.lose(lost, "COMMIT");
        let answer = user.send_keyed(&key, "deleteComment", json!({ "id": id }), "deletedId").await.data();
        assert!(!proxy.loses());
        assert_eq!(answer["it"], json!({ "deletedId": id, "errors": [] }), "{lost:?}");
        assert_eq!(comments_of(&app, &user).await, before);
    }
    assert_eq!(add(&user, "k", "комментарий").await, written);
}
