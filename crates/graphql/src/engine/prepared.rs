//! Operations that are ready for execution.

use std::sync::Arc;

use super::Engine;
use super::cache::CachedPlan;
use crate::document::OperationKind;
use crate::execution::FieldError;
use crate::input::{Inputs, Literal};
use crate::plan::{ArgumentPlan, Cost, PlanField, ValueSource};

/// An operation that is ready for execution, with its variables.
#[derive(Clone)]
pub struct PreparedOperation {
    pub(super) plan: Arc<CachedPlan>,
    pub(super) variables: Inputs,
    pub(super) cost: Cost,
    pub(super) name: Option<Arc<str>>,
}

/// Identifies executions of a subscription that can be shared: operations with the same key have the same results for
/// an event, apart from the viewer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SharingKey {
    plan: u64,
    /// As JSON, without the variable of the cursor.
    variables: Arc<str>,
}

impl PreparedOperation {
    /// The kind of the operation.
    pub fn kind(&self) -> OperationKind {
        self.plan.plan.kind
    }

    /// The operation's name.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether the response depends on the viewer.
    pub fn is_personal(&self) -> bool {
        self.plan.plan.is_personal
    }

    /// The cost of the operation.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// The approximate size of the operation in memory, in bytes.
    pub fn bytes(&self) -> u64 {
        (size_of::<Self>() + self.plan.plan.bytes) as u64 + crate::input::inputs_bytes(&self.variables)
    }

    /// The names of the root's fields, in order.
    pub fn root_fields(&self) -> impl Iterator<Item = &str> {
        self.plan.plan.root.fields.iter().map(|field| crate::execution::field_name(&field.coordinate))
    }

    /// The name of the root field of a subscription.
    pub fn root_field(&self) -> &str {
        self.only_root_field().map_or("", |field| crate::execution::field_name(&field.coordinate))
    }

    /// The key of a subscription's execution. It does not include the root field's argument `cursor`.
    pub fn sharing_key(&self, cursor: &str) -> SharingKey {
        let mut variables = self.variables.clone();
        if let Some(name) = self.only_use_of(cursor) {
            variables.remove(name);
        }
        let variables = serde_json::Value::Object(variables).to_string().into();
        SharingKey { plan: self.plan.number, variables }
    }

    /// The variable in this argument of the root field, if it is used nowhere else.
    fn only_use_of(&self, argument: &str) -> Option<&str> {
        let ValueSource::Resolve { arguments, .. } = &self.only_root_field()?.kind else { return None };
        let ArgumentPlan::Late { literals, .. } = &**arguments else { return None };
        match literals.iter().find(|(name, _)| name == argument)? {
            (_, Literal::Variable(name)) if self.plan.plan.inputs.uses(name) == 1 => Some(name),
            _ => None,
        }
    }

    fn only_root_field(&self) -> Option<&PlanField> {
        match self.plan.plan.root.fields.as_slice() {
            [field] => Some(field),
            _ => None,
        }
    }

    pub(super) fn input_values(&self) -> u64 {
        self.plan.plan.inputs.count(&self.variables)
    }
}

impl Engine {
    /// The arguments of a subscription's root field, which are of type `A`.
    ///
    /// # Errors
    /// A value is invalid.
    pub fn root_arguments<A: Send + Sync + 'static>(&self, prepared: &PreparedOperation) -> Result<Arc<A>, FieldError> {
        let unexpected = || FieldError::internal("The root field has other arguments.");
        let field = prepared.only_root_field().ok_or_else(unexpected)?;
        let ValueSource::Resolve { reader, arguments, .. } = &field.kind else { return Err(unexpected()) };
        let read = arguments.read(&self.schema, &prepared.variables, *reader)?;
        read.downcast().map_err(|_| unexpected())
    }
}

impl std::fmt::Debug for PreparedOperation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PreparedOperation")
            .field("kind", &self.kind())
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
