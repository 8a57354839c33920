//! The cost of hostile operations before they are refused or executed.

use std::fmt::Write;
use std::time::{Duration, Instant};

use graphql::input::Inputs;
use graphql::{
    CostLimit, DocumentLimits, Engine, EngineRefusal, EngineSettings, FieldError, Limit, Request, parse, validate,
};
use rand::{RngExt, SeedableRng};
use serde_json::{Value as Json, json};

use super::world::{World, execute, settings};
use super::{MEGABYTE, filled, fragments, is_alone, memory, numbered, schema, sdl};

fn engine(settings: EngineSettings) -> Engine {
    World::engine(&sdl(), &json!({"root": {}, "objects": {}}), settings).0
}

/// Only the plan is limited.
fn plan_limits() -> EngineSettings {
    EngineSettings {
        limits: DocumentLimits { plan_fields: DocumentLimits::default().plan_fields, ..DocumentLimits::NONE },
        ..settings()
    }
}

fn prepare(engine: &Engine, query: &str, variables: &Inputs) -> Result<(), EngineRefusal> {
    engine.prepare(&Request { query, operation_name: None, variables }).map(drop)
}

/// `count` fragments, each of which continues in two ways through abstract types.
fn abstract_places(count: usize) -> String {
    let mut text = "{node(id:\"1\"){...F0}}".to_owned();
    for i in 0..count {
        let next = i + 1;
        write!(
            text,
            " fragment F{i} on Node{{id ... on Comment{{subject{{...G{i}}}}} ... on Rating{{subject{{...G{i}}}}}}} \
             fragment G{i} on Subject{{... on Movie{{comments{{nodes{{...F{next}}}}}}} ... on Publication{{comments{{nodes{{...F{next}}}}}}}}}"
        )
        .unwrap();
    }
    write!(text, " fragment F{count} on Node{{id}}").unwrap();
    text
}

/// An argument of this size in a fragment on many types.
fn literal_of_types(open: &str, repeated: &str, close: &str, bytes: usize) -> String {
    let long = filled(open, repeated, close, bytes);
    let many = numbered("{", 50, |i| format!("a{i}:movie(id:\"1\"){{...F}} "), "}");
    format!("{many} fragment F on Movie{{comments(after:{long}){{totalCount}}}}")
}

/// Texts, and the limit that refuses their plan, if there is one.
fn texts() -> Vec<(&'static str, String, Option<Limit>)> {
    let comment = "{comment(id:\"1\"){...F0}}";
    let doubling = |i: usize, next: usize| format!("a{i}:parent{{...F{next}}} b{i}:parent{{...F{next}}}");
    let inapplicable = numbered("", 1_000, |_| "... on Cinema{id}".to_owned(), "");
    vec![
        ("one field", numbered("{", 100_000, |_| " commentCursor".to_owned(), "}"), None),
        ("deep objects", numbered("{", 10_000, |_| " movies{nodes{staff{nodes{id}}}}".to_owned(), "}"), None),
        ("aliases", numbered("{", 10_000, |i| format!(" a{i}:commentCursor"), "}"), None),
        (
            "aliases of objects",
            numbered("{", 10_000, |i| format!(" a{i}:movie(id:\"1\"){{id}}"), "}"),
            Some(Limit::PlanFields),
        ),
        ("a chain", fragments("{viewer{...F0}}", "User", 150, |_, next| format!("...F{next}")), None),
        (
            "a long chain",
            fragments("{viewer{...F0}}", "User", 1_700, |_, next| format!("...F{next}")),
            Some(Limit::Nesting),
        ),
        (
            "a deep chain",
            fragments(comment, "Comment", 1_200, |_, next| format!("parent{{...F{next}}}")),
            Some(Limit::Nesting),
        ),
        ("doubling", fragments(comment, "Comment", 100, doubling), Some(Limit::PlanFields)),
        ("abstract places", abstract_places(10), Some(Limit::PlanFields)),
        (
            "fragments of other types",
            numbered("{", 500, |i| format!(" a{i}:node(id:\"1\"){{...F}}"), "}")
                + &format!(" fragment F on Node{{{inapplicable}}}"),
            Some(Limit::PlanFields),
        ),
        ("a long string", literal_of_types("\"", "x", "\"", MEGABYTE), None),
        ("a long block string", literal_of_types("\"\"\"", "x\n", "\"\"\"", MEGABYTE), None),
        (
            "a long list for each node",
            numbered("{", 50, |i| format!("a{i}:node(id:\"1\"){{...F}} "), "}")
                + &filled(
                    " fragment F on Node{... on Movie{id} ... on Comment{replies(after:\"",
                    "x",
                    "\"){totalCount}}}",
                    MEGABYTE,
                ),
            None,
        ),
        ("a long list", filled("{nodes(ids:[", "\"1\" ", "]){id}}", MEGABYTE), None),
    ]
}

