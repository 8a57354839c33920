//! Converts literals to JSON.

use serde_json::{Number, Value as Json};

use super::Inputs;
use crate::document::{Argument, Value, ValueKind};
use crate::schema::{Check, Scalar, Schema, TypeKind, TypeRef};

/// Checks a literal without variables as a custom scalar.
pub(crate) fn check_literal(check: &Check, value: &Value<'_>) -> Result<(), String> {
    if has_variables(value) { Ok(()) } else { check.check(&constant(value)) }
}

pub(super) fn has_variables(value: &Value<'_>) -> bool {
    match &value.kind {
        ValueKind::Variable(_) => true,
        ValueKind::List(values) => values.iter().any(has_variables),
        ValueKind::Object(fields) => fields.iter().any(|field| has_variables(&field.value)),
        _ => false,
    }
}

/// A literal without variables as JSON; enum values become strings.
pub(crate) fn constant(value: &Value<'_>) -> Json {
    literal(value, None, &Inputs::new()).unwrap_or(Json::Null)
}

/// A literal as JSON, not coerced yet. `None` for an absent variable.
pub(super) fn literal(value: &Value<'_>, of: Option<(&Schema, &TypeRef)>, variables: &Inputs) -> Option<Json> {
    let of = of.map(|(schema, of)| (schema, of.nullable()));
    if let (Some((schema, TypeRef::List(item))), false) = (of, matches!(value.kind, ValueKind::List(_))) {
        return literal(value, Some((schema, item)), variables);
    }
    let kind = match of {
        Some((schema, TypeRef::Named(id))) => Some((schema, &schema.get(*id).kind)),
        _ => None,
    };
    Some(match &value.kind {
        ValueKind::Variable(name) => return variables.get(*name).cloned(),
        // An ID keeps all its digits.
        ValueKind::Int(text) if matches!(kind, Some((_, TypeKind::Scalar(Scalar::Id)))) => Json::from(*text),
        ValueKind::Int(text) | ValueKind::Float(text) => number(text),
        ValueKind::String(text) => Json::from(text.as_ref()),
        ValueKind::Boolean(value) => Json::from(*value),
        ValueKind::Null => Json::Null,
        ValueKind::Enum(name) => Json::from(*name),
        ValueKind::List(values) => {
            let item = match of {
                Some((schema, TypeRef::List(item))) => Some((schema, item.as_ref())),
                _ => None,
            };
            values.iter().map(|value| literal(value, item, variables).unwrap_or(Json::Null)).collect()
        }
        ValueKind::Object(fields) => {
            let known = match kind {
                Some((schema, TypeKind::Input { fields, .. })) => Some((schema, fields)),
                _ => None,
            };
            let field = |field: &Argument<'_>| {
                let name = field.name.text;
                let of = known.and_then(|(schema, known)| Some((schema, &known.get(name)?.of)));
                Some((name.to_owned(), literal(&field.value, of, variables)?))
            };
            Json::Object(fields.iter().filter_map(field).collect())
        }
    })
}

fn number(text: &str) -> Json {
    let whole = text.parse::<i64>().ok().map(Number::from).or_else(|| text.parse::<u64>().ok().map(Number::from));
    let number = whole.or_else(|| text.parse().ok().and_then(Number::from_f64));
    // A number that JSON cannot represent stays as written, and the custom scalar checks it.
    number.map_or_else(|| Json::from(text), Json::Number)
}
