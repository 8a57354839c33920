//! Accounts: sign-up, changes, deletion, and which fields others see.

use async_graphql::futures_util::future::join_all;
use entity::{sessions, users};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};

use crate::app::{TestApp, new_account};
use crate::movie::global_id;
use crate::support::database::{Backend, TestDatabase};

on_both!(
    a_sign_up_signs_the_user_in,
    all_problems_of_a_sign_up_are_reported_together,
    bounds_of_a_sign_up_are_checked_on_both_sides,
    names_and_addresses_are_unique_whatever_their_case,
    one_of_many_simultaneous_sign_ups_wins,
    profile_is_changed_field_by_field,
    changing_the_address_needs_the_password,
    profile_changes_do_not_reveal_accounts,
    simultaneous_sign_ups_reveal_no_more_addresses,
    private_fields_are_only_for_the_viewer,
    changing_the_password_needs_the_old_one,
    a_deleted_account_is_gone_and_its_comments_stay,
    secrets_are_stored_nowhere,
);

const PASSWORD: &str = "трамвай № 47";

async fn a_sign_up_signs_the_user_in(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let mut input = new_account(" Anna.K_1 ", PASSWORD);
    let bio = "<b>О себе</b> '); DROP TABLE users; -- 🎬 \u{200f}שלום";
    input["email"] = json!("Anna@Example.ORG");
    input["bio"] = json!(bio);
    let shown = "token user { id username fullName bio joinedAt email birthday role }";
    let done = app.anonymous().done("signUp", input, shown).await;
    // A mutation runs as its sender, who was anonymous.
    let user = &done["user"];
    assert_eq!((&user["email"], &user["birthday"], &user["role"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!((&user["username"], &user["fullName"]), (&json!("anna.k_1"), &json!("Анна Каренина")));
    assert_eq!(user["bio"], bio);
    let token = done["token"].as_str().unwrap();
    assert_eq!(token.len(), 43, "256 bits in base64");
    let anna = app.bearer(0, token);
    let viewer = anna.data("{ viewer { id email birthday role sessions { nodes { isCurrent } } } }", json!({})).await;
    let expected = json!({
        "id": user["id"], "email": "anna@example.org", "birthday": "1990-02-28", "role": "MEMBER",
        "sessions": { "nodes": [{ "isCurrent": true }] },
    });
    assert_eq!(viewer["viewer"], expected);
    assert_eq!(app.data("{ viewer { id } }", json!({})).await, json!({ "viewer": null }));
    // Log-ins work by name and by address, in upper or lower case.
    for login in ["ANNA.K_1", "anna@example.org", " Anna@EXAMPLE.org "] {
        let input = json!({ "login": login, "password": PASSWORD });
        let done = app.anonymous().done("logIn", input, "token user { id }").await;
        assert_eq!(done["user"]["id"], user["id"]);
        assert_ne!(done["token"], json!(token));
    }
}

async fn all_problems_of_a_sign_up_are_reported_together(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let input = json!({
        "username": "я", "email": "nowhere", "password": "12345678", "fullName": " \u{7}", "birthday": "2999-01-01",
        "bio": "а\u{0}б",
    });
    let refused = app.anonymous().refused("signUp", input).await;
    let fields: Vec<_> = refused.iter().map(|problem| problem.split(": ").next().unwrap()).collect();
    let all = ["username", "email", "password", "fullName", "birthday", "bio"];
    for field in all {
        assert!(fields.contains(&format!("BAD_USER_INPUT input.{field}").as_str()), "{field}: {refused:?}");
    }
    assert_eq!(users::Entity::find().count(&app.sql().await).await.unwrap(), 0);
}

async fn bounds_of_a_sign_up_are_checked_on_both_sides(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let email = |name: usize, domain: usize| format!("{}@{}.org", "n".repeat(name), "d".repeat(domain));
    let yesterday = kinoteka::clock::now().date_naive().pred_opt().unwrap();
    let cases = [
        ("username", json!("abc"), json!("ab")),
        ("username", json!("u".repeat(64)), json!("u".repeat(65))),
        ("email", json!(email(64, 59)), json!(email(64, 60))),
        ("email", json!(email(64, 10)), json!(email(65, 10))),
        ("password", json!("8 знаков"), json!("7знаков")),
        ("password", json!("п".repeat(128)), json!("п".repeat(129))),
        ("password", json!("Passw0rd!!"), json!("PassWord1")),
        ("fullName", json!("Я"), json!("")),
        ("fullName", json!("Я".repeat(256)), json!("Я".repeat(257))),
        ("birthday", json!("1900-01-01"), json!("1899-12-31")),
        ("birthday", json!(yesterday.to_string()), json!((yesterday + chrono::Days::new(1)).to_string())),
        ("bio", json!("🎬".repeat(20_000)), json!("🎬".repeat(20_001))),
    ];
    for (number, (field, good, bad)) in cases.into_iter().enumerate() {
        let mut input = new_account(&format!("user{number}"), "no way to know");
        input[field] = bad;
        let refused = app.anonymous().refused("signUp", input.clone()).await;
        assert_eq!(refused.len(), 1, "{field}: {refused:?}");
        assert!(refused[0].starts_with(&format!("BAD_USER_INPUT input.{field}: ")), "{refused:?}");
        input[field] = good;
        app.anonymous().done("signUp", input, "token").await;
    }
    let mut input = new_account("somebody.known", "Somebody.Known");
    input["email"] = json!("other@example.org");
    let refused = app.anonymous().refused("signUp", input).await;
    assert_eq!(refused, ["BAD_USER_INPUT input.password: is your username or email address; choose another password"]);
    // Spaces around a name do not make it different.
    let refused = app.anonymous().refused("signUp", new_account("  somebody.known ", "Somebody.Known")).await;
    assert!(refused.iter().any(|problem| problem.contains("input.password: is your username")), "{refused:?}");
    // Composed letters count for the length, however they were typed.
    let mut input = new_account("composed", &"й".repeat(128));
    app.anonymous().done("signUp", input.clone(), "token").await;
    let decomposed = "и\u{306}".repeat(128);
    app.anonymous().done("logIn", json!({ "login": "composed", "password": decomposed }), "token").await;
    input["password"] = json!("и\u{306}".repeat(4));
    let refused = app.anonymous().refused("signUp", input).await;
    assert!(refused[0].starts_with("BAD_USER_INPUT input.password: must be at least 8"), "{refused:?}");
}

async fn names_and_addresses_are_unique_whatever_their_case(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let boris = app.sign_up("boris", PASSWORD).await;
    app.sign_up("anna", PASSWORD).await;
    let taken = [
        "CONFLICT input.username: is taken; choose another",
        "CONFLICT input.email: already belongs to an account; log in or use another address",
    ];
    let mut input = new_account("ANNA", PASSWORD);
    input["email"] = json!("ANNA@EXAMPLE.org");
    assert_eq!(app.anonymous().refused("signUp", input).await, taken);
    let profile = json!({ "username": "Anna", "email": "Anna@Example.Org", "currentPassword": PASSWORD });
    assert_eq!(boris.refused("updateProfile", profile).await, taken);
    // The user's own address is not taken.
    boris.done("updateProfile", json!({ "username": "BORIS", "email": "Boris@example.org" }), "user { id }").await;
}

async fn one_of_many_simultaneous_sign_ups_wins(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &["--login-failures", "1000"]).await;
    for round in 0..10 {
        let answers = join_all((0..8).map(|number| {
            let nobody = app.anonymous();
            async move {
                let mut input = new_account(&format!("round{round}"), PASSWORD);
                // All use the same name, and half of them the same address too.
                input["email"] = json!(format!("round{round}.{}@example.org", number / 4 * number));
                nobody.send("signUp", input, "token").await
            }
        }))
        .await;
        let (won, lost): (Vec<_>, Vec<_>) =
            answers.iter().partition(|answer| !answer.0["data"]["it"]["token"].is_null());
        assert_eq!(won.len(), 1, "{answers:?}");
        for answer in lost {
            let problems = answer.problems();
            assert!(
                !problems.is_empty() && problems.iter().all(|problem| problem.starts_with("CONFLICT input.")),
                "{answer}"
            );
        }
    }
    let db = app.sql().await;
    assert_eq!(users::Entity::find().count(&db).await.unwrap(), 10);
    assert_eq!(sessions::Entity::find().count(&db).await.unwrap(), 10);
}

async fn profile_is_changed_field_by_field(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let anna = app.sign_up("anna", PASSWORD).await;
    let shown = "user { username email fullName birthday bio }";
    let mut expected = json!({
        "username": "anna", "email": "anna@example.org", "fullName": "Анна Каренина", "birthday": "1990-02-28", "bio": null,
    });
    for (field, given, kept) in [
        ("bio", json!("Первая строка\r\nвторая"), json!("Первая строка\nвторая")),
        ("fullName", json!("Анна Ли"), json!("Анна Ли")),
        ("birthday", json!("1991-03-01"), json!("1991-03-01")),
        ("email", json!("New@Example.org"), json!("new@example.org")),
        ("username", json!("Anna2"), json!("anna2")),
        ("bio", Value::Null, Value::Null),
    ] {
        expected[field] = kept;
        let mut input = json!({ field: given });
        if field == "email" {
            input["currentPassword"] = json!(PASSWORD);
        }
        let done = anna.done("updateProfile", input, shown).await;
        assert_eq!(done["user"], expected, "{field}");
    }
    assert_eq!(anna.done("updateProfile", json!({}), shown).await["user"], expected);
    let nulls = json!({ "username": null, "email": null, "fullName": null, "birthday": null });
    let refused = anna.refused("updateProfile", nulls).await;
    assert_eq!(refused.len(), 4, "{refused:?}");
    assert!(refused.iter().all(|problem| problem.ends_with("must not be null; omit it to keep the current value")));
    // All changes or none.
    anna.refused("updateProfile", json!({ "fullName": "Другая", "email": "nowhere" })).await;
    anna.refused("updateProfile", json!({ "fullName": "Другая", "currentPassword": "не тот пароль" })).await;
    assert_eq!(anna.done("updateProfile", json!({}), shown).await["user"], expected);
}

/// A stolen token must not be enough, because control of the address means control of the account.
async fn changing_the_address_needs_the_password(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &["--login-failures", "3"]).await;
    let anna = app.sign_up("anna", PASSWORD).await;
    let email = async || anna.data("{ viewer { email } }", json!({})).await["viewer"]["email"].clone();
    let without = ["BAD_USER_INPUT input.currentPassword: is required to change the email address"];
    assert_eq!(anna.refused("updateProfile", json!({ "email": "new@example.org" })).await, without);
    let null = json!({ "email": "new@example.org", "currentPassword": null });
    assert_eq!(anna.refused("updateProfile", null).await, without);
    assert_eq!(email().await, "anna@example.org");
    // The same address in another spelling.
    anna.done("updateProfile", json!({ "email": "ANNA@example.org" }), "").await;
    let right = json!({ "email": "new@example.org", "currentPassword": PASSWORD });
    for _ in 0..2 {
        let done = anna.send_keyed("key-1", "updateProfile", right.clone(), "user { email }").await.data();
        assert_eq!(done["it"], json!({ "user": { "email": "new@example.org" }, "errors": [] }));
    }
    let mut other = right;
    other["currentPassword"] = json!("не тот пароль");
    let conflict = anna.send_keyed("key-1", "updateProfile", other.clone(), "").await.errors();
    assert!(conflict[0].starts_with("CONFLICT "), "{conflict:?}");
    // Guesses of the password are limited in both mutations.
    for _ in 0..2 {
        let refused = anna.refused("updateProfile", other.clone()).await;
        assert_eq!(refused, ["BAD_USER_INPUT input.currentPassword: is wrong"]);
    }
    let limited = anna.send("updateProfile", other, "").await.errors();
    assert!(limited[0].starts_with("RATE_LIMITED "), "{limited:?}");
}

/// Without the password, taken and free addresses get the same response. With it, attempts are counted.
async fn profile_changes_do_not_reveal_accounts(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &["--login-failures", "3"]).await;
    app.sign_up("anna", PASSWORD).await;
    let boris = app.sign_up("boris", PASSWORD).await;
    let change = async |email: &str, password: Option<&str>| {
        let input = json!({ "email": email, "currentPassword": password });
        boris.send("updateProfile", input, "").await
    };
    let of_both = [("anna@example.org", None), ("free@example.org", None)];
    for (email, password) in of_both.into_iter().chain([("anna@example.org", Some("не тот пароль"))]) {
        let problems = change(email, password).await.problems();
        let of_password = |problem: &String| problem.starts_with("BAD_USER_INPUT input.currentPassword: ");
        assert!(problems.len() == 1 && problems.iter().all(of_password), "{email}: {problems:?}");
    }
    for number in 0..3 {
        let taken = change("anna@example.org", Some(PASSWORD)).await.problems();
        assert_eq!(taken, ["CONFLICT input.email: already belongs to an account; log in or use another address"]);
        // A success in between does not reset the count.
        if number < 2 {
            let free = change(&format!("free{number}@example.org"), Some(PASSWORD)).await;
            assert!(free.problems().is_empty(), "{free}");
        }
    }
    for answer in [
        change("anna@example.org", Some(PASSWORD)).await,
        app.anonymous().send("signUp", new_account("vera", PASSWORD), "").await,
    ] {
        assert!(answer.errors()[0].starts_with("RATE_LIMITED "), "{answer}");
    }
    // Changes that reveal nothing are still accepted.
    boris.done("updateProfile", json!({ "bio": "Ничего нового.", "email": "free1@example.org" }), "").await;
    // New addresses count against the limit of sign-ups, whether or not they succeed.
    let app = TestApp::start_on(&app, &["--signups-per-address", "2"]).await;
    let boris = app.bearer(boris.id, boris.token.as_deref().unwrap());
    for number in 0..3 {
        let input = json!({ "email": format!("other{number}@example.org"), "currentPassword": PASSWORD });
        let answer = boris.send("updateProfile", input, "").await;
        let limit = &answer.0["errors"][0]["extensions"]["limit"];
        assert_eq!(*limit == "signups-per-address", number == 2, "{answer}");
    }
}

