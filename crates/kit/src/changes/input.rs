//! Inputs of mutations: one argument or none.

use async_graphql::registry::MetaType;
use async_graphql::{InputObjectType, Pos, Value};
use graphql::{ArgumentTypes, Arguments, FieldError, Inputs, Registry};

/// The input of a mutation. Every input object of async-graphql implements it, as the argument `input`.
pub trait Input: Send + Sync + Sized + 'static {
    /// The name of the mutation's payload: `AddCommentPayload` for `AddCommentInput`.
    fn payload() -> String;

    /// Describes the arguments, and registers their types.
    fn describe(registry: &mut Registry) -> ArgumentTypes;

    /// Reads coerced arguments.
    ///
    /// # Errors
    /// A scalar rejects its value.
    fn read(given: &Inputs) -> Result<Self, FieldError>;
}

/// The name of the argument.
const INPUT: &str = "input";

impl<I: InputObjectType + 'static> Input for I {
    fn payload() -> String {
        let name = I::type_name();
        format!("{}Payload", name.strip_suffix("Input").unwrap_or(&name))
    }

    fn describe(registry: &mut Registry) -> ArgumentTypes {
        let of = I::create_type_info(registry);
        // The type has the description.
        let description = match registry.types.get(&*I::type_name()) {
            Some(MetaType::InputObject { description, .. }) => description.clone(),
            _ => None,
        };
        let argument = graphql::argument(INPUT, description.as_deref().unwrap_or_default(), &of);
        ArgumentTypes::from_iter([(INPUT.to_owned(), argument)])
    }

    fn read(given: &Inputs) -> Result<Self, FieldError> {
        let value = given.get(INPUT).cloned().unwrap_or_default();
        I::parse(Some(Value::from_json(value).unwrap_or_default())).map_err(|error| {
            FieldError::new("BAD_USER_INPUT", error.into_server_error(Pos::default()).message).with("field", INPUT)
        })
    }
}

/// The arguments of a mutation.
#[derive(Debug)]
pub struct MutationArguments<I> {
    /// The input.
    pub input: I,
    /// All coerced arguments, for the idempotency key.
    pub json: Inputs,
}

impl<I: Input> Arguments for MutationArguments<I> {
    fn describe(registry: &mut Registry) -> ArgumentTypes {
        I::describe(registry)
    }

    fn read(given: Inputs) -> Result<Self, FieldError> {
        Ok(Self { input: I::read(&given)?, json: given })
    }
}
