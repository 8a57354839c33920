//! Plans are executed breadth-first: each selection is resolved once for all objects at its place of the answer, then
//! the answer is written in one go.
//!
//! `run` resolves, `write` writes, with nulls and errors as section 6.4.4 says. [`column`] is what stands between them.

pub mod batch;
pub mod column;
mod error;
pub mod leaf;
mod run;
mod write;

use std::any::Any;
use std::sync::Arc;

pub use error::FieldError;
pub(crate) use run::{Execution, run};
pub(crate) use write::{Response, write};

use crate::describe::Columns;
use crate::plan::{PlanField, Set};

/// What resolvers reach: what the request brought along.
#[derive(Clone)]
pub struct Context {
    data: Arc<dyn Any + Send + Sync>,
}

impl Context {
    /// A context with this data.
    pub fn new(data: Arc<dyn Any + Send + Sync>) -> Self {
        Self { data }
    }

    /// What the server gives its resolvers.
    ///
    /// # Panics
    /// If the data is of another type: a server has one.
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

/// What is selected of a field.
#[derive(Clone, Copy)]
pub struct Selected<'a> {
    field: &'a PlanField,
}

impl Selected<'_> {
    /// The field, as `Type.field`.
    pub fn coordinate(&self) -> &str {
        &self.field.coordinate
    }

    /// The columns that are needed of the field's objects, whatever their type.
    pub fn columns(&self) -> Columns {
        self.field.selected.iter().fold(0, |all, (_, set)| all | set.columns)
    }

    /// The columns that are needed of the field's objects of this type.
    pub fn columns_of(&self, type_name: &str) -> Columns {
        self.field.of_type(type_name).map_or(0, |set| set.columns)
    }

    /// Whether a field of this name is selected of any of the field's objects.
    pub fn has(&self, name: &str) -> bool {
        let is = |field: &PlanField| field.coordinate.rsplit('.').next() == Some(name);
        self.field.selected.iter().any(|(_, set): &(_, Set)| set.fields.iter().any(is))
    }
}

impl std::fmt::Debug for Selected<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.field.coordinate)
    }
}
