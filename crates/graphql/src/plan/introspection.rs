//! Selections of `__schema` and `__type`. async-graphql executes them as separate documents.

use std::fmt::Write;

use async_graphql::Value;
use serde_json::Value as Json;

use crate::execution::leaf::{Out, write_text};
use crate::input::{Inputs, Literal};

/// A field of introspection with its selections.
pub(crate) struct IntrospectionField {
    pub(crate) response_name: String,
    pub(crate) name: String,
    pub(crate) arguments: Vec<(String, Literal)>,
    pub(crate) is_composite: bool,
    /// The estimated length of the field's list; 1 if it is not a list.
    pub(crate) items: u64,
    pub(crate) selected: Vec<Self>,
}

impl IntrospectionField {
    /// A document that selects only the field, with variables replaced by their values.
    pub(crate) fn document(&self, variables: &Inputs) -> String {
        let mut text = String::from("{");
        self.write(variables, &mut text);
        text.push('}');
        text
    }

    /// The field's value as JSON, from the data of [`Self::document`].
    pub(crate) fn json(&self, data: &Value) -> Out {
        let mut out = Out::new();
        match data {
            Value::Object(fields) => {
                self.write_value(fields.get(&*self.response_name).unwrap_or(&Value::Null), &mut out);
            }
            _ => out.extend_from_slice(b"null"),
        }
        out
    }

    /// Writes a value; for an object, the selected fields.
    fn write_value(&self, value: &Value, out: &mut Out) {
        match value {
            Value::List(items) => {
                out.push(b'[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    self.write_value(item, out);
                }
                out.push(b']');
            }
            Value::Object(fields) => {
                out.push(b'{');
                for (i, field) in self.selected.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    write_text(out, &field.response_name);
                    out.push(b':');
                    field.write_value(fields.get(&*field.response_name).unwrap_or(&Value::Null), out);
                }
                out.push(b'}');
            }
            Value::String(text) => write_text(out, text),
            Value::Enum(name) => write_text(out, name),
            Value::Boolean(true) => out.extend_from_slice(b"true"),
            Value::Boolean(false) => out.extend_from_slice(b"false"),
            // Introspection has no other values.
            _ => out.extend_from_slice(b"null"),
        }
    }

    /// Estimates the number of values.
    pub(crate) fn values(&self) -> u64 {
        let below = self.selected.iter().fold(1, |sum: u64, field| sum.saturating_add(field.values()));
        self.items.saturating_mul(below)
    }

    /// Levels of lists that lead from a type to other types.
    pub(crate) fn levels(&self) -> u64 {
        let own = matches!(self.name.as_str(), "fields" | "inputFields" | "interfaces" | "possibleTypes");
        u64::from(own) + self.selected.iter().map(Self::levels).max().unwrap_or_default()
    }

    fn write(&self, variables: &Inputs, text: &mut String) {
        // Writing to memory cannot fail.
        let _ = write!(text, "{}:{}", self.response_name, self.name);
        let given: Vec<_> = self
            .arguments
            .iter()
            .filter_map(|(name, literal)| Some(format!("{name}:{}", write_literal(&literal.fill(variables)?))))
            .collect();
        if !given.is_empty() {
            let _ = write!(text, "({})", given.join(","));
        }
        if self.is_composite {
            text.push('{');
            for field in &self.selected {
                field.write(variables, text);
                text.push(' ');
            }
            // All fields of the set may be skipped; async-graphql does not accept an empty set.
            if self.selected.is_empty() {
                text.push_str("__typename");
            }
            text.push('}');
        } else {
            text.push(' ');
        }
    }
}

/// Arguments of introspection are strings and Booleans: JSON writes them as GraphQL does.
fn write_literal(value: &Json) -> String {
    value.to_string()
}
