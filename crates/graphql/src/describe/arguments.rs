//! Arguments as Rust values.

use std::any::Any;
use std::sync::Arc;

use async_graphql::indexmap::IndexMap;
use async_graphql::registry::{Deprecation, MetaInputValue, MetaType, Registry};
use async_graphql::{InputObjectType, Value};
use serde_json::Value as Json;

use crate::execution::FieldError;
use crate::input::Inputs;

/// Arguments by name, as a schema describes them.
pub type ArgumentTypes = IndexMap<String, MetaInputValue>;

/// The arguments of a field.
///
/// Structs that derive async-graphql's `InputObject` are arguments: their fields are the arguments, their doc
/// comments the descriptions. Destructure them in the resolver, so that the compiler finds unused arguments.
pub trait Arguments: Send + Sync + Sized + 'static {
    /// Describes the arguments and registers their types.
    fn describe(registry: &mut Registry) -> ArgumentTypes;

    /// Reads coerced arguments.
    ///
    /// # Errors
    /// The type of an argument allows its value, but the field does not.
    fn read(given: Inputs) -> Result<Self, FieldError>;
}

/// An argument without a default.
pub fn argument(name: &str, description: &str, of: &str) -> MetaInputValue {
    MetaInputValue {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        ty: of.to_owned(),
        deprecation: Deprecation::NoDeprecated,
        default_value: None,
        visible: None,
        inaccessible: false,
        tags: Vec::new(),
        is_secret: false,
        directive_invocations: Vec::new(),
    }
}

/// A field without arguments.
#[derive(Clone, Copy, Debug)]
pub struct NoArguments;

impl Arguments for NoArguments {
    fn describe(_: &mut Registry) -> ArgumentTypes {
        ArgumentTypes::new()
    }

    fn read(_: Inputs) -> Result<Self, FieldError> {
        Ok(Self)
    }
}

impl<A: InputObjectType + 'static> Arguments for A {
    fn describe(registry: &mut Registry) -> ArgumentTypes {
        A::create_type_info(registry);
        // The arguments themselves are not a type of the schema.
        match registry.types.remove(&*A::type_name()) {
            Some(MetaType::InputObject { input_fields, .. }) => input_fields,
            _ => ArgumentTypes::new(),
        }
    }

    fn read(given: Inputs) -> Result<Self, FieldError> {
        let value = Value::from_json(Json::Object(given)).unwrap_or_default();
        A::parse(Some(value)).map_err(|error| {
            let message = error.into_server_error(async_graphql::Pos::default()).message;
            FieldError::new("BAD_USER_INPUT", message)
        })
    }
}

/// The arguments of a call, before their type is known.
pub(crate) type ArgumentValues = Arc<dyn Any + Send + Sync>;

/// Reads arguments of one type.
pub(crate) type ReadArguments = fn(Inputs) -> Result<ArgumentValues, FieldError>;

pub(crate) fn read<A: Arguments>(given: Inputs) -> Result<ArgumentValues, FieldError> {
    A::read(given).map(|read| Arc::new(read) as ArgumentValues)
}
