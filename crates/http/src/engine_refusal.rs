//! The errors that clients get if the engine refuses an operation.

use graphql::error::{Limit, LimitExceeded, SourcePosition};
use graphql::input::dotted;
use graphql::validation::{Invalid, Violation};
use graphql::{CostLimit, EngineRefusal, ParseError};
use request::error::{ApiError, RequestError};

const BAD_USER_INPUT: &str = "BAD_USER_INPUT";
const INVALID: &str = "GRAPHQL_VALIDATION_FAILED";
const TOO_COMPLEX: &str = "TOO_COMPLEX";

/// The errors of a request that the engine refuses: at least one.
pub fn request_errors(refusal: &EngineRefusal) -> Vec<RequestError> {
    match refusal {
        EngineRefusal::Parse(ParseError::Syntax { message, position }) => {
            vec![at(&[*position], RequestError::new("GRAPHQL_PARSE_FAILED", message))]
        }
        EngineRefusal::Parse(ParseError::Limit(exceeded))
        | EngineRefusal::Limit(exceeded)
        | EngineRefusal::Invalid(Invalid::Limit(exceeded)) => vec![document_limit(exceeded)],
        EngineRefusal::Invalid(Invalid::Rules(violations)) => violations.iter().map(violation).collect(),
        EngineRefusal::Operation(message) => vec![RequestError::new(INVALID, format!("operationName: {message}"))],
        EngineRefusal::Variables(errors) => errors
            .iter()
            .map(|input| RequestError::new(BAD_USER_INPUT, input.to_string()).with("field", dotted(&input.path)))
            .collect(),
        EngineRefusal::TooComplex { limit, found, max } => vec![cost_limit(*limit, *found, *max)],
        EngineRefusal::Introspection(position) => {
            vec![at(&[*position], RequestError::new(INVALID, "Introspection is off."))]
        }
        EngineRefusal::TooLarge(max) => vec![ApiError::TooLarge { max: *max as u64 }.into()],
    }
}

fn violation(broken: &Violation) -> RequestError {
    let error = at(&broken.positions, RequestError::new(INVALID, &*broken.message));
    match &broken.input {
        Some(input) => error.with("field", &**input),
        None => error,
    }
}

fn at(positions: &[SourcePosition], error: RequestError) -> RequestError {
    RequestError { locations: positions.to_vec(), ..error }
}

fn document_limit(exceeded: &LimitExceeded) -> RequestError {
    let (code, flag) = match exceeded.limit {
        Limit::Tokens => (TOO_COMPLEX, "limit-tokens"),
        Limit::Nesting => (TOO_COMPLEX, "limit-nesting"),
        Limit::Aliases => (TOO_COMPLEX, "limit-aliases"),
        Limit::Directives => (TOO_COMPLEX, "limit-directives"),
        Limit::NameLength => (TOO_COMPLEX, "limit-name-bytes"),
        Limit::ListItems => (BAD_USER_INPUT, "limit-list-items"),
        Limit::InputFields => (BAD_USER_INPUT, "limit-input-fields"),
        Limit::PlanFields => (TOO_COMPLEX, "limit-selections"),
        // It has no flag. It bounds the work of two rules.
        Limit::ValidationSteps => (TOO_COMPLEX, "validation"),
    };
    let error = RequestError::new(code, exceeded.to_string()).with("limit", flag).with("max", exceeded.maximum);
    at(&[exceeded.position], error)
}

/// A limit of the operation's cost with its variables. The limits of introspection have no flags.
fn cost_limit(limit: CostLimit, found: u64, max: u64) -> RequestError {
    let (code, flag, what) = match limit {
        CostLimit::Depth => (TOO_COMPLEX, "limit-depth", "levels of fields"),
        CostLimit::RootFields => (TOO_COMPLEX, "limit-root-fields", "root fields"),
        CostLimit::Fields => (TOO_COMPLEX, "limit-selections", "fields"),
        CostLimit::Values => (TOO_COMPLEX, "limit-complexity", "values if every page is full"),
        CostLimit::Introspection => (TOO_COMPLEX, "introspection", "values of introspection"),
        CostLimit::IntrospectionLevels => (TOO_COMPLEX, "introspection", "nested levels of introspection"),
        CostLimit::InputValues => (BAD_USER_INPUT, "limit-input-values", "values in its arguments"),
        CostLimit::ListItems => (BAD_USER_INPUT, "limit-list-items", "items in a list of its variables"),
        CostLimit::InputFields => (BAD_USER_INPUT, "limit-input-fields", "fields in an object of its variables"),
    };
    let advice = if limit == CostLimit::Values { " Request smaller pages or split the operation." } else { "" };
    let message = format!("The operation has {found} {what}; the limit is {max}.{advice}");
    RequestError::new(code, message).with("limit", flag).with("max", max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphql::input::InputError;

    #[test]
    fn a_field_is_a_path_with_dots() {
        let path = "variables.filter.ageRating[1]".to_owned();
        let refused = EngineRefusal::Variables(vec![InputError { path, message: "is wrong".to_owned() }]);
        let [error] = &request_errors(&refused)[..] else { panic!("one error") };
        assert_eq!(error.message, "`variables.filter.ageRating[1]` is wrong.");
        assert_eq!(error.extensions["field"], "variables.filter.ageRating.1");
    }
}
