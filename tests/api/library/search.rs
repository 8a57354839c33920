//! Searches, through both engines.

use serde_json::{Value, json};

use super::both::Both;
use crate::search;
use crate::support::database::Backend;

on_both!(searches_find_alike, hits_are_paged_alike);

const HITS: &str = "query($query: String!, $types: [SearchType!]) { search(query: $query, types: $types, first: 100) {
    totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor }
    nodes { __typename score snippet node { __typename ... on Node { id }
        ... on Movie { title year } ... on Person { firstName } ... on Publication { title } ... on Cinema { title } } } } }";

/// Words, parts of words, forms, typos, phrases, exclusions, other keyboards, nothing.
const QUERIES: &[&str] = &[
    "матрица",
    "мАТРИЦУ",
    "елки",
    "ёлки",
    "тарковский",
    "тарковсий",
    "пушкин александр",
    "\"война и мир\"",
    "война -мир",
    "-мир",
    "\"война",
    "- \"война и мир\" кино",
    "мир",
    "фильм",
    "съемка",
    "ли",
    "the matrix",
    "vfnhbwf",
    "zerkalo",
    "и",
    "",
    "   ",
    "100%",
    "кто я?",
    "иви",
    "'; DROP TABLE users; --",
    "\\",
    "<mark>",
    "\u{0}",
    "о'коннор",
    "1941-1945",
    "котики ёжики замок",
    "герой",
    "остров",
    "кино\u{301}",
    "терминтор",
    "🎬",
];

async fn searches_find_alike(backend: Backend) {
    let app = search::app(backend).await;
    let both = Both::new(&app);
    let nobody = app.nobody();
    let (mut found, mut marked) = (0, 0);
    for query in QUERIES {
        let answer = both.ask(&nobody, HITS, json!({ "query": query })).await;
        found += answer["data"]["search"]["totalCount"].as_u64().unwrap_or_default();
        marked += answer.to_string().matches("<mark>").count();
    }
    assert!(found > 30 && marked > 10, "{found} {marked}");
    for types in [
        json!(null),
        json!([]),
        json!(["MOVIE"]),
        json!(["CINEMA", "MOVIE", "CINEMA"]),
        json!(["PUBLICATION", "PERSON"]),
    ] {
        for query in ["мир", "матрица", "тарковсий", "иви", "ли"] {
            both.ask(&nobody, HITS, json!({ "query": query, "types": types })).await;
        }
    }
    let long = "я".repeat(201);
    let many = "слово ".repeat(17);
    for query in [long.as_str(), &many] {
        both.ask(&nobody, HITS, json!({ "query": query })).await;
    }
    for document in [
        "{ search(query: \"мир\") { nodes { score } } }",
        "{ search(query: \"мир\", types: [PUBLICATION]) { nodes { a: snippet b: snippet score } edges { node { snippet } } } }",
        "{ search(query: \"мир\", types: MOVIE) { nodes { node { ... on Movie { id tags staff { totalCount } } } } } }",
        "{ search(query: \"мир\") { nodes { node { __typename } } } other: search(query: \"ли\") { totalCount } }",
        "{ search(query: \"мир\", first: 101) { totalCount } }",
        "{ search(query: \"мир\", last: -1) { totalCount } }",
        "{ search(query: \"мир\", first: 1, last: 1) { totalCount } }",
        "{ search(query: \"мир\", after: \"x\") { totalCount } }",
        "{ search(query: \"-мир\", first: -1) { totalCount } }",
        "{ search(query: \"мир\", first: 0) { totalCount nodes { score } pageInfo { hasNextPage endCursor } } }",
    ] {
        both.ask(&nobody, document, json!({})).await;
    }
}

async fn hits_are_paged_alike(backend: Backend) {
    let app = search::app(backend).await;
    let both = Both::new(&app);
    let nobody = app.nobody();
    let query = "query($query: String!, $first: Int, $after: String, $last: Int, $before: String) {
        search(query: $query, first: $first, after: $after, last: $last, before: $before) {
            totalCount nodes { score node { ... on Node { id } } } edges { cursor }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
    for words in ["мир", "фильм", "ли"] {
        for size in [1, 2, 3] {
            let variables = json!({ "query": words });
            let hits = both.walk(&nobody, query, &variables, ("/data/search", size)).await;
            assert!(hits.len() > 1, "{words}: {hits:?}");
        }
    }
    // Between two cursors, from both ends, and between those in the wrong order.
    let all = both.ask(&nobody, query, json!({ "query": "мир" })).await;
    let cursors: Vec<&Value> =
        all["data"]["search"]["edges"].as_array().unwrap().iter().map(|edge| &edge["cursor"]).collect();
    let (first, last) = (cursors[0], cursors[cursors.len() - 1]);
    for (after, before) in [(first, last), (last, first), (first, first)] {
        for size in [json!({ "first": 1 }), json!({ "last": 1 }), json!({})] {
            let mut variables = json!({ "query": "мир", "after": after, "before": before });
            variables.as_object_mut().unwrap().extend(size.as_object().unwrap().clone());
            both.ask(&nobody, query, variables).await;
        }
    }
}
