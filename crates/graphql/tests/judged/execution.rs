//! Operations that both sides execute over the same graph.

use std::collections::{BTreeMap, BTreeSet};

use graphql::{Context, Engine, EngineRefusal, Schema};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::inputs::same;
use super::judge::{Verdict, ask_lines, read, schema};
use super::operations;
use super::world::{World, execute, settings};
use super::{arguments, exceptions};

/// One side's response, in comparable form.
struct Answer {
    /// The data as text; `None` if the operation was refused.
    data: Option<String>,
    errors: Vec<Json>,
}

/// Parses a response. The data stays as it was written.
fn answer(text: &str) -> Answer {
    let parts: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).unwrap();
    let errors = parts.get("errors").map(|errors| serde_json::from_str(errors.get()).unwrap());
    Answer { data: parts.get("data").map(|data| data.get().to_owned()), errors: errors.unwrap_or_default() }
}

/// The path of the null that this error makes.
fn null_place(data: &Json, error: &Json) -> Vec<String> {
    let mut here = data;
    let mut place = Vec::new();
    for step in error["path"].as_array().unwrap() {
        if here.is_null() {
            break;
        }
        here = match step {
            Json::String(name) => &here[name],
            step => &here[usize::try_from(step.as_u64().unwrap()).unwrap()],
        };
        place.push(step.to_string());
    }
    assert!(here.is_null(), "{error} has no null in {data}");
    place
}

/// The position and message of an error. Ours has the first of the positions in the document.
fn claim(error: &Json) -> String {
    let message = error["message"].as_str().unwrap();
    match exceptions::is_null_argument(message) {
        true => format!("{} an argument is null", error["path"]),
        false => format!("{} {} {message}", error["path"], error["locations"][0]),
    }
}

/// Errors by the null that they make. The number of errors below one null is not specified.
fn by_null(answer: &Answer) -> BTreeMap<Vec<String>, BTreeSet<String>> {
    let data: Json = serde_json::from_str(answer.data.as_ref().unwrap()).unwrap();
    let mut found: BTreeMap<Vec<String>, BTreeSet<String>> = BTreeMap::new();
    for error in &answer.errors {
        found.entry(null_place(&data, error)).or_default().insert(claim(error));
    }
    found
}

fn same_errors(ours: &Answer, theirs: &Answer) -> bool {
    let (ours, theirs) = (by_null(ours), by_null(theirs));
    ours.len() == theirs.len()
        && ours.iter().zip(&theirs).all(|((our_null, ours), (their_null, theirs))| {
            our_null == their_null && (ours.is_subset(theirs) || theirs.is_subset(ours))
        })
}

/// `echo` returns JSON, whose keys and numbers may be written in several ways.
fn same_echoes(ours: &str, theirs: &str) -> bool {
    let (ours, theirs): (Json, Json) = (serde_json::from_str(ours).unwrap(), serde_json::from_str(theirs).unwrap());
    let (Some(ours), Some(theirs)) = (ours.as_object(), theirs.as_object()) else { return ours == theirs };
    let echo = |value: &Json| value.as_str().map(|text| serde_json::from_str::<Json>(text).unwrap());
    ours.keys().eq(theirs.keys())
        && ours.values().zip(theirs.values()).all(|(ours, theirs)| match (echo(ours), echo(theirs)) {
            (Some(ours), Some(theirs)) => same(&ours, &theirs),
            _ => ours == theirs,
        })
}

/// A description of the difference.
fn difference(verdict: &Verdict, theirs: &str, ours: Result<String, EngineRefusal>) -> Option<String> {
    let theirs = answer(theirs);
    let ours = match (ours, &theirs.data) {
        (Err(EngineRefusal::Variables(errors)), None) => {
            let message = theirs.errors[0]["message"].as_str().unwrap();
            let name = |error: &graphql::input::InputError| {
                error.path.split(['.', '[']).nth(1).is_some_and(|name| message.contains(&format!("\"${name}\"")))
            };
            return (!errors.iter().any(name)).then(|| format!("{errors:?} is not {message}"));
        }
        (Err(refusal), _) => return Some(format!("refused: {refusal:?}")),
        (Ok(ours), None) => return Some(format!("not refused: {ours}")),
        (Ok(ours), Some(_)) => answer(&ours),
    };
    let (our_data, their_data) = (ours.data.as_ref().unwrap(), theirs.data.as_ref().unwrap());
    let is_echo = verdict["document"].as_str().unwrap().contains("echo");
    if our_data != their_data && !(is_echo && same_echoes(our_data, their_data)) {
        return Some(format!("ours   {our_data}\n  theirs {their_data}"));
    }
    let is_same = same_errors(&ours, &theirs);
    (!is_same).then(|| format!("our errors   {:#?}\n  their errors {:#?}", ours.errors, theirs.errors))
}

