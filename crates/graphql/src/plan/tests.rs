//! Plans as text: which fields are resolved, in which order, and with which arguments.

mod costs;

use std::fmt::Write;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{Conditions, Plan, PlanSelection, ValueSource, compile};
use crate::describe::{ArgumentTypes, Arguments, Call, Description, Object, Resolve, Root, TypeName};
use crate::document::{Document, parse};
use crate::error::{DocumentLimits, Limit};
use crate::execution::FieldError;
use crate::execution::column::Column;
use crate::input::{Inputs, coerce_variables};
use crate::schema::{Schema, TypeKind};

const SDL: &str = "
    type Query {
        movie(id: ID! = 1, year: Range, tags: [String!]): Movie
        movies(first: Int = 30, last: Int, after: String): MovieConnection!
        list(ids: [ID!]): [Movie!]!
        all: [Movie!]!
        node(id: ID!): Node
        nodes(ids: [ID!]!): [Node]!
        thing: Thing
        viewer: Person
        costly: Int
        lost: Int
    }
    input Range { from: Int! to: Int = 9 }
    interface Node { id: ID! }
    union Thing = Movie | Person | Prop
    type Movie implements Node {
        id: ID! title: String year: Int
        director: Person thing: Thing node: Node related(first: Int!): MovieConnection!
    }
    type Person implements Node { id: ID! name: String viewerMark: Int favourite: Movie }
    type Prop { label: String }
    type MovieConnection { totalCount: Int! nodes: [Movie!]! edges: [MovieEdge!]! }
    type MovieEdge { cursor: String! node: Movie! }";

struct Nothing;

struct TestArguments(Inputs);

impl Arguments for TestArguments {
    fn describe(_: &mut async_graphql::registry::Registry) -> ArgumentTypes {
        ArgumentTypes::new()
    }

    fn read(given: Inputs) -> Result<Self, FieldError> {
        Ok(Self(given))
    }
}

impl Resolve<Root> for Nothing {
    type Arguments = TestArguments;

    fn type_name(_: &mut async_graphql::registry::Registry) -> String {
        String::new()
    }

    async fn resolve(_: Call<'_, Root, TestArguments>) -> Column {
        Column::Failed(FieldError::plain("nothing is there"))
    }
}

/// All objects of the schema. The first field of a type needs the first column, and so on; connections and edges are
/// transparent.
fn description(schema: &Schema) -> Description {
    let mut description = Description::new();
    for of in schema.types() {
        let TypeKind::Object { fields, .. } = &of.kind else { continue };
        let mut object = Object::<Root>::new("");
        if of.name.starts_with("MovieC") || of.name.starts_with("MovieE") {
            object = object.transparent();
        }
        for (i, field) in fields.iter().enumerate().filter(|(_, field)| field.name != "lost") {
            let name: &'static str = field.name.clone().leak();
            object = match schema.is_composite(*field.of.name()) {
                true => object.resolve::<Nothing>(name, "").needs(1 << i),
                false => object.leaf(name, "", 1 << i, |_| 1),
            };
            if name.starts_with("viewer") {
                object = object.personal();
            }
            if name == "costly" {
                object = object.costs(7);
            }
        }
        description.object_named(TypeName::Owned(of.name.clone()), object);
    }
    description
}

fn object(json: Json) -> Inputs {
    match json {
        Json::Object(map) => map,
        other => panic!("{other}"),
    }
}

/// A compiled plan and its inputs.
struct CompiledPlan {
    schema: Schema,
    variables: Inputs,
    plan: Plan,
}

fn compiled(text: &str, variables: Json, limits: &DocumentLimits) -> Result<CompiledPlan, String> {
    let schema = Schema::from_sdl(SDL).map_err(|error| error.to_string())?;
    let document: Document<'_> = parse(text, DocumentLimits::NONE).map_err(|error| error.to_string())?;
    if let Err(invalid) = crate::validate(&schema, &document, &DocumentLimits::NONE) {
        return Err(invalid.to_string());
    }
    let operation = &document.operations[0];
    let variables = coerce_variables(&schema, operation, &object(variables)).map_err(|errors| format!("{errors:?}"))?;
    let conditions = Conditions::of_operations(&document).swap_remove(0);
    let truths = conditions.truths(&variables).map_err(|name| format!("{name} is null"))?;
    let types = (&schema, &description(&schema));
    let plan = compile(types, &document, operation, (&conditions, &truths), limits);
    let plan = plan.map_err(|exceeded| format!("{:?}", exceeded.limit))?;
    Ok(CompiledPlan { schema, variables, plan })
}

