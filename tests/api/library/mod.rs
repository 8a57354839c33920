//! The engine beside the server's gives the same answers.

pub mod beside;
pub mod both;
mod people;
mod printed;
mod search;

use std::sync::Arc;

use graphql::{Cost, Limits, Request};
use kinoteka::kit::rows::RequestData;
use kinoteka::library;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::support::database::Backend;

on_both!(reads_are_answered_alike);

/// What the new engine answers, as JSON.
async fn answer(app: &TestApp, query: &str, variables: &Value) -> String {
    let cost = Cost { depth: 100, root_fields: 100, fields: 10_000, values: 10_000_000 };
    let engine = library::engine(Limits::default(), cost, true).unwrap();
    let Value::Object(variables) = variables else { panic!("{variables}") };
    let request = Request { query, operation_name: None, variables };
    let data = RequestData { services: Arc::clone(&app.library), caller: None, budget: None };
    String::from_utf8(library::answer(&engine, &request, data).await).unwrap()
}

async fn reads_are_answered_alike(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    for query in [
        "{ movies(first: 3) { nodes { id title tags plot year ageRating boxOffice budget isbn } } }",
        "{ movies(first: 2) { totalCount pageInfo { startCursor endCursor hasNextPage } edges { cursor node { title staff(first: 2) { totalCount nodes { character isLead position { title id } person { firstName id } } pageInfo { endCursor } } } } } }",
        "{ movies(last: 2) { nodes { title staff(last: 2, leadOnly: true) { nodes { movie { title } } } } } personPositions { nodes { title } } }",
        "{ movie(id: \"TW92aWU6NTAw\") { __typename title } }",
    ] {
        let body = json!({ "query": query });
        let old = app.client.post(format!("{}/graphql", app.origin)).json(&body).send().await.unwrap();
        assert_eq!(answer(&app, query, &json!({})).await, old.text().await.unwrap(), "{query}");
    }
}
