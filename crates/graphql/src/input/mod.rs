//! Coercion of inputs: variables from JSON, arguments from literals and variables.
//!
//! The result is JSON in the shape of the schema: lists where it has lists, with defaults, and without absent values.
//! Sections 3.10, 6.1.2 and 6.4.1 of the specification. Documents must be valid: `validation` has checked the
//! literals that are converted here.

mod literal;
mod owned;

use std::fmt;

use serde_json::{Map, Number, Value as Json};

use crate::document::{Argument, Operation, Variable};
use crate::schema::{InputValue, NameIndex, Scalar, Schema, TypeId, TypeKind, TypeRef};
use literal::literal;
pub(crate) use literal::{check_literal, constant};
pub(crate) use owned::{Literal, fill_all};

/// Inputs by name.
pub type Inputs = Map<String, Json>;

/// Maximum number of errors that one coercion reports.
const ERRORS_MAX: usize = 100;

/// Maximum nesting of defaults.
const DEPTH_MAX: usize = 200;

/// An input has an invalid value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` {message}.")]
pub struct InputError {
    /// Its path, such as `variables.filter.year.from`.
    pub path: String,
    /// The requirement, as the rest of a sentence that begins with the path.
    pub message: String,
}

/// The path of an input. It becomes text only for an error.
#[derive(Clone, Copy)]
enum InputPath<'p> {
    Root(&'static str),
    Name(&'p Self, &'p str),
    Index(&'p Self, usize),
}

impl fmt::Display for InputPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(name) => f.write_str(name),
            Self::Name(of, name) => write!(f, "{of}.{name}"),
            Self::Index(of, i) => write!(f, "{of}[{i}]"),
        }
    }
}

/// Bytes of a text that count as one value.
const BYTES_PER_VALUE: u64 = 256;

/// The number of values that a text counts as.
pub const fn values_of_text(text: &str) -> u64 {
    1 + text.len() as u64 / BYTES_PER_VALUE
}

/// The path of an input with dots before indexes: `ids.0` for `ids[0]`.
pub fn dotted(path: &str) -> String {
    path.replace('[', ".").replace(']', "")
}

/// A variable of an operation, independent of the document.
#[derive(Clone, Debug)]
pub(crate) struct VariableType {
    name: String,
    of: TypeRef,
    default: Option<Json>,
}

impl VariableType {
    /// The variables of a valid operation.
    pub(crate) fn all(schema: &Schema, operation: &Operation<'_>) -> Vec<Self> {
        let variable = |variable: &Variable<'_>| {
            let of = schema.resolve(&variable.of)?;
            let default = variable.default.as_ref();
            let default = default.and_then(|default| literal(default, Some((schema, &of)), &Inputs::new()));
            Some(Self { name: variable.name.text.to_owned(), of, default })
        };
        operation.variables.iter().filter_map(variable).collect()
    }

    /// The approximate size in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let default = self.default.as_ref().map_or(0, json_bytes);
        (size_of::<Self>() + self.name.len() + default) as u64
    }
}

/// The approximate size of inputs in bytes.
pub(crate) fn inputs_bytes(inputs: &Inputs) -> u64 {
    fields_bytes(inputs) as u64
}

fn fields_bytes(fields: &Inputs) -> usize {
    fields.iter().map(|(name, value)| 2 * size_of::<String>() + name.len() + json_bytes(value)).sum()
}

/// The approximate size of a value in bytes.
fn json_bytes(value: &Json) -> usize {
    let inner = match value {
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(json_bytes).sum(),
        Json::Object(fields) => fields_bytes(fields),
        _ => 0,
    };
    size_of::<Json>() + inner
}

/// Coerces the variables of a request for an operation. Unknown ones are ignored.
///
/// # Errors
/// Variables that are missing or have invalid values.
pub fn coerce_variables(schema: &Schema, operation: &Operation<'_>, given: &Inputs) -> Result<Inputs, Vec<InputError>> {
    coerce_variable_types(schema, &VariableType::all(schema, operation), given)
}