/// A description of the difference in the responses to a line of the judge.
fn compare((engine, context): (&Engine, &Context), line: &str) -> Option<String> {
    let parts: BTreeMap<String, Box<RawValue>> = serde_json::from_str(line).unwrap();
    let verdict: Verdict = serde_json::from_str(line).unwrap();
    let (case, document) = (verdict["case"].as_str().unwrap(), verdict["document"].as_str().unwrap());
    let run = || execute((engine, context), document, verdict["variables"].as_object().unwrap(), usize::MAX);
    if exceptions::of_execution(case).is_some() {
        let refused = run();
        assert!(
            matches!(refused, Err(EngineRefusal::Introspection(_) | EngineRefusal::Variables(_))),
            "{case}: {refused:?}"
        );
        return None;
    }
    // Twice: the second time the plan is cached.
    let difference = (0..2).find_map(|_| difference(&verdict, parts["answer"].get(), run()))?;
    Some(format!("{case}\n  {document}\n  {}\n  {difference}", verdict["variables"]))
}

fn compare_all(kind: &str, sdl: &str, lines: &[String]) {
    let graph = serde_json::from_str(&read(&format!("tests/documents/execution/{kind}.json"))).unwrap();
    let (engine, context) = World::engine(&read(sdl), &graph, settings());
    let wrong: Vec<String> = lines.iter().filter_map(|line| compare((&engine, &context), line)).collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), lines.len(), wrong.join("\n"));
}

const THEATRE: &str = "tests/documents/execution/theatre.graphql";

#[test]
fn operations_over_the_theatre_are_answered_as_graphql_js_does() {
    let lines = ask_lines(&["theatre"], "");
    assert!(lines.len() > 100, "{} cases", lines.len());
    compare_all("theatre", THEATRE, &lines);
    let is_listed = |(case, _): &(&str, &str)| lines.iter().any(|line| line.contains(case));
    assert!(exceptions::EXECUTIONS.iter().all(is_listed), "an exception is no longer needed");
}

#[test]
fn operations_over_the_catalogue_are_answered_as_graphql_js_does() {
    let lines = ask_lines(&["catalogue"], "");
    assert!(lines.len() > 20, "{} cases", lines.len());
    compare_all("catalogue", "schema.graphql", &lines);
}

/// Compares operations that `of` makes from the schema, a seed and their number.
fn compare_random(of: impl Fn(&Schema, u64, usize) -> String) -> Vec<String> {
    let seed = std::env::var("KINOTEKA_OPERATION_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    let count = std::env::var("KINOTEKA_OPERATIONS").map_or(300, |count| count.parse().expect("a number"));
    println!("KINOTEKA_OPERATION_SEED={seed} KINOTEKA_OPERATIONS={count}");
    let lines = ask_lines(&["theatre -"], &of(&schema(THEATRE), seed, count));
    assert_eq!(lines.len(), count);
    compare_all("theatre", THEATRE, &lines);
    let nulls = lines.iter().filter(|line| line.contains("\"data\":null")).count();
    assert!(nulls * 3 < count, "{nulls} answers say little");
    lines
}

#[test]
fn random_operations_over_the_theatre_are_answered_as_graphql_js_does() {
    compare_random(operations::random);
}

#[test]
fn random_operations_with_arguments_are_answered_as_graphql_js_does() {
    let lines = compare_random(arguments::random);
    let refused = lines.iter().filter(|line| !line.contains("\"data\":")).count();
    assert!(refused * 10 < lines.len(), "{refused} operations are refused");
}
