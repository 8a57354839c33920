//! Operations as they are executed: compiled once for a document, an operation, and the truth of its conditions.
//!
//! A plan owns all that it needs. Fragments are gone, fields of one response name are merged in the order of the
//! selections (sections 6.3.2 and 6.4.3), and `@skip` and `@include` are decided: no object asks again.

mod arguments;
mod compile;
mod conditions;
mod cost;
mod introspection;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use arguments::ArgumentPlan;
pub(crate) use compile::compile;
pub(crate) use conditions::{Conditions, Truths};
pub(crate) use cost::FieldCost;
pub use cost::{Cost, Pages};
pub(crate) use introspection::IntrospectionField;

use crate::describe::{Columns, Name, Reader, ResolveAll, WriteLeaf};
use crate::document::OperationKind;
use crate::error::Position;
use crate::schema::TypeRef;

/// An operation that can be executed.
pub(crate) struct Plan {
    pub(crate) kind: OperationKind,
    pub(crate) root: Set,
    /// Where the fields are selected first.
    pub(crate) positions: Vec<Position>,
    /// Whether a field depends on who asks.
    pub(crate) is_personal: bool,
    /// Bytes that the plan takes, about.
    pub(crate) bytes: usize,
}

/// What is selected of objects of one type.
#[derive(Default)]
pub(crate) struct Set {
    pub(crate) fields: Vec<PlanField>,
    /// The columns of the objects' rows that the fields need.
    pub(crate) columns: Columns,
    /// How many of the fields are resolved.
    pub(crate) resolved: usize,
}

/// One entry of an object of the answer.
pub(crate) struct PlanField {
    /// The name in the answer.
    pub(crate) response_name: Arc<str>,
    /// `,"name":`, or without the comma for the first.
    pub(crate) key: Box<[u8]>,
    /// The place in [`Plan::positions`].
    pub(crate) position: usize,
    /// `Type.field`, for errors.
    pub(crate) coordinate: Arc<str>,
    pub(crate) of: TypeRef,
    pub(crate) kind: Kind,
    /// What is selected of the objects that the field may be, by their type.
    pub(crate) selected: Vec<(Name, Set)>,
    pub(crate) cost: FieldCost,
}

/// How an entry comes by its value.
pub(crate) enum Kind {
    /// The type's name, as JSON.
    TypeName(Box<[u8]>),
    /// Written from the object's row.
    Leaf(WriteLeaf),
    /// Found for all objects of the place at once.
    Resolve { reader: Reader, resolve: ResolveAll, arguments: Arc<ArgumentPlan> },
    /// `__schema` or `__type`.
    Introspect(IntrospectionField),
    /// The schema has the field, and nobody describes how it is found.
    Unresolvable,
}

impl Plan {
    /// Where introspection is selected first, if it is.
    pub(crate) fn introspection(&self) -> Option<Position> {
        let mut fields = self.root.fields.iter();
        let first = fields.find(|field| matches!(field.kind, Kind::Introspect(_)))?;
        Some(self.positions[first.position])
    }
}

impl PlanField {
    /// What is selected of objects of this type.
    pub(crate) fn of_type(&self, name: &str) -> Option<&Set> {
        self.selected.iter().find(|(other, _)| other == name).map(|(_, set)| set)
    }
}
