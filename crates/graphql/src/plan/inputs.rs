//! The number of values in an operation's arguments, with variables replaced.
//!
//! Arguments are coerced for each field of the plan, so a large variable with many uses would be expensive.

use serde_json::Value as Json;

use crate::input::{Inputs, Literal, values_of_text};

/// Values of arguments: constant ones, and how often each variable is used.
#[derive(Clone, Debug, Default)]
pub(crate) struct InputValues {
    constant: u64,
    variables: Vec<(String, u64)>,
}

impl InputValues {
    /// The values of these arguments.
    pub(super) fn of(literals: &[(String, Literal)]) -> Self {
        let mut values = Self::default();
        literals.iter().for_each(|(_, literal)| values.literal(literal));
        values
    }

    fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::Constant(value) => self.constant = self.constant.saturating_add(count(value)),
            Literal::Variable(name) => self.variable(name, 1),
            Literal::List(items) => {
                self.constant += 1;
                items.iter().for_each(|item| self.literal(item));
            }
            Literal::Object(fields) => {
                self.constant += 1;
                fields.iter().for_each(|(_, field)| self.literal(field));
            }
        }
    }

    fn variable(&mut self, name: &str, times: u64) {
        match self.variables.iter_mut().find(|(other, _)| other == name) {
            Some((_, known)) => *known = known.saturating_add(times),
            None => self.variables.push((name.to_owned(), times)),
        }
    }

    /// Adds the values of another field.
    pub(super) fn add(&mut self, other: &Self) {
        self.constant = self.constant.saturating_add(other.constant);
        other.variables.iter().for_each(|(name, times)| self.variable(name, *times));
    }

    /// How often a variable is used.
    pub(crate) fn uses(&self, name: &str) -> u64 {
        self.variables.iter().find(|(other, _)| other == name).map_or(0, |(_, times)| *times)
    }

    /// The number of values with these variables.
    pub(crate) fn count(&self, variables: &Inputs) -> u64 {
        let used =
            self.variables.iter().filter_map(|(name, times)| Some(count(variables.get(name)?).saturating_mul(*times)));
        used.fold(self.constant, u64::saturating_add)
    }
}

/// A list and an object count as one, besides their contents.
fn count(value: &Json) -> u64 {
    match value {
        Json::String(text) => values_of_text(text),
        Json::Array(items) => items.iter().map(count).fold(1, u64::saturating_add),
        Json::Object(fields) => fields.values().map(count).fold(1, u64::saturating_add),
        _ => 1,
    }
}