#[test]
fn plans_are_linear_in_their_documents_or_refused() {
    let (schema, limits) = (schema(), plan_limits().limits);
    for (name, text, limit) in texts() {
        let engine = engine(plan_limits());
        let started = Instant::now();
        let document = parse(&text, limits).unwrap();
        let valid = validate(&schema, &document, &limits);
        assert!(valid.is_ok(), "{name}");
        drop(document);
        let (judging, before, started) = (started.elapsed(), memory("VmRSS:"), Instant::now());
        let refusal = prepare(&engine, &text, &Inputs::new()).err();
        let took = started.elapsed().saturating_sub(judging);
        let more = memory("VmRSS:").saturating_sub(before) / 1024;
        let refused = match &refusal {
            None => None,
            Some(EngineRefusal::Limit(exceeded)) => Some(exceeded.limit),
            Some(other) => panic!("{name}: {other:?}"),
        };
        println!("{name}: {} bytes, {judging:?} to judge, {took:?} to plan, {more} kB more: {refused:?}", text.len());
        assert_eq!(refused, limit, "{name}");
        assert!(took < Duration::from_secs(3), "{name}: {took:?}");
        assert!(engine.cached_bytes() <= plan_limits().cache_bytes, "{name}");
    }
}

/// Conditions make many plans of one document. The least used ones are dropped.
#[test]
fn plans_of_all_conditions_stay_within_the_cache() {
    const CACHE: u64 = 4 << 20;
    if !is_alone("plans::plans_of_all_conditions_stay_within_the_cache") {
        return;
    }
    let names = 0..40;
    let declared = names.clone().map(|i| format!("$v{i}:Boolean!")).collect::<Vec<_>>().join(" ");
    let fields: String =
        names.clone().map(|i| format!(" a{i}:viewer@include(if:$v{i}){{id username fullName}}")).collect();
    let text = format!("query({declared}){{commentCursor{fields}}}");
    let engine = engine(EngineSettings { cache_bytes: CACHE, ..plan_limits() });
    let seed = 1;
    let mut random = rand::rngs::ChaCha8Rng::seed_from_u64(seed);
    let before = memory("VmRSS:");
    let mut most = 0;
    for _ in 0..2_000 {
        let variables: Inputs = names.clone().map(|i| (format!("v{i}"), Json::Bool(random.random()))).collect();
        assert!(prepare(&engine, &text, &variables).is_ok(), "seed {seed}");
        most = most.max(engine.cached_bytes());
    }
    let more = memory("VmRSS:").saturating_sub(before);
    println!("at most {most} bytes of {CACHE} by our count, {more} by the system's");
    assert!(most <= CACHE, "{most}");
    assert!(most > CACHE / 4, "{most}: the cache was not filled");
    assert!(more < 2 * usize::try_from(CACHE).unwrap(), "{more}");
}

/// Documents that are used once do not exceed the cache either.
#[test]
fn documents_stay_within_the_cache() {
    const CACHE: u64 = 4 << 20;
    if !is_alone("plans::documents_stay_within_the_cache") {
        return;
    }
    let engine = engine(EngineSettings { cache_bytes: CACHE, ..plan_limits() });
    let before = memory("VmRSS:");
    let mut most = 0;
    for i in 0..2_000 {
        let text = format!("query Q{i}($n:Int=1){{movies(first:$n){{nodes{{id title year staff{{nodes{{id}}}}}}}}}}");
        assert!(prepare(&engine, &text, &Inputs::new()).is_ok());
        most = most.max(engine.cached_bytes());
    }
    let more = memory("VmRSS:").saturating_sub(before);
    println!("at most {most} bytes of {CACHE} by our count, {more} by the system's");
    assert!(most <= CACHE, "{most}");
    assert!(more < 2 * usize::try_from(CACHE).unwrap(), "{more}");
}

