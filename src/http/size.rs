//! How large the values of arguments are, with those of variables in their places.

use std::collections::HashMap;

use async_graphql::{Name, Value, Variables};
use async_graphql_value::Value as Literal;

/// Bytes of a text that count as one value.
pub(super) const BYTES_PER_VALUE: u64 = 256;

/// Tells sizes; those of variables are counted once.
pub(super) struct Sizes<'v> {
    /// None while they are not known.
    variables: Option<&'v Variables>,
    counted: HashMap<Name, u64>,
}

impl<'v> Sizes<'v> {
    pub(super) fn new(variables: Option<&'v Variables>) -> Self {
        Self { variables, counted: HashMap::new() }
    }

    /// How many values a literal has, itself included.
    pub(super) fn literal(&mut self, value: &Literal) -> u64 {
        match value {
            Literal::Variable(name) => self.variable(name),
            Literal::List(items) => items.iter().fold(1, |sum, item| self.literal(item).saturating_add(sum)),
            Literal::Object(fields) => fields.values().fold(1, |sum, field| self.literal(field).saturating_add(sum)),
            Literal::String(text) => count_text(text),
            _ => 1,
        }
    }

    fn variable(&mut self, name: &Name) -> u64 {
        let Some(value) = self.variables.and_then(|variables| variables.get(name)) else { return 1 };
        if !matches!(value, Value::List(_) | Value::Object(_)) {
            return count(value);
        }
        *self.counted.entry(name.clone()).or_insert_with(|| count(value))
    }

    /// A number of rows, one where it is not known. Negative ones are refused when the field is executed.
    pub(super) fn rows(&self, value: &Literal) -> Option<u64> {
        match (value, self.variables) {
            (Literal::Variable(_), None) => Some(1),
            (Literal::Variable(name), Some(variables)) => rows(variables.get(name)?),
            (Literal::Number(number), _) => Some(number.as_u64().unwrap_or(1)),
            _ => None,
        }
    }

    /// How long a list is, one if it is empty or none.
    pub(super) fn items(&self, value: &Literal) -> u64 {
        let length = match (value, self.variables) {
            (Literal::List(items), _) => items.len(),
            (Literal::Variable(name), Some(variables)) => match variables.get(name) {
                Some(Value::List(items)) => items.len(),
                _ => 1,
            },
            _ => 1,
        };
        (length as u64).max(1)
    }
}

/// How many values a value has, itself included.
pub(super) fn count(value: &Value) -> u64 {
    match value {
        Value::List(items) => items.iter().fold(1, |sum, item| count(item).saturating_add(sum)),
        Value::Object(fields) => fields.values().fold(1, |sum, field| count(field).saturating_add(sum)),
        Value::String(text) => count_text(text),
        _ => 1,
    }
}

/// As how many values a text counts.
pub(super) fn count_text(text: &str) -> u64 {
    1 + text.len() as u64 / BYTES_PER_VALUE
}

/// Bytes of a value in memory, about.
fn bytes(value: &Value) -> u64 {
    VALUE_BYTES
        + match value {
            Value::List(items) => items.iter().map(bytes).sum(),
            Value::Object(fields) => {
                fields.iter().map(|(name, value)| FIELD_BYTES + name.len() as u64 + bytes(value)).sum()
            }
            Value::String(text) => text.len() as u64,
            _ => 0,
        }
}

/// Bytes of a value by itself, and of the name and the place of a field.
const VALUE_BYTES: u64 = 80;
const FIELD_BYTES: u64 = 80;

/// Bytes of variables in memory, about.
pub(super) fn variables_bytes(variables: &Variables) -> u64 {
    variables.iter().map(|(name, value)| FIELD_BYTES + name.len() as u64 + bytes(value)).sum()
}

/// A number of rows; negative ones are refused when the field is executed.
pub(super) fn rows(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => Some(number.as_u64().unwrap_or(1)),
        _ => None,
    }
}
