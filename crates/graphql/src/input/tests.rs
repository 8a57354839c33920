//! Tables of coercions.

use serde_json::{Value as Json, json};

use super::{Inputs, coerce_arguments, coerce_variables};
use crate::document::{Selection, parse};
use crate::error::DocumentLimits;
use crate::schema::{Check, FieldDefinition, InputValue, Schema, SchemaBuilder, Type, TypeRef};

const SDL: &str = "type Query { a(filter: Filter, ids: [ID!], matrix: [[Int]], seat: Seat, first: Int! = 20): Int }
    input Filter { year: Range text: String = \"x\" order: Order! = NEWEST }
    input Range { from: Int! to: Int }
    input Seat @oneOf { row: Int name: String }
    enum Order { NEWEST TITLE }";

fn object(json: Json) -> Inputs {
    match json {
        Json::Object(map) => map,
        other => panic!("{other}"),
    }
}

/// The coerced variables, or the errors, one per line.
fn variables(types: &str, given: Json) -> Result<Json, String> {
    let schema = Schema::from_sdl(SDL).map_err(|error| error.to_string())?;
    let text = format!("query ({types}) {{ a }}");
    let document = parse(&text, DocumentLimits::NONE).map_err(|error| error.to_string())?;
    coerce_variables(&schema, &document.operations[0], &object(given)).map(Json::Object).map_err(lines)
}

fn lines(errors: Vec<super::InputError>) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn variables_are_coerced() {
    let cases = [
        ("$a: Int", json!({}), json!({})),
        ("$a: Int", json!({"a": null}), json!({"a": null})),
        ("$a: Int = 5", json!({}), json!({"a": 5})),
        ("$a: Int", json!({"a": 5.0}), json!({"a": 5})),
        ("$a: ID", json!({"a": 5}), json!({"a": "5"})),
        ("$a: ID", json!({"a": 18_446_744_073_709_551_615_u64}), json!({"a": "18446744073709551615"})),
        ("$a: [ID!]", json!({"a": 5}), json!({"a": ["5"]})),
        ("$a: [[Int]]", json!({"a": [1, [2, null]]}), json!({"a": [[1], [2, null]]})),
        ("$a: Filter", json!({"a": {}}), json!({"a": {"text": "x", "order": "NEWEST"}})),
        ("$a: Filter", json!({"a": {"text": null}}), json!({"a": {"text": null, "order": "NEWEST"}})),
        ("$a: Seat = {row: 1}", json!({}), json!({"a": {"row": 1}})),
        ("$a: Int", json!({"b": 1}), json!({})),
    ];
    for (types, given, wanted) in cases {
        assert_eq!(variables(types, given.clone()), Ok(wanted), "{types} {given}");
    }
}

#[test]
fn errors_name_the_path() {
    let cases = [
        ("$a: Int!", json!({}), "`variables.a` is required."),
        ("$a: Int!", json!({"a": null}), "`variables.a` must not be null."),
        ("$a: Int", json!({"a": 2_147_483_648_u32}), "`variables.a` must be an Int: a whole number of 32 bits."),
        ("$a: String", json!({"a": 1}), "`variables.a` must be a String."),
        ("$a: [ID!]", json!({"a": ["1", null]}), "`variables.a[1]` must not be null."),
        ("$a: Order", json!({"a": "title"}), "`variables.a` must be a value of the enum `Order`."),
        (
            "$filter: Filter",
            json!({"filter": {"year": {"from": "1970"}}}),
            "`variables.filter.year.from` must be an Int: a whole number of 32 bits.",
        ),
        ("$a: Filter", json!({"a": {"year": {}}}), "`variables.a.year.from` is required."),
        ("$a: Filter", json!({"a": {"name": 1}}), "`variables.a.name` is not a field of `Filter`."),
        ("$a: Filter", json!({"a": [1]}), "`variables.a` must be an object of type `Filter`."),
        ("$a: Seat", json!({"a": {}}), "`variables.a` must have exactly one field of `Seat`, not null."),
        ("$a: Seat", json!({"a": {"row": null}}), "`variables.a` must have exactly one field of `Seat`, not null."),
        (
            "$a: Seat",
            json!({"a": {"row": 1, "name": "n"}}),
            "`variables.a` must have exactly one field of `Seat`, not null.",
        ),
    ];
    for (types, given, wanted) in cases {
        assert_eq!(variables(types, given.clone()), Err(wanted.to_owned()), "{types} {given}");
    }
}

/// The coerced arguments of the first field.
fn arguments(text: &str, variables: Json) -> Result<Json, String> {
    let schema = Schema::from_sdl(SDL).map_err(|error| error.to_string())?;
    let document = parse(text, DocumentLimits::NONE).map_err(|error| error.to_string())?;
    let Some(Selection::Field(field)) = document.operations[0].selections.first() else {
        return Err(String::new());
    };
    let query = schema.find("Query").ok_or("no root")?;
    let known = schema.field(query, field.name.text).ok_or("no field")?;
    let coerced = coerce_arguments(&schema, &known.arguments, &field.arguments, &object(variables));
    coerced.map(Json::Object).map_err(lines)
}

#[test]
fn arguments_are_coerced() {
    let cases = [
        ("{ a }", json!({}), json!({"first": 20})),
        (
            "{ a(ids: 123456789012345678901234567890) }",
            json!({}),
            json!({"ids": ["123456789012345678901234567890"], "first": 20}),
        ),
        ("{ a(matrix: 1) }", json!({}), json!({"matrix": [[1]], "first": 20})),
        ("query ($i: Int) { a(first: $i) }", json!({}), json!({"first": 20})),
        ("query ($i: Int) { a(first: $i) }", json!({"i": 1}), json!({"first": 1})),
        ("query ($i: Int) { a(matrix: [$i]) }", json!({}), json!({"matrix": [null], "first": 20})),
        (
            "query ($i: Int) { a(filter: {year: {from: 1, to: $i}, order: TITLE}) }",
            json!({}),
            json!({"filter": {"year": {"from": 1}, "text": "x", "order": "TITLE"}, "first": 20}),
        ),
    ];
    for (text, variables, wanted) in cases {
        assert_eq!(arguments(text, variables), Ok(wanted), "{text}");
    }
    let null = arguments("query ($i: Int) { a(first: $i) }", json!({"i": null}));
    assert_eq!(null, Err("`arguments.first` must not be null.".to_owned()));
}

#[test]
fn custom_scalars_check_their_values() {
    let check = |value: &Json| if value.is_string() { Ok(()) } else { Err("must be a date".to_owned()) };
    let from = InputValue::new("from", TypeRef::named("Date"));
    let schema = SchemaBuilder::new()
        .with_type(Type::scalar("Date").checked(Check::new(check)))
        .with_type(Type::object("Query", [FieldDefinition::new("a", TypeRef::named("Int")).argument(from)]))
        .build();
    let Ok(schema) = schema else { panic!("{schema:?}") };
    let text = "query ($date: Date) { a(from: $date) }";
    let Ok(document) = parse(text, DocumentLimits::NONE) else { panic!("{text}") };
    let coerced = coerce_variables(&schema, &document.operations[0], &object(json!({"date": 1})));
    assert_eq!(coerced.map_err(lines), Err("`variables.date` must be a date.".to_owned()));
}
