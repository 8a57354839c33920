//! Costs of plans.

use serde_json::{Value as Json, json};

use super::compiled;
use crate::error::DocumentLimits;
use crate::plan::{Cost, PageSizes};

#[test]
fn costs_follow_pages_keys_and_the_most_expensive_type() {
    const PAGES: PageSizes = PageSizes { default: 20, max: 100 };
    // Depth, root fields, fields of the plan, values.
    let cases = [
        ("{ costly }", json!({}), [1, 1, 1, 7]),
        ("{ a: costly b: costly __typename }", json!({}), [1, 3, 3, 15]),
        ("{ movie { id title } }", json!({}), [2, 1, 3, 3]),
        ("{ movie { id @skip(if: true) } }", json!({}), [1, 1, 1, 1]),
        // A page has its rows, each with its fields; the size is the schema's, the default, or the maximum.
        ("{ movies(first: 5) { nodes { id } } }", json!({}), [3, 1, 3, 1 + 1 + 5 * 2]),
        ("{ movies { nodes { id } } }", json!({}), [3, 1, 3, 1 + 1 + 30 * 2]),
        ("{ movies(first: null) { nodes { id } } }", json!({}), [3, 1, 3, 1 + 1 + 30 * 2]),
        ("{ movies(last: 7) { nodes { id } totalCount } }", json!({}), [3, 1, 4, 1 + 2 + 7 * 2]),
        ("{ movies(first: 5000) { nodes { id } } }", json!({}), [3, 1, 3, 1 + 1 + 100 * 2]),
        ("{ movies(first: -1) { nodes { id } } }", json!({}), [3, 1, 3, 1 + 1 + 30 * 2]),
        ("query ($n: Int) { movies(first: $n) { nodes { id } } }", json!({"n": 2}), [3, 1, 3, 1 + 1 + 2 * 2]),
        ("query ($n: Int) { movies(first: $n) { nodes { id } } }", json!({}), [3, 1, 3, 1 + 1 + 30 * 2]),
        ("query ($n: Int = 4) { movies(first: $n) { nodes { id } } }", json!({}), [3, 1, 3, 1 + 1 + 4 * 2]),
        ("{ movies(first: 2) { edges { node { id } } } }", json!({}), [4, 1, 4, 1 + 1 + 2 * 3]),
        (
            "{ movies(first: 2) { nodes { related(first: 3) { nodes { id } } } } }",
            json!({}),
            [5, 1, 5, 1 + 1 + 2 * (1 + 1 + 1 + 3 * 2)],
        ),
        // One row per key.
        ("{ list(ids: [1, 2, 3]) { id } }", json!({}), [2, 1, 2, 1 + 3 * 2]),
        ("{ list(ids: 1) { id } }", json!({}), [2, 1, 2, 1 + 2]),
        ("{ list { id } }", json!({}), [2, 1, 2, 1 + 1 + 1]),
        ("query ($k: [ID!]) { list(ids: $k) { id } }", json!({"k": [1, 2]}), [2, 1, 2, 1 + 2 * 2]),
        ("query ($k: [ID!]) { list(ids: $k) { id } }", json!({"k": []}), [2, 1, 2, 1]),
        ("query ($k: ID!) { nodes(ids: [$k, $k]) { id } }", json!({"k": 1}), [2, 1, 3, 1 + 2 * 2]),
        // An object has one type.
        ("{ node(id: 1) { id ... on Movie { title year } ... on Person { name } } }", json!({}), [2, 1, 6, 1 + 3]),
        (
            "{ node(id: 1) { ... on Movie { related(first: 9) { nodes { id } } } } }",
            json!({}),
            [4, 1, 4, 1 + 1 + 1 + 9 * 2],
        ),
        (
            "{ nodes(ids: [1, 2]) { ... on Movie { thing { ... on Prop { label } } } } }",
            json!({}),
            [3, 1, 3, 1 + 2 * 3],
        ),
    ];
    for (text, variables, [depth, root_fields, fields, values]) in cases {
        let cost = compiled(text, variables.clone(), &DocumentLimits::NONE);
        let cost = cost.map(|compiled| {
            let cost = compiled.plan.cost(&compiled.variables, PAGES);
            let constant = compiled.plan.has_constant_cost();
            assert_eq!(constant, !text.contains("$n") && !text.contains("($k: ["), "{text}");
            cost
        });
        assert_eq!(
            cost,
            Ok(Cost { depth, root_fields, fields, values, introspection: 0, introspection_levels: 0 }),
            "{text} {variables}"
        );
    }
}

#[test]
fn values_of_arguments_are_counted_wherever_they_occur() {
    let long: Json = "x".repeat(1_000).into();
    let twice = "query ($k: [String!]) { a: movie(tags: $k) { id } b: movie(tags: $k, id: 1) { id } }";
    let below = "query ($n: Int!) { a: all { ...F } b: all { ...F } }
        fragment F on Movie { related(first: $n) { nodes { related(first: 3) { totalCount } } } }";
    let cases = [
        ("{ movie { id } }", json!({}), 0),
        ("{ movie(id: 1) { id } }", json!({}), 1),
        ("{ movie(tags: [\"a\", \"b\"], year: {from: 1}) { id } }", json!({}), 3 + 2),
        ("query ($n: Int!) { movie(year: {from: $n, to: 5}) { id } }", json!({"n": 1}), 1 + 1 + 1),
        (twice, json!({"k": ["a", "b"]}), 3 + 3 + 1),
        (twice, json!({"k": [long]}), 2 * (1 + 1 + 3) + 1),
        (twice, json!({}), 1),
        (below, json!({"n": 1}), 2 * (1 + 1)),
    ];
    for (text, variables, wanted) in cases {
        let count = compiled(text, variables.clone(), &DocumentLimits::NONE);
        let count = count.map(|compiled| compiled.plan.inputs.count(&compiled.variables));
        assert_eq!(count, Ok(wanted), "{text} {variables}");
    }
}
