//! `node` and `nodes`: objects by id.

use serde_json::json;

use crate::app::{TestApp, User};
use crate::movie::global_id;
use crate::support::database::{Backend, TestDatabase};

on_both!(
    every_type_with_an_id_is_found_by_it,
    ids_for_caches_are_unique_but_not_nodes,
    nodes_keep_the_order_of_their_ids,
    deleted_users_are_not_found,
    invalid_ids_are_named,
);

/// Types whose ids are only for caches.
const FOR_CACHES: &[&str] = &["AuditEntry", "Tag"];

async fn ids_for_caches_are_unique_but_not_nodes(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let admin = app.sign_in("chief", "admin").await;
    for title in ["тег", "1"] {
        admin.done("createTag", json!({ "title": title }), "tag { id title }").await;
    }
    let lists = "{ tags(first: 100) { nodes { id title } } auditLog { nodes { id action } } }";
    let data = admin.data(lists, json!({})).await;
    assert_eq!(data, admin.data(lists, json!({})).await);
    let ids = |list: &str| -> Vec<String> {
        data[list]["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect()
    };
    let mut all = [ids("tags"), ids("auditLog")].concat();
    let count = all.len();
    all.sort();
    all.dedup();
    assert!(all.len() == count && count > 15, "{all:?}");
    for id in all {
        let told = app.query("query($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await.errors();
        assert!(told[0].starts_with("BAD_USER_INPUT id:"), "{told:?}");
    }
}

async fn every_type_with_an_id_is_found_by_it(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let query = "{ __type(name: \"Node\") { possibleTypes { name fields { name } } } __schema { types { name kind
        fields { name } } } }";
    let data = app.data(query, json!({})).await;
    let possible: Vec<_> =
        data["__type"]["possibleTypes"].as_array().unwrap().iter().map(|kind| &kind["name"]).collect();
    for object in data["__schema"]["types"].as_array().unwrap() {
        let has_id = object["fields"].as_array().into_iter().flatten().any(|field| field["name"] == "id");
        let is_for_caches = FOR_CACHES.contains(&object["name"].as_str().unwrap());
        if object["kind"] == "OBJECT" && has_id && !is_for_caches {
            assert!(possible.contains(&&object["name"]), "{} is not a Node", object["name"]);
            let name = object["name"].as_str().unwrap();
            let id = global_id(name, if name == "User" { living_user(&app).await } else { 1 });
            let query = "query($id: ID!) { node(id: $id) { __typename id } }";
            let found = match name {
                // Only the user sees these.
                "Order" => owner_of_order(&app).await.data(query, json!({ "id": id })).await,
                // The oldest session, which only its user sees.
                "Session" => app.sign_in_as(living_user(&app).await).await.data(query, json!({ "id": id })).await,
                _ => app.data(query, json!({ "id": id })).await,
            };
            assert_eq!(found["node"], json!({ "__typename": name, "id": id }));
        }
    }
    assert_eq!(possible.len(), 16);
}

async fn owner_of_order(app: &TestApp) -> User {
    use sea_orm::{ActiveValue, EntityTrait, Set};
    let owner = living_user(app).await;
    let order = entity::user_movie_orders::ActiveModel {
        id: ActiveValue::Unchanged(1),
        user_id: Set(owner),
        ..Default::default()
    };
    entity::user_movie_orders::Entity::update(order).exec(&app.sql().await).await.unwrap();
    app.sign_in_as(owner).await
}

async fn living_user(app: &TestApp) -> i32 {
    use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
    let living = entity::users::Entity::find().filter(entity::users::Column::DeletedAt.is_null());
    living.one(&app.sql().await).await.unwrap().unwrap().id
}

async fn nodes_keep_the_order_of_their_ids(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let ids = [
        global_id("Person", 3),
        global_id("Movie", 2),
        global_id("Movie", 1_000_000),
        global_id("Person", 1),
        global_id("Movie", 2),
    ];
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Movie { title } } }";
    let data = app.data(query, json!({ "ids": ids })).await;
    let found: Vec<_> = data["nodes"].as_array().unwrap().iter().map(|node| node["id"].clone()).collect();
    assert_eq!(found, [json!(ids[0]), json!(ids[1]), json!(null), json!(ids[3]), json!(ids[4])]);
    assert!(data["nodes"][2].is_null());
    // One statement per type, for any number of ids.
    assert_eq!(app.statements_of(query, json!({ "ids": ids })).await.len(), 2);
}

async fn deleted_users_are_not_found(backend: Backend) {
    use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
    let app = TestApp::seeded(backend).await;
    let gone = entity::users::Entity::find().filter(entity::users::Column::DeletedAt.is_not_null());
    let gone = gone.one(&app.sql().await).await.unwrap().unwrap();
    let query = "query($id: ID!, $name: String!) { node(id: $id) { id } user(username: $name) { id } }";
    let data = app.data(query, json!({ "id": global_id("User", gone.id), "name": gone.username })).await;
    assert_eq!(data, json!({ "node": null, "user": null }));
}

async fn invalid_ids_are_named(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let wrong = "is not a valid id; pass an id that a query returned";
    for id in ["", "x", &global_id("Query", 1), &global_id("Tag", 1)] {
        let errors = app.query("query($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await.errors();
        assert_eq!(errors, [format!("BAD_USER_INPUT id: {wrong}")]);
        let ids = json!({ "ids": [global_id("Movie", 1), id] });
        let errors = app.query("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids).await.errors();
        assert_eq!(errors, [format!("BAD_USER_INPUT ids.1: {wrong}")]);
    }
    let many = json!({ "ids": vec![global_id("Movie", 1); 101] });
    let errors = app.query("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", many).await.errors();
    assert_eq!(errors, ["BAD_USER_INPUT ids: has 101 ids; the limit is 100"]);
    let data = app.data("{ nodes(ids: []) { id } }", json!({})).await;
    assert_eq!(data, json!({ "nodes": [] }));
}
