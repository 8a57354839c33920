//! Introspection of a described schema, compared with that of graphql-js for the printed schema.

use std::collections::BTreeMap;

use graphql::EngineRefusal;
use graphql::input::Inputs;
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};

use super::cinema;
use super::judge::ask_lines;
use super::world::execute;

/// The query of common tools.
const STANDARD: &str = "query IntrospectionQuery { __schema {
    queryType { name kind } mutationType { name kind } subscriptionType { name kind } types { ...FullType }
    directives { name description isRepeatable locations args(includeDeprecated: true) { ...InputValue } } } }";

const FRAGMENTS: &str = "
    fragment FullType on __Type { kind name description specifiedByURL isOneOf
        fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue }
            type { ...TypeRef } isDeprecated deprecationReason }
        inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
        enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
        possibleTypes { ...TypeRef } }
    fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
    fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType {
        kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } }";

/// The data of graphql-js for each document with its variables, as it writes it.
fn theirs(sdl: &str, cases: &[(String, Json)]) -> Vec<String> {
    let line = |(document, variables): &(String, Json)| {
        let root = json!({"count": 2, "all": [{"__typename": "Film", "title": "Solaris"}, {"__typename": "Hall", "seats": 5}, null]});
        json!({"name": document, "schema": sdl, "document": document, "variables": variables, "root": root}).to_string()
    };
    let input: Vec<String> = cases.iter().map(line).collect();
    let raw = |text: &str| serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(text).unwrap();
    let answers = ask_lines(&["alone"], &input.join("\n"));
    answers.iter().map(|line| raw(raw(line)["answer"].get())["data"].get().to_owned()).collect()
}

fn ours(document: &str, variables: &Json) -> String {
    let (_, engine, context) = cinema::engine(true);
    let variables: &Inputs = variables.as_object().unwrap();
    let answer = execute((&engine, &context), document, variables, usize::MAX)
        .unwrap_or_else(|error| panic!("{document}: {error:?}"));
    answer.strip_prefix("{\"data\":").unwrap().strip_suffix('}').unwrap().to_owned()
}

