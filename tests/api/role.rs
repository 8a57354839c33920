//! Roles and accounts of others: the last admin stays, and changes are logged.

use async_graphql::futures_util::future::join;
use entity::user_roles;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};

use crate::app::{TestApp, User};
use crate::movie::global_id;
use crate::support::database::{Backend, TestDatabase};

on_both!(
    the_last_admin_stays,
    admins_who_remove_each_other_simultaneously_leave_one,
    a_deleted_user_is_hidden_from_everyone,
    changes_of_roles_are_in_the_audit_log,
    the_audit_log_is_for_admins,
);

const LAST: &str = "this user is the last admin; grant ADMIN to another user first";

fn role_of(user: &User, role: &str) -> Value {
    json!({ "userId": global_id("User", user.id), "role": role })
}

async fn the_last_admin_stays(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let password = "трамвай № 47";
    let chief = app.sign_up("chief", password).await;
    let first = app.sign_in("first", "admin").await;
    first.done("grantRole", role_of(&chief, "ADMIN"), "").await;
    first.done("grantRole", role_of(&chief, "EDITOR"), "").await;
    chief.done("revokeRole", role_of(&first, "ADMIN"), "").await;
    let own = chief.refused("revokeRole", role_of(&chief, "ADMIN")).await;
    assert_eq!(own, [format!("CONFLICT input.userId: {LAST}")]);
    let deleted = chief.refused("deleteUser", json!({ "id": global_id("User", chief.id) })).await;
    assert_eq!(deleted, [format!("CONFLICT input.id: {LAST}")]);
    let left = chief.refused("deleteAccount", json!({ "password": password })).await;
    assert_eq!(left, [format!("CONFLICT -: {LAST}")]);
    // Another role can be revoked, and so can admin once there is another admin.
    chief.done("revokeRole", role_of(&chief, "EDITOR"), "").await;
    chief.done("grantRole", role_of(&first, "ADMIN"), "").await;
    chief.done("deleteAccount", json!({ "password": password }), "deletedId").await;
    let last = first.refused("revokeRole", role_of(&first, "ADMIN")).await;
    assert_eq!(last, [format!("CONFLICT input.userId: {LAST}")]);
}

async fn admins_who_remove_each_other_simultaneously_leave_one(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let db = app.sql().await;
    for round in 0..12 {
        user_roles::Entity::delete_many().exec(&db).await.unwrap();
        let one = app.sign_in(&format!("one{round}"), "admin").await;
        let two = app.sign_in(&format!("two{round}"), "admin").await;
        let attack = |from: User, to: User| async move {
            match round % 3 {
                0 => from.send("revokeRole", role_of(&to, "ADMIN"), "").await,
                1 => from.send("deleteUser", json!({ "id": global_id("User", to.id) }), "").await,
                // Each admin revokes their own role.
                _ => from.send("revokeRole", role_of(&from, "ADMIN"), "").await,
            }
        };
        let answers = join(attack(one.clone(), two.clone()), attack(two.clone(), one.clone())).await;
        let admins = user_roles::Entity::find().filter(user_roles::Column::Role.eq("admin")).count(&db).await.unwrap();
        assert_eq!(admins, 1, "round {round}: {answers:?}");
    }
}

