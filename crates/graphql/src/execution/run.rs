//! Resolves the fields of a plan, level by level.

use futures_util::future::join_all;

use super::column::{Column, Part, Rows};
use super::introspection::Introspector;
use super::leaf::Out;
use super::write::makes_null;
use super::{Context, FieldError, FieldSelection};
use crate::describe::{RawCall, Root};
use crate::document::OperationKind;
use crate::input::Inputs;
use crate::plan::{Plan, PlanField, PlanSelection, ValueSource};
use crate::schema::Schema;

/// The objects at one position of the response, with the values of their fields.
pub(crate) struct ResponseObjects {
    pub(crate) rows: Rows,
    /// The values of the fields that have resolvers, in order.
    pub(crate) values: Vec<FieldValues>,
}

/// The values of a field for all objects at its position.
pub(crate) enum FieldValues {
    Column {
        column: Column,
        /// The objects of each part; `None` if the field's type has no such objects.
        below: Vec<Option<Below>>,
    },
    /// JSON: introspection belongs to the root, which is one object.
    Introspection(Out),
}

/// The objects of one part of a column.
pub(crate) struct Below {
    /// The index of their set in [`PlanField::selected`].
    pub(crate) set: usize,
    pub(crate) objects: ResponseObjects,
}

/// The inputs of an execution.
pub(crate) struct Execution<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) context: &'a Context,
    pub(crate) variables: &'a Inputs,
    pub(crate) introspector: Option<&'a Introspector>,
}

/// Resolves all fields of a plan.
pub(crate) async fn run(execution: &Execution<'_>, plan: &Plan) -> ResponseObjects {
    let mut root = ResponseObjects { rows: Rows::new(vec![Root]), values: Vec::new() };
    if plan.kind != OperationKind::Mutation {
        execution.levels(vec![(&plan.root, &mut root)]).await;
        return root;
    }
    // In order: each mutation sees the changes of earlier ones.
    for field in plan.root.resolved_fields() {
        let mut values = execution.field(field, &root.rows).await;
        execution.levels(below(field, &mut values).collect()).await;
        let is_last = field.of.is_non_null() && makes_null(plan, field, &values);
        root.values.push(values);
        // The data is already null: later mutations must not run unseen.
        if is_last {
            break;
        }
    }
    root
}

/// Resolves the fields of a subscription's plan for many events at once: the rows of the root.
pub(crate) async fn run_events(execution: &Execution<'_>, plan: &Plan, events: Rows) -> ResponseObjects {
    let mut root = ResponseObjects { rows: events, values: Vec::new() };
    execution.levels(vec![(&plan.root, &mut root)]).await;
    root
}

/// The root when all of its fields have failed with this error.
pub(crate) fn failed(plan: &Plan, error: &FieldError) -> ResponseObjects {
    let column = || FieldValues::Column { column: Column::Failed(error.clone()), below: Vec::new() };
    ResponseObjects { rows: Rows::new(vec![Root]), values: plan.root.resolved_fields().map(|_| column()).collect() }
}

/// A set, and the objects that it is resolved for.
type PendingSelection<'p> = (&'p PlanSelection, &'p mut ResponseObjects);

impl Execution<'_> {
    /// Resolves these sets, then the selections of their objects, and so on. All fields of a level are resolved
    /// concurrently, so that look-ups of one kind share a statement wherever they occur.
    async fn levels<'p>(&self, mut level: Vec<PendingSelection<'p>>) {
        while !level.is_empty() {
            let fields = level
                .iter()
                .flat_map(|(set, objects)| set.resolved_fields().map(|field| self.field(field, &objects.rows)));
            let mut values = join_all(fields).await.into_iter();
            let mut next = Vec::new();
            for (set, objects) in level {
                objects.values = values.by_ref().take(set.resolved).collect();
                let fields = set.resolved_fields().zip(&mut objects.values);
                next.extend(fields.flat_map(|(field, values)| below(field, values)));
            }
            level = next;
        }
    }

    async fn field(&self, field: &PlanField, rows: &Rows) -> FieldValues {
        let column = match &field.kind {
            ValueSource::Resolve { reader, resolve, arguments } => {
                match arguments.read(self.schema, self.variables, *reader) {
                    Ok(arguments) => {
                        let selected = FieldSelection { field };
                        resolve(RawCall { context: self.context, rows, arguments, selected }).await
                    }
                    Err(error) => Column::Failed(error),
                }
            }
            ValueSource::Introspect(selection) => match self.introspector {
                Some(introspector) => match introspector.value(selection, self.variables).await {
                    Ok(json) => return FieldValues::Introspection(json),
                    Err(error) => Column::Failed(error),
                },
                None => Column::Failed(FieldError::internal("Introspection is off.")),
            },
            _ => Column::Failed(FieldError::internal("The field cannot be executed.")),
        };
        let below = match &column {
            Column::Cells(cells) => cells.parts.iter().map(|part| objects(field, part)).collect(),
            _ => Vec::new(),
        };
        FieldValues::Column { column, below }
    }
}

/// The objects of a part, whose fields are not resolved yet; `None` if the field's type has no such objects.
fn objects(field: &PlanField, part: &Part) -> Option<Below> {
    let set = field.selected.iter().position(|(name, _)| *name == part.of)?;
    Some(Below { set, objects: ResponseObjects { rows: part.rows.clone(), values: Vec::new() } })
}

/// The selections of a field's objects that must be resolved.
fn below<'p>(field: &'p PlanField, values: &'p mut FieldValues) -> impl Iterator<Item = PendingSelection<'p>> {
    let below = match values {
        FieldValues::Column { below, .. } => below.as_mut_slice(),
        FieldValues::Introspection(_) => &mut [],
    };
    below.iter_mut().flatten().filter_map(|Below { set, objects }| {
        let set = &field.selected[*set].1;
        (set.resolved > 0 && !objects.rows.is_empty()).then_some((set, objects))
    })
}

impl PlanSelection {
    /// The fields that have values in [`ResponseObjects::values`], in order.
    fn resolved_fields(&self) -> impl Iterator<Item = &PlanField> {
        self.fields.iter().filter(|field| field.is_resolved())
    }
}

impl PlanField {
    /// Whether the field has values in [`ResponseObjects::values`].
    pub(crate) fn is_resolved(&self) -> bool {
        matches!(self.kind, ValueSource::Resolve { .. } | ValueSource::Introspect(_) | ValueSource::Unresolvable)
    }
}