/// Simultaneous attempts are counted before any of them responds.
async fn simultaneous_sign_ups_reveal_no_more_addresses(backend: Backend) {
    let args = ["--login-failures", "3", "--passwords-waiting-per-client", "64", "--passwords-at-once", "8"];
    let app = TestApp::start(TestDatabase::migrated(backend).await, &args).await;
    app.sign_up("anna", PASSWORD).await;
    let answers = join_all((0..40).map(|number| {
        let (nobody, mut input) = (app.anonymous(), new_account(&format!("user{number}"), PASSWORD));
        input["email"] = json!("anna@example.org");
        async move { nobody.send("signUp", input, "token").await }
    }))
    .await;
    let told = answers.iter().filter(|answer| answer.0["data"]["it"]["errors"].is_array()).count();
    assert!((1..=3).contains(&told), "{told} of 40 reported that the address is taken");
}

async fn private_fields_are_only_for_the_viewer(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let (anna, boris) = (app.sign_up("anna", PASSWORD).await, app.sign_up("boris", PASSWORD).await);
    let admin = app.sign_in("chief", "admin").await;
    let query =
        "{ user(username: \"anna\") { fullName email birthday role sessions { totalCount } orders { totalCount } } }";
    let nothing = json!({
        "fullName": "Анна Каренина", "email": null, "birthday": null, "role": null, "sessions": null, "orders": null,
    });
    for other in [&boris, &app.anonymous()] {
        assert_eq!(other.data(query, json!({})).await["user"], nothing);
    }
    let mut for_admins = nothing.clone();
    for_admins["role"] = json!("MEMBER");
    assert_eq!(admin.data(query, json!({})).await["user"], for_admins);
    let own = anna.data(query, json!({})).await;
    assert_eq!(
        (&own["user"]["email"], &own["user"]["sessions"]["totalCount"]),
        (&json!("anna@example.org"), &json!(1))
    );
    // Sessions are hidden from others too.
    let session = anna.data("{ viewer { sessions { nodes { id } } } }", json!({})).await;
    let id = session["viewer"]["sessions"]["nodes"][0]["id"].clone();
    let query = "query($id: ID!) { node(id: $id) { id ... on Session { agent address } } }";
    assert_eq!(anna.data(query, json!({ "id": id })).await["node"]["id"], id);
    for other in [&boris, &admin, &app.anonymous()] {
        assert_eq!(other.data(query, json!({ "id": id })).await, json!({ "node": null }));
    }
}

