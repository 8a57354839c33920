//! The published schema.

use std::path::Path;

use kinoteka::library;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::support::database::{Backend, TestDatabase};

/// GraphQL's built-in scalars.
const BUILT_IN: &[&str] = &["Boolean", "Float", "ID", "Int", "String"];

/// `scripts/schema` writes the file.
#[test]
fn committed_schema_equals_the_exported_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(library::sdl() == committed, "schema.graphql is stale: run scripts/schema");
}

#[tokio::test]
async fn scalars_name_their_specifications() {
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &[]).await;
    let data = app.data("{ __schema { types { name kind specifiedByURL } } }", json!({})).await;
    let mut found = 0;
    for scalar in data["__schema"]["types"].as_array().unwrap() {
        let name = scalar["name"].as_str().unwrap();
        if scalar["kind"] == "SCALAR" && !BUILT_IN.contains(&name) {
            let url = scalar["specifiedByURL"].as_str().unwrap_or_else(|| panic!("{name} has no specification"));
            assert!(library::sdl().contains(&format!("scalar {name} @specifiedBy(url: \"{url}\")")), "{name}");
            found += 1;
        }
    }
    assert_eq!(found, 5);
}

#[tokio::test]
async fn everything_in_the_schema_is_described() {
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &[]).await;
    let query = "{ __schema { types { name kind description
        fields { name description args { name description } }
        inputFields { name description }
        enumValues { name description } } } }";
    let data = app.data(query, json!({})).await;
    let mut bare = Vec::new();
    let mut check = |path: String, value: &Value| {
        if value["description"].as_str().unwrap_or_default().trim().is_empty() {
            bare.push(path);
        }
    };
    for object in data["__schema"]["types"].as_array().unwrap() {
        let name = object["name"].as_str().unwrap();
        if name.starts_with("__") || BUILT_IN.contains(&name) {
            continue;
        }
        // The roots need no description beyond their fields.
        if name != "Query" {
            check(name.to_owned(), object);
        }
        for list in ["fields", "inputFields", "enumValues"] {
            for part in object[list].as_array().into_iter().flatten() {
                let path = format!("{name}.{}", part["name"].as_str().unwrap());
                for argument in part["args"].as_array().into_iter().flatten() {
                    check(format!("{path}({})", argument["name"].as_str().unwrap()), argument);
                }
                check(path, part);
            }
        }
    }
    assert!(bare.is_empty(), "without a description: {bare:#?}");
}
