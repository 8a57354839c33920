//! Arguments: read when the plan is compiled, unless they contain variables.

use crate::describe::{ArgumentValues, ReadArguments};
use crate::document::{Argument, Value, ValueKind};
use crate::execution::FieldError;
use crate::input::{InputError, Inputs, Literal, coerce_literals, fill_all};
use crate::schema::{FieldDefinition, InputValue, NameIndex, Schema, TypeId};

/// The arguments of a field.
pub(crate) enum ArgumentPlan {
    /// The same for every request.
    Ready(Result<ArgumentValues, FieldError>),
    /// They contain variables, and are read for each request.
    Late {
        /// The field's parent type and its name.
        parent: TypeId,
        name: String,
        literals: Vec<(String, Literal)>,
    },
}

impl ArgumentPlan {
    /// The arguments of a field with these literals.
    pub(crate) fn new(
        schema: &Schema,
        (parent, known): (TypeId, &FieldDefinition),
        literals: Vec<(String, Literal)>,
        reader: ReadArguments,
    ) -> Self {
        if literals.iter().any(|(_, literal)| !literal.is_constant()) {
            return Self::Late { parent, name: known.name.clone(), literals };
        }
        Self::Ready(coerce(schema, &known.arguments, &fill_all(&literals, &Inputs::new())).and_then(reader))
    }

    /// The arguments with the values of variables.
    ///
    /// # Errors
    /// A value is invalid.
    pub(crate) fn read(
        &self,
        schema: &Schema,
        variables: &Inputs,
        reader: ReadArguments,
    ) -> Result<ArgumentValues, FieldError> {
        match self {
            Self::Ready(read) => read.clone(),
            Self::Late { parent, name, literals } => {
                let Some(field) = schema.field(*parent, name) else {
                    return Err(FieldError::internal("The field is unknown."));
                };
                coerce(schema, &field.arguments, &fill_all(literals, variables)).and_then(reader)
            }
        }
    }
}

/// The literals of arguments.
pub(super) fn literals(
    schema: &Schema,
    known: &NameIndex<InputValue>,
    given: &[Argument<'_>],
) -> Vec<(String, Literal)> {
    let literal = |argument: &Argument<'_>| {
        let of = known.get(argument.name.text).map(|input| (schema, &input.of));
        (argument.name.text.to_owned(), Literal::new(&argument.value, of))
    };
    given.iter().map(literal).collect()
}

/// Estimates the bytes of arguments in a plan.
pub(super) fn bytes(given: &[Argument<'_>]) -> usize {
    given.iter().map(|argument| argument.name.text.len() + value_bytes(&argument.value)).sum()
}

fn value_bytes(value: &Value<'_>) -> usize {
    const VALUE_BYTES: usize = 64;
    let inner = match &value.kind {
        ValueKind::Variable(text) | ValueKind::Enum(text) | ValueKind::Int(text) | ValueKind::Float(text) => text.len(),
        ValueKind::String(text) => text.len(),
        ValueKind::List(values) => values.iter().map(value_bytes).sum(),
        ValueKind::Object(fields) => bytes(fields),
        ValueKind::Boolean(_) | ValueKind::Null => 0,
    };
    VALUE_BYTES + inner
}

fn coerce(schema: &Schema, known: &NameIndex<InputValue>, literals: &Inputs) -> Result<Inputs, FieldError> {
    coerce_literals(schema, known, literals).map_err(|errors| {
        let error = errors.into_iter().next();
        let InputError { path, message } =
            error.unwrap_or_else(|| InputError { path: String::new(), message: "is invalid".to_owned() });
        let field = path.strip_prefix("arguments.").unwrap_or(&path);
        FieldError::new("BAD_USER_INPUT", format!("`{field}` {message}.")).with("field", crate::input::dotted(field))
    })
}
