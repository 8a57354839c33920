//! Literals that outlive their document.

use serde_json::Value as Json;

use super::Inputs;
use super::literal::{has_variables, literal};
use crate::document::{Argument, Value, ValueKind};
use crate::schema::{Schema, TypeKind, TypeRef};

/// A literal whose constant parts are already JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Constant(Json),
    Variable(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Literal {
    /// The literal for this type.
    pub(crate) fn new(value: &Value<'_>, of: Option<(&Schema, &TypeRef)>) -> Self {
        if !has_variables(value) {
            return Self::Constant(literal(value, of, &Inputs::new()).unwrap_or(Json::Null));
        }
        let of = of.map(|(schema, of)| (schema, of.nullable()));
        match (&value.kind, of) {
            (ValueKind::Variable(name), _) => Self::Variable((*name).to_owned()),
            (ValueKind::List(values), of) => {
                let item = match of {
                    Some((schema, TypeRef::List(item))) => Some((schema, item.as_ref())),
                    _ => None,
                };
                Self::List(values.iter().map(|value| Self::new(value, item)).collect())
            }
            (_, Some((schema, TypeRef::List(item)))) => Self::new(value, Some((schema, item))),
            (ValueKind::Object(fields), of) => {
                let known = match of {
                    Some((schema, TypeRef::Named(id))) => match &schema.get(*id).kind {
                        TypeKind::Input { fields, .. } => Some((schema, fields)),
                        _ => None,
                    },
                    _ => None,
                };
                let field = |field: &Argument<'_>| {
                    let of = known.and_then(|(schema, known)| Some((schema, &known.get(field.name.text)?.of)));
                    (field.name.text.to_owned(), Self::new(&field.value, of))
                };
                Self::Object(fields.iter().map(field).collect())
            }
            _ => Self::Constant(Json::Null),
        }
    }

    /// Whether it contains no variables.
    pub(crate) const fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }

    /// The literal with the values of variables. `None` for an absent variable.
    pub(crate) fn fill(&self, variables: &Inputs) -> Option<Json> {
        Some(match self {
            Self::Constant(value) => value.clone(),
            Self::Variable(name) => return variables.get(name).cloned(),
            Self::List(items) => items.iter().map(|item| item.fill(variables).unwrap_or(Json::Null)).collect(),
            Self::Object(fields) => Json::Object(fill_all(fields, variables)),
        })
    }
}

/// Named literals with the values of variables. Those with absent variables are omitted.
pub(crate) fn fill_all(literals: &[(String, Literal)], variables: &Inputs) -> Inputs {
    literals.iter().filter_map(|(name, literal)| Some((name.clone(), literal.fill(variables)?))).collect()
}
