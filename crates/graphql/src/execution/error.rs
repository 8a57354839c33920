//! Errors of fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

/// The error of a field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    /// The message.
    pub message: Arc<str>,
    /// The extensions, such as `code`.
    pub extensions: Arc<BTreeMap<&'static str, Json>>,
}

impl FieldError {
    /// An error with a code.
    pub fn new(code: &'static str, message: impl Into<Arc<str>>) -> Self {
        Self { message: message.into(), extensions: Arc::new(BTreeMap::from([("code", code.into())])) }
    }

    /// An error without extensions.
    pub fn plain(message: impl Into<Arc<str>>) -> Self {
        Self { message: message.into(), extensions: Arc::default() }
    }

    /// A bug of the server, not an error of the request.
    pub fn internal(message: impl Into<Arc<str>>) -> Self {
        Self::new("INTERNAL", message)
    }

    /// The error with one more extension.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Json>) -> Self {
        Arc::make_mut(&mut self.extensions).insert(name, value.into());
        self
    }
}
