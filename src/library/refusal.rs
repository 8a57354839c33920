//! Why an operation is not executed, as clients are told.

use graphql::error::{Limit, LimitExceeded, Position};
use graphql::validation::Invalid;
use graphql::{ParseError, Refusal};
use serde_json::{Map, Value, json};

/// `{"errors":[...]}`: what a client is told that an operation is not executed for.
pub fn errors(refusal: &Refusal) -> Value {
    let errors = match refusal {
        Refusal::Parse(ParseError::Syntax { message, position }) => {
            vec![error("GRAPHQL_PARSE_FAILED", message, &[*position], [])]
        }
        Refusal::Parse(ParseError::Limit(exceeded)) | Refusal::Limit(exceeded) => vec![limit(exceeded)],
        Refusal::Invalid(Invalid::Limit(exceeded)) => vec![limit(exceeded)],
        Refusal::Invalid(Invalid::Rules(violations)) => violations
            .iter()
            .map(|broken| error("GRAPHQL_VALIDATION_FAILED", &broken.message, &broken.positions, []))
            .collect(),
        Refusal::Operation(message) => vec![error("GRAPHQL_VALIDATION_FAILED", message, &[], [])],
        Refusal::Variables(errors) => errors
            .iter()
            .map(|input| {
                let field = input.path.strip_prefix("variables.").unwrap_or(&input.path);
                error("BAD_USER_INPUT", &input.to_string(), &[], [("field", field.into())])
            })
            .collect(),
        Refusal::TooComplex(what, cost, max) => {
            let message = format!("The operation has {cost} {what}; the limit is {max}.");
            vec![error("TOO_COMPLEX", &message, &[], [("limit", flag(what).into()), ("max", (*max).into())])]
        }
        Refusal::Introspection(position) => {
            vec![error("GRAPHQL_VALIDATION_FAILED", "Introspection is off.", &[*position], [])]
        }
        Refusal::TooLarge(max) => {
            let message =
                format!("The answer is larger than {max} bytes. Ask for smaller pages, or in several requests.");
            vec![error("TOO_COMPLEX", &message, &[], [("limit", "limit-answer-bytes".into()), ("max", (*max).into())])]
        }
    };
    json!({ "errors": errors })
}

fn limit(exceeded: &LimitExceeded) -> Value {
    let flag = match exceeded.limit {
        Limit::Tokens => "limit-tokens",
        Limit::Nesting => "limit-nesting",
        Limit::Aliases => "limit-aliases",
        Limit::Directives => "limit-directives",
        Limit::NameLength => "limit-name-bytes",
        Limit::ListItems => "limit-list-items",
        Limit::InputFields => "limit-input-fields",
        Limit::PlanFields => "limit-selections",
        // No flag: it bounds the work of two rules.
        Limit::ValidationSteps => "validation",
    };
    let more = [("limit", flag.into()), ("max", exceeded.maximum.into())];
    error("TOO_COMPLEX", &exceeded.to_string(), &[exceeded.position], more)
}

/// The flag of a limit of costs.
fn flag(what: &str) -> &'static str {
    match what {
        "depth" => "limit-depth",
        "root fields" => "limit-root-fields",
        "fields" => "limit-selections",
        "values" => "limit-complexity",
        "input values" => "limit-input-values",
        "items of a list" => "limit-list-items",
        "fields of an input" => "limit-input-fields",
        // No flag.
        _ => "introspection",
    }
}

fn error<const N: usize>(
    code: &'static str,
    message: &str,
    positions: &[Position],
    more: [(&'static str, Value); N],
) -> Value {
    let mut error = Map::from_iter([("message".to_owned(), message.into())]);
    if !positions.is_empty() {
        let location = |position: &Position| json!({ "line": position.line, "column": position.column });
        error.insert("locations".to_owned(), positions.iter().map(location).collect());
    }
    let mut extensions = Map::from_iter([("code".to_owned(), code.into())]);
    extensions.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    error.insert("extensions".to_owned(), extensions.into());
    error.into()
}
