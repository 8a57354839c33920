//! Results have the form that the GraphQL specification requires.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::movie::global_id;
use crate::support::database::{Backend, TestDatabase};

on_both!(
    fields_are_in_the_order_of_the_selections,
    conditions_apply_by_union_and_interface,
    failed_fields_are_null,
    errors_propagate_to_the_nearest_nullable_object
);

async fn fields_are_in_the_order_of_the_selections(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    // Fields that need further statements precede others.
    let query = "{ movies(first: 2) {
        totalCount
        nodes { ...Head staff(first: 1) { nodes { person { bio lastName } id } } id ... on Movie { staff(first: 1) { totalCount } } }
        pageInfo { hasNextPage }
    } }
    fragment Head on Movie { availability(first: 1) { nodes { theirs: cinema { url title } price } } plot title }";
    let text = ask(&app, query).await;
    let keys = [
        "data",
        "movies",
        "totalCount",
        "nodes",
        "availability",
        "nodes",
        "theirs",
        "url",
        "title",
        "price",
        "plot",
        "title",
        "staff",
        "nodes",
        "person",
        "bio",
        "lastName",
        "id",
        "totalCount",
        "id",
        "availability",
        "nodes",
    ];
    let mut rest = text.as_str();
    for key in keys {
        let next = rest.split('"').find(|part| keys.contains(part)).unwrap();
        assert_eq!(next, key, "{text}");
        rest = rest.split_once(&format!("\"{key}\":")).unwrap().1;
    }
    assert!(text.ends_with(r#""pageInfo":{"hasNextPage":true}}}}"#), "{text}");
}

async fn conditions_apply_by_union_and_interface(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let query = "{ movies(first: 1) { nodes { ... on SearchResult { ... on Movie { title } ... on Person { bio } }
        ... on Node { id } } } }";
    let data = app.query(query, json!({})).await.data();
    let keys: Vec<_> = data["movies"]["nodes"][0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "title"], "{data}");
}

async fn failed_fields_are_null(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let text = ask(&app, r#"{ movie(id: "1") { id } none: movies { totalCount } person(id: "1") { id } }"#).await;
    assert!(text.starts_with(r#"{"data":{"movie":null,"none":{"totalCount":0},"person":null},"errors":["#), "{text}");
    // The object has no other fields.
    let text = ask(&app, r#"{ cinema(id: "1") { id } }"#).await;
    assert!(text.starts_with(r#"{"data":{"cinema":null},"errors":["#), "{text}");
}

async fn errors_propagate_to_the_nearest_nullable_object(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let query = "query($id: ID!) {
        film: movie(id: $id) { title availability(first: 101) { totalCount } }
        movie(id: $id) { availability(first: 1) { totalCount } title }
    }";
    let answer = app.query(query, json!({ "id": global_id("Movie", 1) })).await.0;
    assert_eq!(answer["data"]["film"], Value::Null, "{answer}");
    assert!(answer["data"]["movie"]["title"].is_string(), "{answer}");
    assert_eq!(answer["errors"][0]["path"], json!(["film", "availability"]));
    // No field on this path may be null.
    let query = "{ movies(first: 2) { nodes { title availability(first: 101) { totalCount } } } }";
    let answer = app.query(query, json!({})).await.0;
    assert_eq!(answer["data"], Value::Null, "{answer}");
    let paths: Vec<_> = answer["errors"].as_array().unwrap().iter().map(|error| error["path"].to_string()).collect();
    // A field that becomes null has one error.
    assert_eq!(paths, [r#"["movies","nodes",0,"availability"]"#]);
}

/// The body of the response.
async fn ask(app: &TestApp, query: &str) -> String {
    let request = app.client.post(format!("{}/graphql", app.origin)).json(&json!({ "query": query }));
    request.send().await.unwrap().text().await.unwrap()
}