/// The same for the types of the variables.
pub(crate) fn coerce_variable_types(
    schema: &Schema,
    variables: &[VariableType],
    given: &Inputs,
) -> Result<Inputs, Vec<InputError>> {
    let mut coercion = Coercion::new(schema);
    let mut inputs = Inputs::new();
    let root = InputPath::Root("variables");
    for VariableType { name, of, default } in variables {
        let path = InputPath::Name(&root, name);
        let value = match given.get(name).or(default.as_ref()) {
            Some(value) => coercion.value(value, of, &path),
            None if of.is_non_null() => coercion.fail(&path, "is required".to_owned()),
            None => continue,
        };
        if let Some(value) = value {
            inputs.insert(name.clone(), value);
        }
    }
    coercion.finish(inputs)
}

/// The arguments of a field or directive. An argument whose variable is absent is absent, or has its default.
///
/// # Errors
/// A variable is null but the argument must not be, or a custom scalar refuses a value.
pub fn coerce_arguments(
    schema: &Schema,
    known: &NameIndex<InputValue>,
    given: &[Argument<'_>],
    variables: &Inputs,
) -> Result<Inputs, Vec<InputError>> {
    let mut literals = Inputs::new();
    for argument in given {
        let of = known.get(argument.name.text).map(|input| (schema, &input.of));
        if let Some(value) = literal(&argument.value, of, variables) {
            literals.insert(argument.name.text.to_owned(), value);
        }
    }
    coerce_literals(schema, known, &literals)
}

/// The arguments of a field or directive from literals without variables.
///
/// # Errors
/// As for [`coerce_arguments`].
pub(crate) fn coerce_literals(
    schema: &Schema,
    known: &NameIndex<InputValue>,
    literals: &Inputs,
) -> Result<Inputs, Vec<InputError>> {
    let mut coercion = Coercion::new(schema);
    let inputs = coercion.fields(literals, known, &InputPath::Root("arguments"));
    coercion.finish(inputs)
}

/// The coerced default of an input. `None` if it has none.
pub(crate) fn coerce_default(schema: &Schema, input: &InputValue) -> Result<Option<Json>, String> {
    let Some(default) = &input.default else { return Ok(None) };
    let mut coercion = Coercion::new(schema);
    let value = coercion.value(default, &input.of, &InputPath::Root("default"));
    coercion.finish(value).map_err(|errors| errors.first().map(ToString::to_string).unwrap_or_default())
}

struct Coercion<'s> {
    schema: &'s Schema,
    errors: Vec<InputError>,
    depth: usize,
}

impl<'s> Coercion<'s> {
    const fn new(schema: &'s Schema) -> Self {
        Self { schema, errors: Vec::new(), depth: 0 }
    }

    fn finish<T>(self, value: T) -> Result<T, Vec<InputError>> {
        if self.errors.is_empty() { Ok(value) } else { Err(self.errors) }
    }

