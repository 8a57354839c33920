//! The memory of variables.

use graphql::Inputs;
use serde_json::Value as Json;

/// The size of a value, and of the name and slot of a field, in bytes.
const VALUE_BYTES: u64 = 80;
const FIELD_BYTES: u64 = 80;

/// The approximate memory of variables in bytes.
pub(super) fn bytes_of(inputs: &Inputs) -> u64 {
    inputs.iter().map(|(name, value)| FIELD_BYTES + name.len() as u64 + value_bytes(value)).sum()
}

fn value_bytes(value: &Json) -> u64 {
    VALUE_BYTES
        + match value {
            Json::Array(items) => items.iter().map(value_bytes).sum(),
            Json::Object(fields) => bytes_of(fields),
            Json::String(text) => text.len() as u64,
            _ => 0,
        }
}
