//! Resolves the fields of a plan, place by place.

use futures_util::future::{BoxFuture, join_all};

use super::column::{Column, Part, Rows};
use super::leaf::Out;
use super::write::makes_null;
use super::{Context, FieldError, Selected};
use crate::describe::{Introspect, RawCall, Root};
use crate::document::OperationKind;
use crate::input::Inputs;
use crate::plan::{Kind, Plan, PlanField, Set};
use crate::schema::Schema;

/// The objects at one place of the response, with the values of their fields.
pub(crate) struct Place {
    pub(crate) rows: Rows,
    /// The values of the fields that have resolvers, in order.
    pub(crate) values: Vec<FieldValues>,
}

/// The values of a field for all objects at its place.
pub(crate) enum FieldValues {
    Column {
        column: Column,
        /// The objects of each part; none if the field's type has no such objects.
        below: Vec<Option<Below>>,
    },
    /// JSON: introspection belongs to the root, which is one object.
    Introspection(Out),
}

/// The objects of one part of a column.
pub(crate) struct Below {
    /// The index of their set in [`PlanField::selected`].
    pub(crate) set: usize,
    pub(crate) place: Place,
}

/// The inputs of an execution.
pub(crate) struct Execution<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) context: &'a Context,
    pub(crate) variables: &'a Inputs,
    pub(crate) introspect: Option<&'a dyn Introspect>,
}

/// Resolves all fields of a plan.
pub(crate) async fn run(execution: &Execution<'_>, plan: &Plan) -> Place {
    let rows = Rows::new(vec![Root]);
    if plan.kind == OperationKind::Mutation {
        // In order: each sees the changes of those before it.
        let mut values = Vec::with_capacity(plan.root.resolved);
        for field in plan.root.fields.iter().filter(|field| field.is_resolved()) {
            let of_field = execution.field(field, &rows).await;
            let is_last = field.of.is_non_null() && makes_null(plan, field, &of_field);
            values.push(of_field);
            // The data is null already: what follows must not change anything unseen.
            if is_last {
                break;
            }
        }
        return Place { rows, values };
    }
    execution.place(&plan.root, rows).await
}

impl Execution<'_> {
    /// Resolves a set for the objects at one place.
    fn place<'a>(&'a self, set: &'a Set, rows: Rows) -> BoxFuture<'a, Place> {
        Box::pin(async move {
            let mut fields = set.fields.iter().filter(|field| field.is_resolved());
            let values = match (rows.is_empty(), set.resolved) {
                (true, _) | (_, 0) => Vec::new(),
                (_, 1) => match fields.next() {
                    Some(field) => vec![self.field(field, &rows).await],
                    None => Vec::new(),
                },
                _ => join_all(fields.map(|field| self.field(field, &rows))).await,
            };
            Place { rows, values }
        })
    }

    async fn field(&self, field: &PlanField, rows: &Rows) -> FieldValues {
        let column = match &field.kind {
            Kind::Resolve { reader, resolve, arguments } => {
                match arguments.read(self.schema, self.variables, *reader) {
                    Ok(arguments) => {
                        let selected = Selected { field };
                        resolve(RawCall { context: self.context, rows, arguments, selected }).await
                    }
                    Err(error) => Column::Failed(error),
                }
            }
            Kind::Introspect(selection) => match self.introspect {
                Some(introspect) => match introspect.introspect(selection.document(self.variables)).await {
                    Ok(data) => return FieldValues::Introspection(selection.json(&data)),
                    Err(error) => Column::Failed(error),
                },
                None => Column::Failed(FieldError::plain("Introspection is off.")),
            },
            _ => Column::Failed(FieldError::plain("The field cannot be executed.")),
        };
        let below = self.below(field, &column).await;
        FieldValues::Column { column, below }
    }

    /// Resolves the sets of a column's objects, type by type.
    async fn below(&self, field: &PlanField, column: &Column) -> Vec<Option<Below>> {
        let Column::Cells(cells) = column else { return Vec::new() };
        let below = async |part: &Part| {
            let set = field.selected.iter().position(|(name, _)| *name == part.of)?;
            let place = self.place(&field.selected[set].1, part.rows.clone()).await;
            Some(Below { set, place })
        };
        match cells.parts.as_slice() {
            [] => Vec::new(),
            [part] => vec![below(part).await],
            parts => join_all(parts.iter().map(below)).await,
        }
    }
}

impl PlanField {
    /// Whether the field has values in [`Place::values`].
    pub(crate) fn is_resolved(&self) -> bool {
        matches!(self.kind, Kind::Resolve { .. } | Kind::Introspect(_) | Kind::Unresolvable)
    }
}
