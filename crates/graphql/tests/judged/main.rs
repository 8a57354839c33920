//! Compares documents, variables, arguments and responses with graphql-js. The cases are in `tests/documents`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at what it did not expect")]

mod arguments;
mod cinema;
mod exceptions;
mod execution;
mod inputs;
mod introspection;
mod judge;
mod mutations;
mod operations;
#[path = "../world/mod.rs"]
mod world;

use std::collections::BTreeSet;

use graphql::validation::Invalid;
use graphql::{DocumentLimits, Schema, parse, validate};
use judge::{Verdict, ask, schema};

/// One side's result for a document.
#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    Valid,
    /// The names of the broken rules.
    Broken(BTreeSet<String>),
    /// The position of the syntax error.
    Syntax(String),
}

fn ours(schema: &Schema, document: &str) -> Judgement {
    let document = match parse(document, DocumentLimits::NONE) {
        Ok(document) => document,
        Err(error) => return Judgement::Syntax(error.position().to_string()),
    };
    match validate(schema, &document, &DocumentLimits::NONE) {
        Ok(()) => Judgement::Valid,
        Err(Invalid::Rules(violations)) => {
            Judgement::Broken(violations.iter().map(|violation| violation.rule.name().to_owned()).collect())
        }
        Err(Invalid::Limit(limit)) => panic!("{limit}"),
    }
}

fn theirs(verdict: &Verdict) -> Judgement {
    match &verdict["syntax"]["at"] {
        at if at.is_string() => Judgement::Syntax(at.as_str().unwrap().to_owned()),
        _ if verdict["valid"] == true => Judgement::Valid,
        _ => {
            let broken = verdict["broken"].as_array().unwrap();
            Judgement::Broken(broken.iter().map(|broken| broken["rule"].as_str().unwrap().to_owned()).collect())
        }
    }
}

/// The rules that only one side reports at a position: `rule position`.
fn misplaced(schema: &Schema, verdict: &Verdict) -> Vec<String> {
    let document = parse(verdict["document"].as_str().unwrap(), DocumentLimits::NONE).unwrap();
    let Err(Invalid::Rules(violations)) = validate(schema, &document, &DocumentLimits::NONE) else { return Vec::new() };
    let ours: Vec<(&str, Vec<String>)> = violations
        .iter()
        .map(|violation| (violation.rule.name(), violation.positions.iter().map(ToString::to_string).collect()))
        .collect();
    let theirs: Vec<(&str, Vec<String>)> = verdict["broken"]
        .as_array()
        .unwrap()
        .iter()
        .map(|broken| {
            let at = broken["at"].as_array().unwrap().iter().map(|at| at.as_str().unwrap().to_owned());
            (broken["rule"].as_str().unwrap(), at.collect())
        })
        .collect();
    let meets = |(rule, at): &(&str, Vec<String>), others: &[(&str, Vec<String>)]| {
        others.iter().any(|(other, places)| other == rule && places.iter().any(|place| at.contains(place)))
    };
    let alone = |of: &[(&str, Vec<String>)], others: &[(&str, Vec<String>)], is_theirs: bool| -> Vec<String> {
        let side = if is_theirs { "theirs" } else { "ours" };
        of.iter()
            .filter(|each| !exceptions::of_place(each.0, is_theirs) && !meets(each, others))
            .map(|(rule, at)| format!("{side} {rule} {at:?}"))
            .collect()
    };
    let mut found = alone(&ours, &theirs, false);
    found.extend(alone(&theirs, &ours, true));
    found
}

/// Compares all verdicts. Those with a reason from `is_exception` may differ. Returns how many did.
fn compare(verdicts: &[Verdict], is_exception: impl Fn(&Verdict, &Judgement) -> bool) -> usize {
    let schema = schema("schema.graphql");
    let mut excepted = 0;
    let mut wrong = Vec::new();
    for verdict in verdicts {
        let (ours, theirs) = (ours(&schema, verdict["document"].as_str().unwrap()), theirs(verdict));
        if ours == theirs {
            if let Judgement::Broken(_) = ours {
                let misplaced = misplaced(&schema, verdict);
                if !misplaced.is_empty() {
                    wrong.push(format!("{}\n{}\n  {}", verdict["case"], verdict["document"], misplaced.join("\n  ")));
                }
            }
            continue;
        }
        if is_exception(verdict, &ours) {
            excepted += 1;
        } else {
            wrong.push(format!("{}\n{}\n  ours   {ours:?}\n  theirs {theirs:?}", verdict["case"], verdict["document"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), verdicts.len(), wrong.join("\n"));
    excepted
}

#[test]
fn documents_are_judged_as_graphql_js_does() {
    let verdicts = ask(&["documents"], "");
    assert!(verdicts.len() > 500, "{} cases", verdicts.len());
    let excepted = compare(&verdicts, |verdict, _| exceptions::of_case(verdict["case"].as_str().unwrap()).is_some());
    assert_eq!(excepted, exceptions::CASES.len(), "an exception is no longer needed");
}

#[test]
fn mutated_documents_are_judged_as_graphql_js_does() {
    let documents = ask(&["documents"], "");
    let seed = std::env::var("KINOTEKA_MUTATION_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    let count = std::env::var("KINOTEKA_MUTATIONS").map_or(1_000, |count| count.parse().expect("a number"));
    println!("KINOTEKA_MUTATION_SEED={seed} KINOTEKA_MUTATIONS={count}");
    let verdicts = ask(&["-"], &mutations::of(&documents, seed, count));
    assert_eq!(verdicts.len(), count);
    let excepted = compare(&verdicts, exceptions::of_mutation);
    println!("{excepted} differ for a reason");
    assert!(excepted * 10 < count, "{excepted} exceptions");
}