async fn a_deleted_user_is_hidden_from_everyone(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let admin = app.sign_in("chief", "admin").await;
    let anna = app.sign_in("anna", "editor").await;
    let category = global_id("PublicationCategory", 1);
    let text = json!({ "title": "Моё", "text": "Моё", "categoryId": category });
    let made = anna.done("createPublication", text, "publication { id }").await;
    let rating = json!({ "subjectId": global_id("Movie", 1), "rating": 5 });
    let rated = anna.done("rate", rating, "rating { id }").await;
    let id = json!({ "id": global_id("User", anna.id) });
    let done = admin.done("deleteUser", id.clone(), "deletedId").await;
    assert_eq!(done["deletedId"], id["id"]);
    assert!(anna.query("{ viewer { id } }", json!({})).await.errors()[0].starts_with("UNAUTHENTICATED "));
    let query = "query($user: ID!, $publication: ID!, $rating: ID!) { user(username: \"anna\") { id }
        node(id: $user) { id } publication(id: $publication) { title author { id } }
        rating: node(id: $rating) { ... on Rating { user { id } } } }";
    let ids = json!({ "user": id["id"], "publication": made["publication"]["id"], "rating": rated["rating"]["id"] });
    let expected = json!({
        "user": null, "node": null, "publication": { "title": "Моё", "author": null }, "rating": { "user": null },
    });
    assert_eq!(app.data(query, ids).await, expected);
    let again = admin.refused("deleteUser", id).await;
    assert_eq!(again, ["NOT_FOUND input.id: the user does not exist; it may have been deleted"]);
    let gone = admin.refused("grantRole", role_of(&anna, "ADMIN")).await;
    assert_eq!(gone, ["NOT_FOUND input.userId: the user does not exist; it may have been deleted"]);
}

async fn changes_of_roles_are_in_the_audit_log(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let admin = app.sign_in("chief", "admin").await;
    let anna = app.sign_in("anna", "member").await;
    for _ in 0..2 {
        // The second grant changes nothing and is not logged.
        admin.done("grantRole", role_of(&anna, "EDITOR"), "").await;
    }
    admin.done("revokeRole", role_of(&anna, "EDITOR"), "").await;
    admin.refused("revokeRole", role_of(&anna, "EDITOR")).await;
    admin.done("grantRole", role_of(&anna, "EDITOR"), "").await;
    admin.done("deleteUser", json!({ "id": global_id("User", anna.id) }), "").await;
    let query = "{ auditLog(orderBy: OLDEST) { totalCount nodes { action objectType objectId actor { username }
        object { id } changes { field before after } } } }";
    let data = admin.data(query, json!({})).await;
    let entry = |action: &str, field: &str, before: Value, after: Value| {
        json!({
            "action": action, "objectType": "User", "objectId": global_id("User", anna.id),
            "actor": { "username": "chief" }, "object": null,
            "changes": [{ "field": field, "before": before, "after": after }],
        })
    };
    let expected = [
        entry("grantRole", "role", Value::Null, json!("editor")),
        entry("revokeRole", "role", json!("editor"), Value::Null),
        entry("grantRole", "role", Value::Null, json!("editor")),
        entry("deleteUser", "role", json!("editor"), Value::Null),
        entry("deleteUser", "username", json!("anna"), Value::Null),
    ];
    assert_eq!(data["auditLog"]["nodes"], json!(expected));
}

async fn the_audit_log_is_for_admins(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let query = "{ auditLog { totalCount } movies(first: 1) { nodes { id } } }";
    assert!(app.query(query, json!({})).await.errors()[0].starts_with("UNAUTHENTICATED "));
    for role in ["member", "editor"] {
        let user = app.sign_in(&format!("the.{role}"), role).await;
        assert_eq!(user.query(query, json!({})).await.errors(), ["FORBIDDEN only admins can do this"]);
    }
    let admin = app.sign_in("chief", "admin").await;
    for number in 0..25 {
        admin.done("createTag", json!({ "title": format!("Тег {number:02}") }), "").await;
    }
    let page =
        "query($after: String) { auditLog(first: 10, after: $after) { totalCount nodes { objectId object { id } }
        pageInfo { endCursor hasNextPage } } }";
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let data = admin.data(page, json!({ "after": after })).await;
        let log = &data["auditLog"];
        assert_eq!(log["totalCount"], 25);
        seen.extend(log["nodes"].as_array().unwrap().iter().map(|entry| entry["objectId"].clone()));
        if log["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = log["pageInfo"]["endCursor"].clone();
    }
    let expected: Vec<_> = (0..25).rev().map(|number| json!(format!("Тег {number:02}"))).collect();
    assert_eq!(seen, expected);
}
