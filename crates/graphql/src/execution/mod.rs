//! Executes plans breadth-first: each field is resolved once for all objects at its position of the response. Then
//! the response is written in one pass.
//!
//! `run` resolves fields to [`mod@column`]s; `write` writes them, with nulls and errors by section 6.4.4.

pub mod batch;
pub mod column;
mod error;
pub(crate) mod introspection;
pub mod leaf;
mod run;
mod write;

use std::any::Any;
use std::sync::Arc;

pub use error::FieldError;
pub(crate) use run::{Execution, ResponseObjects, failed, run, run_events};
pub(crate) use write::{Response, write, write_shortened};

use crate::describe::Columns;
use crate::plan::PlanField;

/// The data of a request, for its resolvers.
#[derive(Clone)]
pub struct Context {
    data: Arc<dyn Any + Send + Sync>,
}

impl Context {
    /// A context with this data.
    pub fn new(data: Arc<dyn Any + Send + Sync>) -> Self {
        Self { data }
    }

    /// The data.
    ///
    /// # Panics
    /// If the data has another type. A server uses one type.
    #[expect(clippy::expect_used, reason = "a server makes all contexts in one way")]
    pub fn data<T: Any>(&self) -> &T {
        self.data.downcast_ref().expect("the server's data")
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Context")
    }
}

/// The field in `Type.field`.
pub(crate) fn field_name(coordinate: &str) -> &str {
    coordinate.split_once('.').map_or("", |(_, name)| name)
}

/// The selections of a field.
#[derive(Clone, Copy)]
pub struct FieldSelection<'a> {
    field: &'a PlanField,
}

impl<'a> FieldSelection<'a> {
    /// The field, as `Type.field`.
    pub fn coordinate(&self) -> &str {
        &self.field.coordinate
    }

    /// The name of the field.
    pub fn name(&self) -> &str {
        field_name(self.coordinate())
    }

    /// The field's name in the response: its alias, or its name.
    pub fn response_name(&self) -> &str {
        &self.field.response_name
    }

    /// The columns that are needed of objects of all types.
    pub fn columns(&self) -> Columns {
        self.field.selected.iter().fold(0, |all, (_, set)| all | set.columns)
    }

    /// The fields that are selected of objects of this type, directly or through connections.
    pub fn fields_of(&self, type_name: &str) -> Vec<Self> {
        let mut found = Vec::new();
        self.collect_fields(type_name, &mut found);
        found
    }

    fn collect_fields(&self, type_name: &str, found: &mut Vec<Self>) {
        for (name, set) in &self.field.selected {
            let fields = set.fields.iter().map(|field| Self { field });
            if name == type_name {
                found.extend(fields);
            } else if set.is_transparent {
                fields.for_each(|field| field.collect_fields(type_name, found));
            }
        }
    }

    /// The extension data of the field.
    pub fn extension<D: Any>(&self) -> Option<&'a D> {
        self.field.extension.as_ref()?.downcast_ref()
    }

    /// The columns that are needed of objects of this type.
    pub fn columns_of(&self, type_name: &str) -> Columns {
        self.field.of_type(type_name).map_or(0, |set| set.columns)
    }
}

impl std::fmt::Debug for FieldSelection<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.field.coordinate)
    }
}