fn compare(cases: &[(String, Json)]) {
    let (sdl, ..) = cinema::engine(true);
    let theirs = theirs(&sdl, cases);
    assert_eq!(theirs.len(), cases.len());
    let mut wrong = Vec::new();
    for ((document, variables), theirs) in cases.iter().zip(theirs) {
        let ours = ours(document, variables);
        // Interfaces implement none here; async-graphql returns null.
        let theirs = match document.contains("\"Named\"") {
            true => theirs.replace("\"interfaces\":[]", "\"interfaces\":null"),
            false => theirs,
        };
        if ours != theirs {
            wrong.push(format!("{document} {variables}\n  ours   {ours}\n  theirs {theirs}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn the_described_schema_is_printed() {
    let (sdl, ..) = cinema::engine(true);
    assert_eq!(sdl, include_str!("cinema.graphql"));
}

#[test]
fn every_type_is_introspected_as_graphql_js_does() {
    let names = ["Film", "Hall", "Named", "Thing", "Place", "FilmFilter", "FilmKey", "Day", "Query"];
    let document = |name| format!("{{ __type(name: \"{name}\") {{ ...FullType }} }} {FRAGMENTS}");
    compare(&names.map(|name| (document(name), json!({}))));
}

/// Documents, and their variables.
fn documents() -> Vec<(&'static str, Json)> {
    let deprecated = "query ($name: String!, $old: Boolean! = true) { __type(name: $name) { fields(includeDeprecated: $old) { name } enumValues(includeDeprecated: $old) { name } } }";
    let absent = "query ($old: Boolean) { __type(name: \"Film\") { fields(includeDeprecated: $old) { name } } }";
    let conditions = "query ($a: Boolean!) { __type(name: \"Hall\") { name @skip(if: $a) kind @include(if: $a) fields { name @include(if: $a) } } count @skip(if: $a) }";
    vec![
        (
            "{ __schema { queryType { name } mutationType { name } subscriptionType { name } __typename } __typename }",
            json!({}),
        ),
        (
            "{ count __type(name: \"Hall\") { name } c: count s: __schema { queryType { name fields { name } } } }",
            json!({}),
        ),
        (
            "{ t: __type(name: \"Hall\") { ...T } u: __type(name: \"Film\") { a: name ...T } } fragment T on __Type { n: name k: kind ...K } fragment K on __Type { kind __typename }",
            json!({}),
        ),
        (
            "{ __type(name: \"Hall\") { name } ...F __type(name: \"Hall\") { kind } } fragment F on Query { __type(name: \"Hall\") { kind fields { name } fields { type { kind } } } }",
            json!({}),
        ),
        (
            "{ __type(name: \"Film\") { ... on __Type { fields { ... { __typename t: type { __typename name } } } } } }",
            json!({}),
        ),
        ("{ __type(name: \"Missing\") { name } count }", json!({})),
        ("{ __type(name: \"a \\\"quoted\\\" \\\\ name \\u{1F600} \\n \\u0007\") { name } }", json!({})),
        ("{ __type(name: \"\"\"Hall\"\"\") { name } }", json!({})),
        ("{ __type(name: \"__Type\") { name kind interfaces { name } } }", json!({})),
        ("{ __type(name: \"Int\") { name kind fields { name } } }", json!({})),
        ("{ __type(name: \"Query\") { fields { name args { name defaultValue type { name } } } } }", json!({})),
        ("{ __type(name: \"Hall\") { name @skip(if: true) } }", json!({})),
        ("{ __type(name: \"Hall\") { fields { name @skip(if: true) } } count }", json!({})),
        ("{ __type(name: \"Hall\") @skip(if: true) { name } count }", json!({})),
        ("{ all { __typename ... on Hall { seats } } __type(name: \"Thing\") { possibleTypes { name } } }", json!({})),
        (deprecated, json!({"name": "Film"})),
        (deprecated, json!({"name": "Film", "old": false})),
        (deprecated, json!({"name": "Place"})),
        (deprecated, json!({"name": "Place", "old": false})),
        (deprecated, json!({"name": "\"}{ evil \\"})),
        (absent, json!({})),
        (absent, json!({"old": true})),
        (conditions, json!({"a": true})),
        (conditions, json!({"a": false})),
    ]
}

#[test]
fn introspection_beside_data_is_answered_as_graphql_js_does() {
    let cases: Vec<_> = documents().into_iter().map(|(text, variables)| (text.to_owned(), variables)).collect();
    compare(&cases);
}

/// The schema's own types by name. The order of types differs, and so do those that each server adds.
fn described(data: &str) -> Json {
    let mut data: Json = serde_json::from_str(data).unwrap();
    let schema = &mut data["__schema"];
    let built_in = ["Int", "Float", "String", "Boolean", "ID"];
    let name = |of: &Json| of["name"].as_str().unwrap().to_owned();
    let types = schema["types"].as_array().unwrap().iter();
    let types: BTreeMap<String, Json> = types.map(|of| (name(of), of.clone())).collect();
    let types: BTreeMap<_, _> =
        types.into_iter().filter(|(name, _)| !name.starts_with("__") && !built_in.contains(&&**name)).collect();
    assert!(types.len() > 5, "{types:?}");
    schema["types"] = json!(types);
    // async-graphql returns null, see above.
    schema["types"]["Named"]["interfaces"] = Json::Null;
    let directives = schema["directives"].as_array().unwrap().iter();
    let mut directives: Vec<String> = directives.map(name).collect();
    directives.sort();
    schema["directives"] = json!(directives);
    data
}

#[test]
fn the_standard_query_is_answered_as_graphql_js_does() {
    let document = format!("{STANDARD} {FRAGMENTS}");
    let (sdl, ..) = cinema::engine(true);
    let theirs = theirs(&sdl, &[(document.clone(), json!({}))]);
    assert_eq!(described(&ours(&document, &json!({}))), described(&theirs[0]));
}

#[test]
fn introspection_that_is_off_is_refused() {
    let (_, engine, context) = cinema::engine(false);
    let refused = [
        ("{ __schema { queryType { name } } }", 1, 3),
        ("{ count __type(name: \"Film\") { name } }", 1, 9),
        ("query { count\n ...F } fragment F on Query { count\n s: __schema { types { name } } }", 3, 2),
    ];
    for (document, line, column) in refused {
        let refusal = execute((&engine, &context), document, &Inputs::new(), usize::MAX);
        let Err(EngineRefusal::Introspection(position)) = refusal else { panic!("{document}: {refusal:?}") };
        assert_eq!((position.line, position.column), (line, column), "{document}");
    }
    let answered = [
        ("{ __typename count }", r#"{"data":{"__typename":"Query","count":2}}"#),
        ("{ count __schema @skip(if: true) { queryType { name } } }", r#"{"data":{"count":2}}"#),
    ];
    for (document, answer) in answered {
        assert_eq!(execute((&engine, &context), document, &Inputs::new(), usize::MAX).unwrap(), answer);
    }
}

/// Enums, scalars, defaults and arguments of the description reach its resolvers and responses.
#[test]
fn a_described_schema_is_executed() {
    let cases = [
        (
            "{ films { title place days hall { title seats } } }",
            r#"{"films":[{"title":"Metropolis","place":null,"days":["1972-03-20"],"hall":null},{"title":"Solaris","place":"OUTDOORS","days":["1972-03-20"],"hall":{"title":"Big","seats":5}}]}"#,
        ),
        ("{ films(descending: true) { title } }", r#"{"films":[{"title":"Solaris"},{"title":"Metropolis"}]}"#),
        (
            "{ a: films(key: {id: \"M\"}) { name } b: films(key: {title: \"Solaris\"}) { name } }",
            r#"{"a":[{"name":"Metropolis"}],"b":[{"name":"Solaris"}]}"#,
        ),
        (
            "{ all { ... on Named { title } ... on Hall { seats } __typename } newest { title } }",
            r#"{"all":[{"title":"Solaris","__typename":"Film"},{"title":"Big","seats":5,"__typename":"Hall"},null],"newest":{"title":"Big"}}"#,
        ),
    ];
    for (document, data) in cases {
        assert_eq!(ours(document, &json!({})), data, "{document}");
    }
    let (_, engine, context) = cinema::engine(true);
    let failing = execute(
        (&engine, &context),
        "{ films(filter: {since: \"1972-03-20\"}) { title } }",
        &Inputs::new(),
        usize::MAX,
    );
    assert_eq!(
        failing.unwrap(),
        r#"{"data":null,"errors":[{"message":"no films of 90 minutes since 1972-03-20","locations":[{"line":1,"column":3}],"path":["films"]}]}"#
    );
    let invalid =
        execute((&engine, &context), "{ films(filter: {since: \"today\"}) { title } }", &Inputs::new(), usize::MAX);
    assert!(matches!(invalid, Err(EngineRefusal::Invalid(_))), "{invalid:?}");
}