/// `alias:field{…}`, with the type before the braces if there are several. `(late)` stands for arguments with
/// variables.
fn show(set: &PlanSelection, out: &mut String) {
    for (i, field) in set.fields.iter().enumerate() {
        let (_, name) = field.coordinate.split_once('.').unwrap_or_default();
        let alias = if *field.response_name == *name { String::new() } else { format!("{}:", field.response_name) };
        let late = match &field.kind {
            ValueSource::Resolve { arguments, .. } if matches!(**arguments, super::ArgumentPlan::Late { .. }) => {
                "(late)"
            }
            ValueSource::Unresolvable => "(unresolvable)",
            _ => "",
        };
        let _ = write!(out, "{}{alias}{name}{late}", if i > 0 { " " } else { "" });
        let comma: &[u8] = if i > 0 { b"," } else { b"" };
        assert_eq!(*field.key, *[comma, format!("\"{}\":", field.response_name).as_bytes()].concat());
        for (of, set) in &field.selected {
            let of = if field.selected.len() > 1 { format!(" {of}") } else { String::new() };
            let _ = write!(out, "{of}{{");
            show(set, out);
            out.push('}');
        }
    }
}

fn shown(text: &str, variables: Json) -> String {
    compiled(text, variables, &DocumentLimits::NONE).map_or_else(
        |error| error,
        |compiled| {
            let mut out = String::new();
            show(&compiled.plan.root, &mut out);
            out
        },
    )
}

#[test]
fn fields_of_one_name_are_merged_at_the_first() {
    let cases = [
        ("{ all { id } costly }", "all{id} costly"),
        ("{ costly all { id } costly }", "costly all{id}"),
        ("{ all { id } costly all { title id } }", "all{id title} costly"),
        ("{ all { id } ...F } fragment F on Query { costly all { title } }", "all{id title} costly"),
        ("{ ...F all { id } } fragment F on Query { costly all { title } }", "costly all{title id}"),
        ("{ ... { all { id } } ... on Query { all { year } } }", "all{id year}"),
        ("{ all { director { id } } all { title director { name } } }", "all{director{id name} title}"),
        ("{ all { ...F } all { ...F } } fragment F on Movie { id }", "all{id}"),
        ("{ a: all { id } b: all { id } a: all { title } }", "a:all{id title} b:all{id}"),
        ("{ all { title: year } costly: lost }", "all{title:year} costly:lost(unresolvable)"),
        (
            "{ ...F } fragment F on Query { ...G } fragment G on Query { ...H costly } fragment H on Query { a: costly }",
            "a:costly costly",
        ),
        ("{ __typename t: __typename all { __typename } }", "__typename t:__typename all{__typename}"),
    ];
    for (text, wanted) in cases {
        assert_eq!(shown(text, json!({})), wanted, "{text}");
    }
}

