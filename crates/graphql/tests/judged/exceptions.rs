//! Differences from graphql-js, and the reasons.

use std::collections::BTreeSet;

use super::{Judgement, Verdict, theirs};

const EMPTY: &str =
    "graphql-js follows the edition of September 2026, in which selection sets may be empty; we follow that of 2025";
const TYPES: &str = "definitions of types break the grammar of executable documents, not a rule";
const STRINGS: &str = "graphql-js compares strings as written, and a block string is written otherwise";
const INFINITE: &str = "graphql-js takes a literal Float beyond the greatest for infinity; a Float is finite";

/// Cases with a different verdict, each with the reason.
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
    ("rules/values_of_correct_type/an Int of 400 digits as a default of a Float", INFINITE),
    ("rules/values_of_correct_type/a Float beyond the greatest as a default", INFINITE),
];

const INTROSPECTION: &str =
    "an engine of a schema without a description answers no introspection: see introspection.rs";

const CONDITION: &str =
    "a condition that is null makes the variables invalid; graphql-js reports it where it is selected";

/// Executed cases that we refuse, each with the reason.
pub const EXECUTIONS: &[(&str, &str)] = &[
    ("execution/theatre/order_and_types/introspection beside data", INTROSPECTION),
    ("execution/theatre/order_and_types/the introspection of what is missing", INTROSPECTION),
    ("execution/theatre/order_and_types/an input's defaults by introspection", INTROSPECTION),
    ("execution/theatre/order_and_types/arguments' defaults by introspection", INTROSPECTION),
    ("execution/theatre/order_and_types/null for a condition with a default | null", CONDITION),
];

/// Why a case is refused.
pub fn of_execution(name: &str) -> Option<&'static str> {
    EXECUTIONS.iter().find(|(case, _)| *case == name).map(|(_, reason)| *reason)
}

/// Whether an error says that an argument is null. graphql-js names the argument, we name the field.
pub fn is_null_argument(message: &str) -> bool {
    let is_theirs = message.starts_with("Argument \"") && message.ends_with("not to be null.");
    let is_ours = message.starts_with('`') && message.ends_with("` must not be null.");
    is_theirs || is_ours
}

/// Whether a rule's positions are not compared.
pub fn of_place(rule: &str, is_theirs: bool) -> bool {
    match rule {
        // We report the field or the named type, graphql-js the selection or the list around it.
        "ScalarLeafs" | "VariablesAreInputTypes" => true,
        // We report one superfluous field, graphql-js all.
        "SingleFieldSubscriptions" => true,
        // We report the first conflict of a name, graphql-js all.
        "OverlappingFieldsCanBeMerged" => is_theirs,
        // INFINITE; and since September 2026 directives have `isDeprecated` and `deprecationReason`.
        "ValuesOfCorrectType" | "FieldsOnCorrectType" => !is_theirs,
        _ => false,
    }
}

/// Why the verdict of a case differs.
pub fn of_case(name: &str) -> Option<&'static str> {
    CASES.iter().find(|(case, _)| *case == name).map(|(_, reason)| *reason)
}

/// Whether the verdict of a mutated document differs for one of these reasons.
pub fn of_mutation(verdict: &Verdict, ours: &Judgement) -> bool {
    let text = verdict["document"].as_str().unwrap();
    match (ours, theirs(verdict)) {
        (Judgement::Syntax(at), theirs) => {
            let rest = &text[offset(text, at)..];
            let word: String = rest.chars().take_while(|c| *c == '_' || c.is_ascii_alphanumeric()).collect();
            let is_empty = rest.starts_with('}') && is_behind_brace(text, offset(text, at));
            let is_type = TYPE_KEYWORDS.contains(&word.as_str()) && theirs != Judgement::Valid;
            // graphql-js reads one token further, which may also be wrong.
            let is_variable = rest.starts_with('$') && matches!(theirs, Judgement::Syntax(_));
            // We report the wrong word, graphql-js the description before it.
            let is_described = matches!(theirs, Judgement::Syntax(at) if text[offset(text, &at)..].starts_with('"'));
            is_empty || is_type || is_variable || (is_described && !word.is_empty())
        }
        (ours, theirs) => {
            let rest = |judgement: &Judgement| match judgement {
                Judgement::Broken(rules) => {
                    rules.iter().filter(|rule| !may_differ(text, rule, rules)).cloned().collect()
                }
                _ => Vec::new(),
            };
            !matches!(theirs, Judgement::Syntax(_)) && rest(ours) == rest(&theirs)
        }
    }
}

/// Whether one side alone may report that a document breaks a rule.
fn may_differ(text: &str, rule: &str, rules: &BTreeSet<String>) -> bool {
    match rule {
        // Since September 2026 directives have `isDeprecated` and `deprecationReason`.
        "FieldsOnCorrectType" => text.contains("directives {") && text.contains("eprecat"),
        // INFINITE; and for a field that is given twice, graphql-js checks the last value, we check each.
        "ValuesOfCorrectType" => is_infinite(text) || rules.contains("UniqueInputFieldNames"),
        // STRINGS; and graphql-js does not know the type of `__typename` here.
        "OverlappingFieldsCanBeMerged" => text.contains("\"\"\"") || text.contains("__typename"),
        // Of fields with one name, graphql-js looks at the first.
        "SingleFieldSubscriptions" => rules.contains("OverlappingFieldsCanBeMerged"),
        // Of fragments with one name, graphql-js follows each, we follow the last.
        "NoFragmentCycles" => rules.contains("UniqueFragmentNames"),
        _ => false,
    }
}

const TYPE_KEYWORDS: &[&str] =
    &["schema", "scalar", "type", "interface", "union", "enum", "input", "directive", "extend"];

/// Whether the text has a number beyond the largest.
fn is_infinite(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word.parse().is_ok_and(f64::is_infinite))
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