async fn changing_the_password_needs_the_old_one(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let anna = app.sign_up("anna", PASSWORD).await;
    let other = app.anonymous().done("logIn", json!({ "login": "anna", "password": PASSWORD }), "token").await;
    let elsewhere = app.bearer(anna.id, other["token"].as_str().unwrap());
    let change = |old: &str, new: &str| json!({ "currentPassword": old, "newPassword": new });
    let refused = anna.refused("changePassword", change("не тот пароль", "12345678")).await;
    assert_eq!(
        refused,
        [
            "BAD_USER_INPUT input.newPassword: is too common; choose another password",
            "BAD_USER_INPUT input.currentPassword: is wrong",
        ]
    );
    let refused = anna.refused("changePassword", change(PASSWORD, "anna@example.org")).await;
    assert_eq!(
        refused,
        ["BAD_USER_INPUT input.newPassword: is your username or email address; choose another password"]
    );
    anna.done("changePassword", change(PASSWORD, "новый пароль"), "user { id }").await;
    // This session continues, the others have ended.
    anna.data("{ viewer { id } }", json!({})).await;
    let ended = elsewhere.query("{ viewer { id } }", json!({})).await.errors();
    assert_eq!(ended, ["UNAUTHENTICATED the token is unknown, expired or revoked; log in again"]);
    let wrong = app.anonymous().refused("logIn", json!({ "login": "anna", "password": PASSWORD })).await;
    assert_eq!(wrong, ["BAD_USER_INPUT -: the login or the password is wrong"]);
    app.anonymous().done("logIn", json!({ "login": "anna", "password": "новый пароль" }), "token").await;
}

