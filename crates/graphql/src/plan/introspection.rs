//! Selections of `__schema` and `__type`, which async-graphql answers: as a document of their own.

use std::fmt::Write;

use serde_json::Value as Json;

use crate::input::{Inputs, Literal};

/// A field of introspection with what is selected of it.
pub(crate) struct IntrospectionField {
    pub(crate) response_name: String,
    pub(crate) name: String,
    pub(crate) arguments: Vec<(String, Literal)>,
    pub(crate) is_composite: bool,
    pub(crate) selected: Vec<Self>,
}

impl IntrospectionField {
    /// A document that asks for the field alone, with the values of variables.
    pub(crate) fn document(&self, variables: &Inputs) -> String {
        let mut text = String::from("{");
        self.write(variables, &mut text);
        text.push('}');
        text
    }

    /// Values that the field gives, about: lists of introspection have some tens of items.
    pub(crate) fn values(&self) -> u64 {
        const ITEMS: u64 = 10;
        self.selected.iter().fold(0, |sum: u64, field| {
            let inner = field.values().saturating_add(1);
            let items = if field.is_composite { ITEMS } else { 1 };
            sum.saturating_add(inner.saturating_mul(items))
        })
    }

    fn write(&self, variables: &Inputs, text: &mut String) {
        // Writing to memory does not fail.
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
            // A set may be empty in our grammar, and not in async-graphql's.
            if self.selected.is_empty() {
                text.push_str("__typename @skip(if:true)");
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
