//! Resolves a plan, place by place.

use futures_util::future::{BoxFuture, join_all};

use super::column::{Column, Part, Rows};
use super::leaf::Out;
use super::{Context, FieldError, Selected};
use crate::describe::{Introspect, RawCall, Root};
use crate::document::OperationKind;
use crate::input::Inputs;
use crate::plan::{Kind, Plan, PlanField, Set};
use crate::schema::Schema;

/// What is known of the objects at one place of the answer.
pub(crate) struct Place {
    pub(crate) rows: Rows,
    /// The values of the fields that are resolved, in their order.
    pub(crate) values: Vec<FieldValues>,
}

/// What a field is for all objects of its place.
pub(crate) enum FieldValues {
    Column {
        column: Column,
        /// The places of the column's parts, in order; none where the field has no objects of the part's type.
        below: Vec<Option<Below>>,
    },
    /// The root's only value, as JSON.
    Introspection(Out),
}

/// The objects of one part of a column.
pub(crate) struct Below {
    /// What is selected of them, in [`PlanField::selected`].
    pub(crate) set: usize,
    pub(crate) place: Place,
}

/// What one execution is made with.
pub(crate) struct Execution<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) context: &'a Context,
    pub(crate) variables: &'a Inputs,
    pub(crate) introspect: Option<&'a dyn Introspect>,
}

/// Resolves a plan for one root object.
pub(crate) async fn run(execution: &Execution<'_>, plan: &Plan) -> Place {
    let rows = Rows::new(vec![Root]);
    if plan.kind == OperationKind::Mutation {
        // One after the other: each sees what those before it did.
        let mut values = Vec::with_capacity(plan.root.resolved);
        for field in plan.root.fields.iter().filter(|field| field.is_resolved()) {
            values.push(execution.field(field, &rows).await);
        }
        return Place { rows, values };
    }
    execution.place(&plan.root, rows).await
}

impl Execution<'_> {
    /// Resolves what is selected of the objects at one place.
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

    /// Resolves what is selected of a column's objects, type by type.
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
    /// Whether it is found for all objects of its place at once.
    pub(crate) fn is_resolved(&self) -> bool {
        matches!(self.kind, Kind::Resolve { .. } | Kind::Introspect(_) | Kind::Unresolvable)
    }
}