async fn a_deleted_account_is_gone_and_its_comments_stay(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let anna = app.sign_up("anna.gone", PASSWORD).await;
    let input = json!({ "subjectId": global_id("Movie", 1), "text": "Останется" });
    let comment = anna.done("addComment", input, "comment { id }").await["comment"]["id"].clone();
    let refused = anna.refused("deleteAccount", json!({ "password": "не тот пароль" })).await;
    assert_eq!(refused, ["BAD_USER_INPUT input.password: is wrong"]);
    let done = anna.done("deleteAccount", json!({ "password": PASSWORD }), "deletedId").await;
    assert_eq!(done["deletedId"], json!(global_id("User", anna.id)));
    let ended = anna.query("{ viewer { id } }", json!({})).await.errors();
    assert_eq!(ended, ["UNAUTHENTICATED the token is unknown, expired or revoked; log in again"]);
    let query = "query($user: ID!, $comment: ID!) { node(id: $user) { id } user(username: \"anna.gone\") { id }
        comment(id: $comment) { text author { id } } }";
    let data = app.data(query, json!({ "user": done["deletedId"], "comment": comment })).await;
    let expected = json!({ "node": null, "user": null, "comment": { "text": "Останется", "author": null } });
    assert_eq!(data, expected);
    let wrong = app.anonymous().refused("logIn", json!({ "login": "anna.gone", "password": PASSWORD })).await;
    assert_eq!(wrong, ["BAD_USER_INPUT -: the login or the password is wrong"]);
    // The row is only marked as deleted. The name stays taken.
    let row = users::Entity::find_by_id(anna.id).one(&app.sql().await).await.unwrap().unwrap();
    assert!(row.deleted_at.is_some() && row.password == "!" && row.bio.is_none());
    let taken = app.anonymous().refused("signUp", new_account("anna.gone", PASSWORD)).await;
    assert_eq!(taken.len(), 2, "{taken:?}");
}