/// A variable with many uses is refused before it is coerced for each of them.
#[test]
fn variables_in_many_places_are_counted() {
    let settings =
        EngineSettings { limits: DocumentLimits { input_values: 10_000, ..DocumentLimits::NONE }, ..settings() };
    let engine = engine(settings);
    let text = numbered(
        "query($t:[String!]){",
        100,
        |i| format!(" a{i}:movies(filter:{{tags:{{all:$t}}}}){{totalCount}}"),
        "}",
    );
    for (tags, limit) in [(90, None), (100_000, Some((CostLimit::InputValues, 10_000)))] {
        let tags: Vec<Json> = (0..tags).map(|i| Json::from(format!("tag {i}"))).collect();
        let variables: Inputs = [("t".to_owned(), Json::from(tags))].into_iter().collect();
        let started = Instant::now();
        let refusal = prepare(&engine, &text, &variables).err();
        println!("{:?}: {:?}", started.elapsed(), refusal);
        let refused = match refusal {
            Some(EngineRefusal::TooComplex { limit, max, .. }) => Some((limit, max)),
            other => {
                assert!(other.is_none(), "{other:?}");
                None
            }
        };
        assert_eq!(refused, limit);
    }
}

/// Rows that become null leave errors, which are limited like data.
#[test]
fn responses_stay_within_their_bytes() {
    const BYTES: usize = 10_000;
    let sdl = "type Query { rows: [Row] sure: [Row!] } type Row { id: Int! text: String }";
    let text = "x".repeat(100);
    let healthy: Json = (0..500).map(|id| json!({"id": id, "text": text})).collect();
    let failing: Json = (0..500).map(|_| json!({"id": {"error": text}, "text": text})).collect();
    let cases = [
        ("a long answer", json!({"rows": healthy}), "{rows{id text}}", false),
        ("a shorter answer", json!({"rows": healthy}), "{rows{id}}", true),
        ("many errors", json!({"rows": failing}), "{rows{id}}", false),
        ("the same many times", json!({"rows": failing}), "{a:rows{text id} b:rows{text id}}", false),
        ("one error", json!({"sure": failing}), "{sure{text id}}", true),
    ];
    for (name, root, query, is_short) in cases {
        let (engine, context) = World::engine(sdl, &json!({"root": root, "objects": {}}), settings());
        match execute((&engine, &context), query, &Inputs::new(), BYTES) {
            Ok(answer) => assert!(is_short && answer.len() <= BYTES, "{name}: {} bytes", answer.len()),
            Err(EngineRefusal::TooLarge(bytes)) => assert!(!is_short && bytes == BYTES, "{name}"),
            Err(other) => panic!("{name}: {other:?}"),
        }
    }
}

/// A mutation is executed however large its response is.
#[test]
fn a_response_of_a_mutation_keeps_the_fields_that_fit() {
    let sdl = "type Query { a: Int } type Mutation { first: Payload second: Payload third: Payload }
        type Payload { token: String wide: [Row] rows: [Row]! } type Row { text: String! }";
    let rows: Json = (0..100).map(|_| json!({"text": "x".repeat(100)})).collect();
    let payload = |token| json!({"token": token, "wide": rows, "rows": rows});
    let root = json!({"first": payload("t"), "second": payload("u"), "third": payload("v")});
    let (engine, context) = World::engine(sdl, &json!({"root": root, "objects": {}}), settings());
    let query = "mutation { first { token } second { token wide { text } } third { token rows { text } } again: first { token } }";
    let prepared = engine.prepare(&Request { query, operation_name: None, variables: &Inputs::new() }).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let executed = runtime.block_on(engine.run(&prepared, &context));
    assert!(matches!(executed.response(1_000), Err(EngineRefusal::TooLarge(1_000))));
    let answer = executed.shortened(1_000, &FieldError::plain("too large"));
    let answer: Json = serde_json::from_slice(&answer.json).unwrap();
    let data = json!({"first": {"token": "t"}, "second": {"token": "u", "wide": null}, "third": null, "again": {"token": "t"}});
    assert_eq!(answer["data"], data, "{answer}");
    let paths: Vec<_> = answer["errors"].as_array().unwrap().iter().map(|error| error["path"].clone()).collect();
    assert_eq!(paths, [json!(["second", "wide"]), json!(["third"])]);
}
