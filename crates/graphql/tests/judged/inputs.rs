//! Variables and arguments that both sides coerce.

use graphql::document::{Document, Field, OperationKind, Selection};
use graphql::input::{Inputs, coerce_arguments, coerce_variables};
use graphql::{DocumentLimits, Schema, parse, validate};
use serde_json::Value as Json;

use super::judge::{Verdict, ask, schema};

/// Whether two values are the same except for the notation of numbers.
pub fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

fn document(verdict: &Verdict) -> Document<'_> {
    let text = verdict["document"].as_str().unwrap();
    parse(text, DocumentLimits::NONE).unwrap_or_else(|error| panic!("{}: {error}", verdict["case"]))
}

fn variables(schema: &Schema, verdict: &Verdict, document: &Document<'_>) -> Result<Inputs, String> {
    let given = verdict["variables"].as_object().unwrap();
    coerce_variables(schema, &document.operations[0], given).map_err(|errors| format!("{errors:?}"))
}

#[test]
fn variables_are_coerced_as_graphql_js_does() {
    let schema = schema("schema.graphql");
    let verdicts = ask(&["variables"], "");
    assert!(verdicts.len() > 100, "{} cases", verdicts.len());
    let mut wrong = Vec::new();
    for verdict in &verdicts {
        let ours = variables(&schema, verdict, &document(verdict));
        let is_same = match &ours {
            Ok(coerced) => verdict["accepted"] == true && same(&Json::Object(coerced.clone()), &verdict["coerced"]),
            Err(_) => verdict["accepted"] == false,
        };
        if !is_same {
            wrong.push(format!("{verdict}\n  ours {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), verdicts.len(), wrong.join("\n"));
}

/// Documents that graphql-js executes are valid.
#[test]
fn documents_that_are_executed_are_valid() {
    for (kind, path) in [("catalogue", "schema.graphql"), ("theatre", "tests/documents/execution/theatre.graphql")] {
        let schema = schema(path);
        for verdict in ask(&[kind], "") {
            let valid = validate(&schema, &document(&verdict), &DocumentLimits::NONE);
            assert!(valid.is_ok(), "{}: {valid:?}", verdict["case"]);
        }
    }
}

/// `echo` returns its arguments, or the response has an error.
#[test]
fn arguments_are_coerced_as_graphql_js_does() {
    let schema = schema("tests/documents/execution/theatre.graphql");
    let (mut fields, mut wrong) = (0, Vec::new());
    for verdict in ask(&["theatre"], "") {
        let document = document(&verdict);
        let echoes: Vec<&Field<'_>> = document.operations[0].selections.iter().filter_map(echo).collect();
        let variables = variables(&schema, &verdict, &document);
        for field in echoes {
            let answer = &verdict["answer"]["data"][field.response_name().text];
            let known = schema.field(schema.root(OperationKind::Query).unwrap(), "echo").unwrap();
            let ours = variables.clone().and_then(|variables| {
                let coerced = coerce_arguments(&schema, &known.arguments, &field.arguments, &variables);
                coerced.map(Json::Object).map_err(|errors| format!("{errors:?}"))
            });
            let theirs: Option<Json> = answer.as_str().map(|text| serde_json::from_str(text).unwrap());
            let is_same = match (&ours, &theirs) {
                (Ok(ours), Some(theirs)) => same(ours, theirs),
                (ours, theirs) => ours.is_err() && theirs.is_none(),
            };
            fields += 1;
            if !is_same {
                wrong.push(format!("{verdict}\n  ours {ours:?}"));
            }
        }
    }
    assert!(fields > 30, "{fields} fields");
    assert!(wrong.is_empty(), "{} of {fields} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// A selection of `echo` that is not skipped.
fn echo<'d>(selection: &'d Selection<'d>) -> Option<&'d Field<'d>> {
    match selection {
        Selection::Field(field) if field.name.text == "echo" && field.directives.is_empty() => Some(field),
        _ => None,
    }
}