    fn fail<T>(&mut self, path: &InputPath<'_>, message: String) -> Option<T> {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(InputError { path: path.to_string(), message });
        }
        None
    }

    fn value(&mut self, given: &Json, of: &TypeRef, path: &InputPath<'_>) -> Option<Json> {
        match of {
            TypeRef::NonNull(_) if given.is_null() => self.fail(path, "must not be null".to_owned()),
            TypeRef::NonNull(of) => self.value(given, of, path),
            _ if given.is_null() => Some(Json::Null),
            TypeRef::List(of) => {
                let Some(items) = given.as_array() else { return Some(Json::from(vec![self.value(given, of, path)?])) };
                let errors = self.errors.len();
                let coerced: Vec<Json> = items
                    .iter()
                    .enumerate()
                    .filter_map(|(i, item)| self.value(item, of, &InputPath::Index(path, i)))
                    .collect();
                (self.errors.len() == errors).then(|| Json::from(coerced))
            }
            TypeRef::Named(id) => self.named(given, *id, path),
        }
    }

    fn named(&mut self, given: &Json, id: TypeId, path: &InputPath<'_>) -> Option<Json> {
        let schema = self.schema;
        let of = schema.get(id);
        match &of.kind {
            TypeKind::Scalar(scalar) => match scalar_value(scalar, given) {
                Ok(value) => Some(value),
                Err(message) => self.fail(path, message),
            },
            TypeKind::Enum(values) => match given.as_str() {
                Some(name) if values.iter().any(|value| value == name) => Some(Json::from(name)),
                _ => self.fail(path, format!("must be a value of the enum `{}`", of.name)),
            },
            TypeKind::Input { fields, is_one_of } => {
                let Some(object) = given.as_object() else {
                    return self.fail(path, format!("must be an object of type `{}`", of.name));
                };
                for name in object.keys().filter(|name| fields.get(name).is_none()) {
                    self.fail::<()>(&InputPath::Name(path, name), format!("is not a field of `{}`", of.name));
                }
                if *is_one_of && (object.len() != 1 || object.values().any(Json::is_null)) {
                    return self.fail(path, format!("must have exactly one field of `{}`, not null", of.name));
                }
                if self.depth == DEPTH_MAX {
                    return self.fail(path, format!("is nested more than {DEPTH_MAX} levels deep"));
                }
                self.depth += 1;
                let value = self.fields(object, fields, path);
                self.depth -= 1;
                Some(Json::Object(value))
            }
            TypeKind::Object { .. } | TypeKind::Interface { .. } | TypeKind::Union(_) => {
                self.fail(path, format!("has the type `{}`, which is not an input type", of.name))
            }
        }
    }

    /// The fields of an input object, or arguments: the given values, otherwise the defaults.
    fn fields(&mut self, given: &Inputs, known: &NameIndex<InputValue>, parent: &InputPath<'_>) -> Inputs {
        let mut inputs = Inputs::new();
        for input in known {
            let path = InputPath::Name(parent, &input.name);
            let value = match given.get(&input.name).or(input.default.as_ref()) {
                Some(value) => self.value(value, &input.of, &path),
                None if input.of.is_non_null() => self.fail(&path, "is required".to_owned()),
                None => None,
            };
            if let Some(value) = value {
                inputs.insert(input.name.clone(), value);
            }
        }
        inputs
    }
}

fn scalar_value(scalar: &Scalar, given: &Json) -> Result<Json, String> {
    let value = match scalar {
        Scalar::Int => whole(given).and_then(|whole| i32::try_from(whole).ok()).map(Json::from),
        Scalar::Float => given.as_f64().and_then(Number::from_f64).map(Json::Number),
        Scalar::String => given.as_str().map(Json::from),
        Scalar::Boolean => given.as_bool().map(Json::from),
        Scalar::Id => match given {
            Json::String(text) => Some(Json::from(text.as_str())),
            Json::Number(number) if number.is_i64() || number.is_u64() => Some(Json::from(number.to_string())),
            _ => whole(given).map(|whole| Json::from(whole.to_string())),
        },
        Scalar::Custom(check) => return check.check(given).map(|()| given.clone()),
    };
    value.ok_or_else(|| expectation(scalar).to_owned())
}

const fn expectation(scalar: &Scalar) -> &'static str {
    match scalar {
        Scalar::Int => "must be an Int: a whole number of 32 bits",
        Scalar::Float => "must be a Float: a finite number",
        Scalar::String => "must be a String",
        Scalar::Boolean => "must be a Boolean: true or false",
        Scalar::Id => "must be an ID: a string or a whole number",
        Scalar::Custom(_) => "is invalid",
    }
}

/// An integer in any JSON notation.
fn whole(given: &Json) -> Option<i64> {
    // Above 2^53, fractions in JSON are not exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    given.as_i64().or_else(|| {
        let number = given.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= EXACT)?;
        format!("{number:.0}").parse().ok()
    })
}

#[cfg(test)]
mod tests;
