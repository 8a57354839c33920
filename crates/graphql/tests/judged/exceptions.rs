//! Where we differ from graphql-js, and why.

use super::{Judgement, Verdict, theirs};

const EMPTY: &str = "graphql-js follows the draft, in which selection sets may be empty; September 2025 refuses them";
const TYPES: &str = "definitions of types break the grammar of executable documents, not a rule";
const STRINGS: &str = "graphql-js compares strings as written, and a block string is written otherwise";

/// Cases whose verdict differs, each with the reason.
pub const CASES: &[(&str, &str)] = &[
    ("syntax/documents/an empty selection", EMPTY),
    ("syntax/documents/an empty selection without spaces", EMPTY),
    ("syntax/documents/an empty operation", EMPTY),
    ("syntax/documents/an empty query with a name", EMPTY),
    ("syntax/documents/an empty inline fragment", EMPTY),
    ("syntax/documents/an empty fragment", EMPTY),
    ("rules/single_field_subscriptions/no field at all", EMPTY),
    ("rules/single_field_subscriptions/no field at all by an inline fragment", EMPTY),
    ("syntax/descriptions/a description of a type definition", TYPES),
    ("syntax/documents/a type system extension", TYPES),
    ("rules/executable_definitions/a type definition", TYPES),
    ("rules/executable_definitions/an extension of a type", TYPES),
    ("rules/executable_definitions/a schema definition", TYPES),
    ("rules/executable_definitions/a directive definition", TYPES),
    ("rules/executable_definitions/an enum, an input, a scalar, a union and an interface", TYPES),
    ("rules/executable_definitions/only a type definition", TYPES),
    ("rules/overlapping_fields/a string and a block string of one value", STRINGS),
];

/// Why the verdict of a case differs.
pub fn of_case(name: &str) -> Option<&'static str> {
    CASES.iter().find(|(case, _)| *case == name).map(|(_, reason)| *reason)
}

/// Whether the verdict of a mutated document differs for one of the same reasons.
pub fn of_mutation(verdict: &Verdict, ours: &Judgement) -> bool {
    let text = verdict["document"].as_str().unwrap();
    let theirs = theirs(verdict);
    match ours {
        Judgement::Syntax(at) => {
            let rest = &text[offset(text, at)..];
            let word: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
            let is_type = matches!(
                word.as_str(),
                "schema" | "scalar" | "type" | "interface" | "union" | "enum" | "input" | "directive" | "extend"
            );
            // EMPTY, and TYPES, which both sides refuse.
            (rest.starts_with('}') && is_behind_brace(text, offset(text, at)))
                || (is_type && theirs != Judgement::Valid)
        }
        // STRINGS.
        Judgement::Valid | Judgement::Broken(_) => {
            let overlapping = |judgement: &Judgement| matches!(judgement, Judgement::Broken(rules) if rules.contains("OverlappingFieldsCanBeMerged"));
            text.contains("\"\"\"") && overlapping(&theirs) && !overlapping(ours)
        }
    }
}

fn is_behind_brace(text: &str, offset: usize) -> bool {
    let before = text[..offset].trim_end_matches([' ', '\t', '\n', '\r', ',', '\u{FEFF}']);
    before.ends_with('{') || before.lines().last().is_some_and(|line| line.contains('#'))
}

/// The byte offset of a position.
fn offset(text: &str, position: &str) -> usize {
    let (line, column) = position.split_once(':').unwrap();
    let (line, column): (usize, usize) = (line.parse().unwrap(), column.parse().unwrap());
    let (mut at_line, mut at_column) = (1, 1);
    let mut before = '\0';
    for (offset, character) in text.char_indices() {
        if before == '\n' || (before == '\r' && character != '\n') {
            (at_line, at_column) = (at_line + 1, 1);
        }
        if (at_line, at_column) == (line, column) {
            return offset;
        }
        at_column += character.len_utf16();
        before = character;
    }
    text.len()
}
