//! Executes `__schema` and `__type`, whose values are the same for the same selections.

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::FieldError;
use super::leaf::Out;
use crate::describe::Introspect;
use crate::input::Inputs;
use crate::plan::IntrospectionField;

/// Bytes of cached values: tools send the same queries again and again.
const KEPT_BYTES: u64 = 4 << 20;

/// Executes introspection and caches the values.
pub(crate) struct Introspector {
    introspect: Box<dyn Introspect>,
    values: Cache<String, Out, Bytes>,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<String, Out> for Bytes {
    fn weight(&self, document: &String, json: &Out) -> u64 {
        (document.len() + json.len()) as u64
    }
}

impl Introspector {
    pub(crate) fn new(introspect: Box<dyn Introspect>) -> Self {
        Self { introspect, values: Cache::with_weighter(16, KEPT_BYTES, Bytes) }
    }

    /// The field's value as JSON.
    pub(crate) async fn value(&self, field: &IntrospectionField, variables: &Inputs) -> Result<Out, FieldError> {
        let document = field.document(variables);
        if let Some(json) = self.values.get(&document) {
            return Ok(json);
        }
        let json = field.json(&self.introspect.introspect(document.clone()).await?);
        self.values.insert(document, json.clone());
        Ok(json)
    }
}
