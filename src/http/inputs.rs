//! Values in arguments and variables: their sizes, and whether variables are of their types.

use async_graphql::parser::types::{BaseType, OperationDefinition, Type};
use async_graphql::{Name, Value, Variables};
use async_graphql_value::Value as Literal;

use super::limits::Limits;
use super::refusal::Refusal;
use super::shape::Shape;

/// Passes a value of a document whose lists and objects are small enough.
///
/// # Errors
/// The limit that is exceeded, under the argument's name.
pub(super) fn check_literal(argument: &str, value: &Literal, limits: &Limits) -> Result<(), Refusal> {
    match value {
        Literal::List(items) => {
            check_items(argument, items.len(), limits)?;
            items.iter().try_for_each(|item| check_literal(argument, item, limits))
        }
        Literal::Object(fields) => {
            check_fields(argument, fields.len(), limits)?;
            fields.iter().try_for_each(|(name, value)| check_literal(&format!("{argument}.{name}"), value, limits))
        }
        _ => Ok(()),
    }
}

fn check_items(field: &str, found: usize, limits: &Limits) -> Result<(), Refusal> {
    let max = limits.limit_list_items;
    if found as u64 > max {
        return Err(Refusal::large_input("limit-list-items", field, found, "items", max));
    }
    Ok(())
}

fn check_fields(field: &str, found: usize, limits: &Limits) -> Result<(), Refusal> {
    let max = limits.limit_input_fields;
    if found as u64 > max {
        return Err(Refusal::large_input("limit-input-fields", field, found, "fields", max));
    }
    Ok(())
}

/// Passes variables that are small enough and of the types that the operation declares (section
/// 6.1.2 of the specification, "Coercing Variable Values"). What a scalar of the schema's own
/// accepts is only known to the executor.
///
/// # Errors
/// What is wrong, under the path of the value: `variables.filter.year.from`.
pub(super) fn check_variables(
    operation: &OperationDefinition,
    variables: &Variables,
    shape: &Shape,
    limits: &Limits,
) -> Result<(), Refusal> {
    check_fields("variables", variables.len(), limits)?;
    for (name, value) in variables.iter() {
        check_size(&Path { parent: None, segment: Segment::Field(name) }, value, limits, 1)?;
    }
    for definition in operation.variable_definitions.iter().map(|definition| &definition.node) {
        let name = &definition.name.node;
        let path = Path { parent: None, segment: Segment::Field(name) };
        let ty = &definition.var_type.node;
        match variables.get(name) {
            Some(value) => check_type(&path, value, ty, shape)?,
            None if ty.nullable || definition.default_value.is_some() => {}
            None => return Err(path.refuse(&format!("is missing; give it a value of type {ty}"))),
        }
    }
    Ok(())
}

/// Where a value is, from the inside out.
struct Path<'a> {
    parent: Option<&'a Self>,
    segment: Segment<'a>,
}

enum Segment<'a> {
    Field(&'a str),
    Item(usize),
}

impl Path<'_> {
    fn text(&self) -> String {
        let parent = self.parent.map_or_else(|| "variables".to_owned(), Path::text);
        match self.segment {
            Segment::Field(name) => format!("{parent}.{name}"),
            Segment::Item(index) => format!("{parent}.{index}"),
        }
    }

    fn refuse(&self, message: &str) -> Refusal {
        Refusal::input(&self.text(), message)
    }
}

fn check_size(path: &Path<'_>, value: &Value, limits: &Limits, level: u64) -> Result<(), Refusal> {
    if !matches!(value, Value::List(_) | Value::Object(_)) {
        return Ok(());
    }
    let max = limits.limit_nesting;
    if level > max {
        let field = path.text();
        let message = format!("nests more than {max} levels, which is the limit");
        return Err(Refusal::input(&field, &message).limit("limit-nesting", max));
    }
    match value {
        Value::List(items) => {
            if items.len() as u64 > limits.limit_list_items {
                check_items(&path.text(), items.len(), limits)?;
            }
            items.iter().enumerate().try_for_each(|(index, item)| {
                check_size(&Path { parent: Some(path), segment: Segment::Item(index) }, item, limits, level + 1)
            })
        }
        Value::Object(fields) => {
            if fields.len() as u64 > limits.limit_input_fields {
                check_fields(&path.text(), fields.len(), limits)?;
            }
            fields.iter().try_for_each(|(name, value)| {
                check_size(&Path { parent: Some(path), segment: Segment::Field(name) }, value, limits, level + 1)
            })
        }
        _ => Ok(()),
    }
}

fn check_type(path: &Path<'_>, value: &Value, ty: &Type, shape: &Shape) -> Result<(), Refusal> {
    if *value == Value::Null {
        return if ty.nullable { Ok(()) } else { Err(path.refuse(&format!("null is no {ty}"))) };
    }
    match (&ty.base, value) {
        (BaseType::List(item), Value::List(items)) => items.iter().enumerate().try_for_each(|(index, value)| {
            check_type(&Path { parent: Some(path), segment: Segment::Item(index) }, value, item, shape)
        }),
        // One value may stand for a list of it.
        (BaseType::List(item), value) => check_type(path, value, item, shape),
        (BaseType::Named(name), value) => check_named(path, value, name, shape),
    }
}

fn check_named(path: &Path<'_>, value: &Value, name: &Name, shape: &Shape) -> Result<(), Refusal> {
    if let Some(fields) = shape.inputs.get(name) {
        let Value::Object(given) = value else {
            return Err(path.refuse(&format!("an object of type {name} is wanted")));
        };
        if let Some(unknown) = given.keys().find(|given| !fields.contains_key(*given)) {
            return Err(path.refuse(&format!("{name} has no field {unknown}")));
        }
        return fields.iter().try_for_each(|(field, input)| {
            let path = Path { parent: Some(path), segment: Segment::Field(field) };
            match given.get(field) {
                Some(value) => check_type(&path, value, &input.ty, shape),
                None if input.ty.nullable || input.default.is_some() => Ok(()),
                None => Err(path.refuse(&format!("is missing; give it a value of type {}", input.ty))),
            }
        });
    }
    if let Some(values) = shape.enums.get(name) {
        let known = match value {
            Value::String(text) => values.contains(text.as_str()),
            Value::Enum(text) => values.contains(text),
            _ => false,
        };
        return if known { Ok(()) } else { Err(path.refuse(&format!("not a value of {name}"))) };
    }
    let fits = match (name.as_str(), value) {
        ("Int", Value::Number(number)) => number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        ("Float", Value::Number(_)) | ("String" | "ID", Value::String(_)) | ("Boolean", Value::Boolean(_)) => true,
        ("ID", Value::Number(number)) => number.is_i64() || number.is_u64(),
        (scalar, _) => !["Int", "Float", "String", "Boolean", "ID"].contains(&scalar),
    };
    match name.as_str() {
        _ if fits => Ok(()),
        "Int" => Err(path.refuse("an Int is wanted, a whole number from -2147483648 to 2147483647")),
        wanted => Err(path.refuse(&format!("a value of type {wanted} is wanted"))),
    }
}