/// Passwords and tokens are stored as hashes, and not at all in idempotency keys and audit entries.
async fn secrets_are_stored_nowhere(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let secret = "тайна за семью печатями";
    let input = new_account("anna", secret);
    let done = app.anonymous().send_keyed("key-1", "signUp", input, "token").await.data();
    let token = done["it"]["token"].as_str().unwrap().to_owned();
    let anna = app.bearer(0, &token);
    let change = json!({ "currentPassword": secret, "newPassword": "другая тайна" });
    anna.send_keyed("key-2", "changePassword", change, "user { id }").await.data();
    let profile = json!({ "email": "new@example.org", "currentPassword": "другая тайна" });
    anna.send_keyed("key-3", "updateProfile", profile, "user { id }").await.data();
    let admin = app.sign_in("chief", "admin").await;
    admin.done("deleteUser", json!({ "id": anna_id(&anna).await }), "deletedId").await;
    let db = app.sql().await;
    let rows = format!(
        "{:?} {:?} {:?} {:?}",
        users::Entity::find().all(&db).await.unwrap(),
        sessions::Entity::find().all(&db).await.unwrap(),
        entity::idempotency_keys::Entity::find().all(&db).await.unwrap(),
        entity::audit_log::Entity::find().all(&db).await.unwrap(),
    );
    for hidden in [secret, "другая тайна", &token, "key-1", "key-2", "key-3"] {
        assert!(!rows.contains(hidden), "{hidden} in {rows}");
    }
    assert_eq!(users::Entity::find().filter(users::Column::Password.eq(secret)).count(&db).await.unwrap(), 0);
}

async fn anna_id(anna: &crate::app::User) -> Value {
    anna.data("{ viewer { id } }", json!({})).await["viewer"]["id"].clone()
}