#[test]
fn each_type_has_the_fields_that_are_selected_of_it() {
    let cases = [
        ("{ node(id: 1) { id } }", "node Movie{id} Person{id}"),
        ("{ node(id: 1) { ... on Movie { title } id } }", "node Movie{title id} Person{id}"),
        (
            "{ node(id: 1) { ... on Person { a: name } ... on Movie { a: title } } }",
            "node Movie{a:title} Person{a:name}",
        ),
        ("{ thing { ... on Node { id } } }", "thing Movie{id} Person{id} Prop{}"),
        (
            "{ thing { ... on Prop { label } __typename } }",
            "thing Movie{__typename} Person{__typename} Prop{label __typename}",
        ),
        ("{ node(id: 1) { ... on Thing { ... on Movie { year } } } }", "node Movie{year} Person{}"),
        ("{ all { ... on Node { ... on Thing { ... on Movie { id } ... on Person { name } } } } }", "all{id}"),
        ("{ all { ...F } } fragment F on Thing { ... on Node { id } ... on Prop { label } }", "all{id}"),
        (
            "{ thing { ...M ...N } } fragment M on Movie { thing { ... on Prop { label } } } fragment N on Node { id }",
            "thing Movie{thing Movie{} Person{} Prop{label} id} Person{id} Prop{}",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(shown(text, json!({})), wanted, "{text}");
    }
}

#[test]
fn conditions_are_decided() {
    let both =
        "query ($a: Boolean!, $b: Boolean = true) { x: costly @include(if: $a) @skip(if: $b) costly @include(if: $b) }";
    let cases = [
        ("{ costly @skip(if: true) all { id } }", json!({}), "all{id}"),
        ("{ costly @include(if: false) all { id } }", json!({}), "all{id}"),
        ("{ costly @include(if: true) all { id @skip(if: true) } }", json!({}), "costly all{}"),
        (both, json!({"a": true}), "costly"),
        (both, json!({"a": true, "b": false}), "x:costly"),
        (both, json!({"a": false, "b": false}), ""),
        (both, json!({"a": true, "b": null}), "b is null"),
        ("query ($a: Boolean!) { costly @skip(if: $a) x: costly costly }", json!({"a": true}), "x:costly costly"),
        ("query ($a: Boolean!) { costly @skip(if: $a) x: costly costly }", json!({"a": false}), "costly x:costly"),
        (
            "query ($a: Boolean!) { ...F @skip(if: $a) ...F } fragment F on Query { costly ...G } fragment G on Query { lost @include(if: $a) }",
            json!({"a": true}),
            "costly lost(unresolvable)",
        ),
        ("query ($a: Boolean!) { all { id } ... @include(if: $a) { all { title } } }", json!({"a": false}), "all{id}"),
        ("query ($a: Boolean!) { costly @include(if: $a) @skip(if: $a) }", json!({"a": true}), ""),
    ];
    for (text, variables, wanted) in cases {
        assert_eq!(shown(text, variables.clone()), wanted, "{text} {variables}");
    }
}

#[test]
fn rows_need_the_columns_of_what_is_selected() {
    // Of Movie: id 1, title 2, year 4, director 8. Of Query: movies 2, all 8.
    let cases = [
        ("{ all { id year } }", "all 5"),
        ("{ all { title director { id } } }", "all 10"),
        ("{ all { __typename } }", "all 0"),
        ("{ movies { totalCount } }", "movies 0"),
        ("{ movies { nodes { title } } }", "movies 2"),
        ("{ movies { nodes { title } edges { cursor node { id } } } }", "movies 3"),
        ("{ movies { edges { cursor } } }", "movies 0"),
    ];
    for (text, wanted) in cases {
        let plan = compiled(text, json!({}), &DocumentLimits::NONE).map(|compiled| compiled.plan);
        let Ok(plan) = plan else { panic!("{text}") };
        let field = &plan.root.fields[0];
        let columns = field.selected.iter().fold(0, |all, (_, set)| all | set.columns);
        assert_eq!(format!("{} {columns}", field.response_name), wanted, "{text}");
    }
}

#[test]
fn a_plan_is_personal_if_a_planned_field_is() {
    let cases = [
        ("{ costly }", false),
        ("{ viewer { name } }", true),
        ("{ viewer @skip(if: true) { name } costly }", false),
        ("{ node(id: 1) { ... on Person { viewerMark } } }", true),
        ("{ all { ... on Node { ... on Person { viewerMark } } } }", false),
    ];
    for (text, wanted) in cases {
        let personal = compiled(text, json!({}), &DocumentLimits::NONE).map(|compiled| compiled.plan.is_personal);
        assert_eq!(personal, Ok(wanted), "{text}");
    }
}

#[test]
fn arguments_without_variables_are_read_once() {
    let cases = [
        ("{ movie { id } }", json!({}), "ready", r#"{"id":"1"}"#),
        ("{ movie(id: 5, tags: \"a\") { id } }", json!({}), "ready", r#"{"id":"5","tags":["a"]}"#),
        ("{ movie(year: {from: 1}) { id } }", json!({}), "ready", r#"{"id":"1","year":{"from":1,"to":9}}"#),
        ("query ($a: ID!) { movie(id: $a) { id } }", json!({"a": 7}), "late", r#"{"id":"7"}"#),
        ("query ($a: ID) { movie(id: $a) { id } }", json!({}), "late", r#"{"id":"1"}"#),
        ("query ($a: ID) { movie(id: $a) { id } }", json!({"a": null}), "late", "`id` must not be null."),
        ("query ($a: ID = 3) { movie(id: $a) { id } }", json!({}), "late", r#"{"id":"3"}"#),
        (
            "query ($a: Int!, $b: Int) { movie(year: {from: $a, to: $b}) { id } }",
            json!({"a": 2}),
            "late",
            r#"{"id":"1","year":{"from":2,"to":9}}"#,
        ),
        (
            "query ($a: Int!, $b: Int) { movie(year: {from: $a, to: $b}) { id } }",
            json!({"a": 2, "b": null}),
            "late",
            r#"{"id":"1","year":{"from":2,"to":null}}"#,
        ),
        (
            "query ($a: String!) { movie(tags: [$a, \"b\"]) { id } }",
            json!({"a": "a"}),
            "late",
            r#"{"id":"1","tags":["a","b"]}"#,
        ),
        ("query ($a: [String!]) { movie(tags: $a) { id } }", json!({"a": "a"}), "late", r#"{"id":"1","tags":["a"]}"#),
        ("query ($a: [String!]) { movie(tags: $a) { id } }", json!({}), "late", r#"{"id":"1"}"#),
    ];
    for (text, variables, wanted, arguments) in cases {
        let Ok(CompiledPlan { schema, variables, plan }) = compiled(text, variables, &DocumentLimits::NONE) else {
            panic!("{text}")
        };
        let ValueSource::Resolve { reader, arguments: planned, .. } = &plan.root.fields[0].kind else {
            panic!("{text}")
        };
        let when = if matches!(**planned, super::ArgumentPlan::Ready(_)) { "ready" } else { "late" };
        assert_eq!(when, wanted, "{text}");
        let read = planned.read(&schema, &variables, *reader).map_err(|error| error.message.to_string());
        let read =
            read.map(|read| read.downcast::<TestArguments>().map(|given| Json::Object(given.0.clone()).to_string()));
        let read = match read {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => panic!("{text}"),
            Err(message) => message,
        };
        assert_eq!(read, arguments, "{text}");
    }
}

#[test]
fn plans_have_limits() {
    let limits = DocumentLimits { plan_fields: 6, nesting: 4, ..DocumentLimits::NONE };
    let cases = [
        ("{ a: costly b: costly c: costly }", None),
        ("{ a: costly b: costly c: costly d: costly e: costly f: costly g: costly }", Some(Limit::PlanFields)),
        ("{ thing { ... on Node { id } ... on Movie { title year } } costly }", None),
        (
            "{ thing { ... on Node { id } ... on Movie { title year } ... on Person { name viewerMark } } costly }",
            Some(Limit::PlanFields),
        ),
        ("{ movie { director { favourite { id } } } }", None),
        ("{ movie { ...F } } fragment F on Movie { director { favourite { director { id } } } }", Some(Limit::Nesting)),
    ];
    for (text, wanted) in cases {
        let refused = compiled(text, json!({}), &limits).err();
        assert_eq!(refused, wanted.map(|limit| format!("{limit:?}")), "{text}");
    }
}

/// A field of many types is planned for each, and its arguments are read once for each.
#[test]
fn arguments_are_shared() {
    let text = "{ a: all { ...F } b: all { ...F } } fragment F on Movie { related(first: 1) { totalCount } }";
    let Ok(CompiledPlan { plan, .. }) = compiled(text, json!({}), &DocumentLimits::NONE) else { panic!("{text}") };
    let arguments: Vec<_> = plan.root.fields.iter().map(|field| &field.selected[0].1.fields[0].kind).collect();
    let [ValueSource::Resolve { arguments: a, .. }, ValueSource::Resolve { arguments: b, .. }] = arguments[..] else {
        panic!()
    };
    assert!(Arc::ptr_eq(a, b));
}
