//! Plans: operations compiled for execution, once for each combination of `@skip` and `@include`.
//!
//! A plan does not borrow from its document. Fragments are resolved, fields of one response name are merged in the
//! order of the selections (sections 6.3.2 and 6.4.3), and skipped fields are gone.

mod arguments;
mod compile;
mod conditions;
mod cost;
mod inputs;
mod introspection;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use arguments::ArgumentPlan;
pub(crate) use compile::compile;
pub(crate) use conditions::{Conditions, Truths};
pub(crate) use cost::FieldCost;
pub use cost::{Cost, PageSizes};
pub(crate) use inputs::InputValues;
pub(crate) use introspection::IntrospectionField;

use crate::describe::{Columns, Extension, ReadArguments, ResolveAll, TypeName, WriteLeaf};
use crate::document::OperationKind;
use crate::error::SourcePosition;
use crate::schema::TypeRef;

/// A compiled operation.
pub(crate) struct Plan {
    pub(crate) kind: OperationKind,
    pub(crate) root: PlanSelection,
    /// The positions of the fields in the document.
    pub(crate) positions: Vec<SourcePosition>,
    /// Whether a field depends on the viewer.
    pub(crate) is_personal: bool,
    /// The values of all arguments.
    pub(crate) inputs: InputValues,
    /// The estimated size of the plan, in bytes.
    pub(crate) bytes: usize,
}

/// The selections of objects of one type.
#[derive(Default)]
pub(crate) struct PlanSelection {
    pub(crate) fields: Vec<PlanField>,
    /// The columns of the rows that the fields need.
    pub(crate) columns: Columns,
    /// The number of fields that have resolvers.
    pub(crate) resolved: usize,
    /// Whether the objects have no rows of their own, such as connections.
    pub(crate) is_transparent: bool,
}

/// A field of a set: one entry of an object in the response.
pub(crate) struct PlanField {
    /// The alias, or the name.
    pub(crate) response_name: Arc<str>,
    /// `,"name":`, or without the comma for the first.
    pub(crate) key: Box<[u8]>,
    /// The index in [`Plan::positions`].
    pub(crate) position: usize,
    /// `Type.field`, for errors.
    pub(crate) coordinate: Arc<str>,
    pub(crate) of: TypeRef,
    pub(crate) kind: ValueSource,
    /// The sets of the field's objects, by object type.
    pub(crate) selected: Vec<(TypeName, PlanSelection)>,
    pub(crate) cost: FieldCost,
    pub(crate) extension: Option<Extension>,
}

/// How a field gets its value.
pub(crate) enum ValueSource {
    /// The type's name, as JSON.
    TypeName(Box<[u8]>),
    /// Written from the object's row.
    Leaf(WriteLeaf),
    /// Resolved for all objects together.
    Resolve { reader: ReadArguments, resolve: ResolveAll, arguments: Arc<ArgumentPlan> },
    /// `__schema` or `__type`.
    Introspect(IntrospectionField),
    /// The schema has the field, but the description has no resolver.
    Unresolvable,
}

impl Plan {
    /// The position of the first field of introspection.
    pub(crate) fn introspection(&self) -> Option<SourcePosition> {
        let mut fields = self.root.fields.iter();
        let first = fields.find(|field| matches!(field.kind, ValueSource::Introspect(_)))?;
        Some(self.positions[first.position])
    }
}

impl PlanField {
    /// The set of objects of this type.
    pub(crate) fn of_type(&self, name: &str) -> Option<&PlanSelection> {
        self.selected.iter().find(|(other, _)| other == name).map(|(_, set)| set)
    }
}
