//! Builds a schema from descriptions: replaces names by numbers, and checks defaults.

use super::{
    DirectiveDefinition, FieldDefinition, InputValue, NameIndex, Scalar, Schema, Type, TypeId, TypeKind, TypeRef, sdl,
};
use crate::error::ParseError;
use crate::input::coerce_default;

/// Scalars, directives and types that every schema has.
const PRELUDE: &str = include_str!("prelude.graphql");

/// An error in a description of types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A type is used but not described.
    #[error("The type `{0}` is unknown.")]
    UnknownType(String),
    /// A default has an invalid value.
    #[error("The default of `{0}` is invalid: {1}")]
    InvalidDefault(String, String),
    /// The schema has no query root.
    #[error("The schema has no query root.")]
    NoQuery,
    /// The text is not a valid schema.
    #[error("{0} ({at})", at = .0.position())]
    Syntax(#[from] ParseError),
}

impl Type<String> {
    /// A scalar that accepts every value.
    pub fn scalar(name: &str) -> Self {
        Self { name: name.to_owned(), kind: TypeKind::Scalar(Scalar::Custom(super::Check::default())) }
    }

    /// An enum.
    pub fn enumeration<'n>(name: &str, values: impl IntoIterator<Item = &'n str>) -> Self {
        Self { name: name.to_owned(), kind: TypeKind::Enum(values.into_iter().map(str::to_owned).collect()) }
    }

    /// An input object.
    pub fn input(name: &str, fields: impl IntoIterator<Item = InputValue<String>>) -> Self {
        let fields = fields.into_iter().collect();
        Self { name: name.to_owned(), kind: TypeKind::Input { fields, is_one_of: false } }
    }

    /// An input object with exactly one field.
    pub fn one_of(name: &str, fields: impl IntoIterator<Item = InputValue<String>>) -> Self {
        let fields = fields.into_iter().collect();
        Self { name: name.to_owned(), kind: TypeKind::Input { fields, is_one_of: true } }
    }

    /// An object.
    pub fn object(name: &str, fields: impl IntoIterator<Item = FieldDefinition<String>>) -> Self {
        let fields = fields.into_iter().collect();
        Self { name: name.to_owned(), kind: TypeKind::Object { fields, interfaces: Vec::new() } }
    }

    /// An interface.
    pub fn interface(name: &str, fields: impl IntoIterator<Item = FieldDefinition<String>>) -> Self {
        let fields = fields.into_iter().collect();
        Self { name: name.to_owned(), kind: TypeKind::Interface { fields, interfaces: Vec::new() } }
    }

    /// A union.
    pub fn union<'n>(name: &str, members: impl IntoIterator<Item = &'n str>) -> Self {
        Self { name: name.to_owned(), kind: TypeKind::Union(members.into_iter().map(str::to_owned).collect()) }
    }

    /// Declares that the object or interface implements these interfaces. Has no effect on other types.
    #[must_use]
    pub fn implements<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Self {
        if let TypeKind::Object { interfaces, .. } | TypeKind::Interface { interfaces, .. } = &mut self.kind {
            interfaces.extend(names.into_iter().map(str::to_owned));
        }
        self
    }

    /// Adds a check of the scalar's values. Has no effect on other types.
    #[must_use]
    pub fn checked(mut self, check: super::Check) -> Self {
        if let TypeKind::Scalar(scalar) = &mut self.kind {
            *scalar = Scalar::Custom(check);
        }
        self
    }
}

/// Collects descriptions of types.
///
/// The roots are the types `Query`, `Mutation` and `Subscription`.
#[derive(Debug, Default)]
pub struct SchemaBuilder {
    pub(super) types: NameIndex<Type<String>>,
    pub(super) directives: NameIndex<DirectiveDefinition<String>>,
    pub(super) roots: [Option<String>; 3],
}

impl SchemaBuilder {
    /// A schema without types.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The types and directives of a schema definition.
    ///
    /// # Errors
    /// The text is not a schema.
    pub fn from_sdl(text: &str) -> Result<Self, SchemaError> {
        let mut builder = Self::new();
        sdl::read(text, &mut builder)?;
        Ok(builder)
    }

    /// Sets the check of an existing scalar.
    pub fn check(&mut self, name: &str, check: super::Check) {
        if self.types.get(name).is_some() {
            self.types.insert(Type::scalar(name).checked(check));
        }
    }

    /// Adds a type, or replaces the one with its name.
    #[must_use]
    pub fn with_type(mut self, of: Type<String>) -> Self {
        self.types.insert(of);
        self
    }

    /// The schema.
    ///
    /// # Errors
    /// A type is unknown, a default is invalid, or the query root is missing.
    pub fn build(self) -> Result<Schema, SchemaError> {
        let mut all = Self { roots: self.roots, ..Self::default() };
        sdl::read(PRELUDE, &mut all)?;
        self.types.iter().for_each(|of| all.types.insert(of.clone()));
        self.directives.iter().for_each(|directive| all.directives.insert(directive.clone()));
        let built_in = [
            ("Int", Scalar::Int),
            ("Float", Scalar::Float),
            ("String", Scalar::String),
            ("Boolean", Scalar::Boolean),
            ("ID", Scalar::Id),
        ];
        for (name, scalar) in built_in {
            all.types.insert(Type { name: name.to_owned(), kind: TypeKind::Scalar(scalar) });
        }
        let schema = all.resolve()?;
        check_defaults(&schema)?;
        Ok(schema)
    }

    fn resolve(self) -> Result<Schema, SchemaError> {
        let names = TypeIds(&self.types);
        let types = self.types.iter().map(|of| names.of_type(of)).collect::<Result<NameIndex<Type>, _>>()?;
        let directives = self.directives.iter().map(|d| names.directive(d)).collect::<Result<_, _>>()?;
        let mut roots = [None; 3];
        for ((root, given), usual) in roots.iter_mut().zip(&self.roots).zip(["Query", "Mutation", "Subscription"]) {
            *root = match given {
                Some(name) => Some(names.id(name)?),
                None => names.id(usual).ok(),
            };
        }
        if roots[0].is_none() {
            return Err(SchemaError::NoQuery);
        }
        let field = |name: &str, of: TypeRef<String>| names.field(&FieldDefinition::new(name, of));
        let name = InputValue::new("name", TypeRef::named("String").non_null());
        let type_field = FieldDefinition::new("__type", TypeRef::named("__Type")).argument(name);
        Ok(Schema {
            possible: possible(&types),
            directives,
            roots,
            type_name: field("__typename", TypeRef::named("String").non_null())?,
            schema_field: field("__schema", TypeRef::named("__Schema").non_null())?,
            type_field: names.field(&type_field)?,
            types,
            suggests_names: false,
        })
    }
}

impl Schema {
    /// A schema from its definition language.
    ///
    /// # Errors
    /// The text is not a schema, or [`SchemaBuilder::build`] refuses it.
    pub fn from_sdl(text: &str) -> Result<Self, SchemaError> {
        SchemaBuilder::from_sdl(text)?.build()
    }
}

/// The objects that a value of each type may be.
fn possible(types: &NameIndex<Type>) -> Vec<Vec<TypeId>> {
    let id = |i: usize| TypeId(crate::error::offset_of(i));
    let mut possible: Vec<Vec<TypeId>> = types.iter().map(|_| Vec::new()).collect();
    for (i, of) in types.iter().enumerate() {
        match &of.kind {
            TypeKind::Object { interfaces, .. } => {
                possible[i].push(id(i));
                interfaces.iter().for_each(|interface| possible[interface.0 as usize].push(id(i)));
            }
            TypeKind::Union(members) => possible[i].extend(members),
            _ => {}
        }
    }
    possible.iter_mut().for_each(|all| all.sort_unstable());
    possible
}

/// Replaces names of types by numbers.
struct TypeIds<'t>(&'t NameIndex<Type<String>>);

impl TypeIds<'_> {
    fn id(&self, name: &str) -> Result<TypeId, SchemaError> {
        let position = self.0.position(name).and_then(|i| u32::try_from(i).ok());
        position.map(TypeId).ok_or_else(|| SchemaError::UnknownType(name.to_owned()))
    }

    fn ids(&self, names: &[String]) -> Result<Vec<TypeId>, SchemaError> {
        names.iter().map(|name| self.id(name)).collect()
    }

    fn of(&self, of: &TypeRef<String>) -> Result<TypeRef, SchemaError> {
        Ok(match of {
            TypeRef::Named(name) => TypeRef::Named(self.id(name)?),
            TypeRef::List(of) => self.of(of)?.list(),
            TypeRef::NonNull(of) => self.of(of)?.non_null(),
        })
    }

    fn inputs(&self, inputs: &NameIndex<InputValue<String>>) -> Result<NameIndex<InputValue>, SchemaError> {
        let input = |input: &InputValue<String>| {
            Ok(InputValue { name: input.name.clone(), of: self.of(&input.of)?, default: input.default.clone() })
        };
        inputs.iter().map(input).collect()
    }

    fn field(&self, field: &FieldDefinition<String>) -> Result<FieldDefinition, SchemaError> {
        let arguments = self.inputs(&field.arguments)?;
        Ok(FieldDefinition { name: field.name.clone(), of: self.of(&field.of)?, arguments })
    }

    fn directive(&self, directive: &DirectiveDefinition<String>) -> Result<DirectiveDefinition, SchemaError> {
        Ok(DirectiveDefinition {
            name: directive.name.clone(),
            arguments: self.inputs(&directive.arguments)?,
            locations: directive.locations.clone(),
            is_repeatable: directive.is_repeatable,
        })
    }

    fn of_type(&self, of: &Type<String>) -> Result<Type, SchemaError> {
        let fields = |fields: &NameIndex<FieldDefinition<String>>| -> Result<NameIndex<FieldDefinition>, SchemaError> {
            fields.iter().map(|field| self.field(field)).collect()
        };
        let kind = match &of.kind {
            TypeKind::Scalar(scalar) => TypeKind::Scalar(scalar.clone()),
            TypeKind::Enum(values) => TypeKind::Enum(values.clone()),
            TypeKind::Input { fields, is_one_of } => {
                TypeKind::Input { fields: self.inputs(fields)?, is_one_of: *is_one_of }
            }
            TypeKind::Object { fields: all, interfaces } => {
                TypeKind::Object { fields: fields(all)?, interfaces: self.ids(interfaces)? }
            }
            TypeKind::Interface { fields: all, interfaces } => {
                TypeKind::Interface { fields: fields(all)?, interfaces: self.ids(interfaces)? }
            }
            TypeKind::Union(members) => TypeKind::Union(self.ids(members)?),
        };
        Ok(Type { name: of.name.clone(), kind })
    }
}

/// Refuses invalid defaults.
fn check_defaults(schema: &Schema) -> Result<(), SchemaError> {
    let check = |owner: &str, inputs: &NameIndex<InputValue>| {
        inputs.iter().try_for_each(|input| match coerce_default(schema, input) {
            Ok(_) => Ok(()),
            Err(reason) => Err(SchemaError::InvalidDefault(format!("{owner}.{}", input.name), reason)),
        })
    };
    for of in &schema.types {
        match &of.kind {
            TypeKind::Input { fields, .. } => check(&of.name, fields)?,
            TypeKind::Object { fields, .. } | TypeKind::Interface { fields, .. } => {
                fields.iter().try_for_each(|field| check(&format!("{}.{}", of.name, field.name), &field.arguments))?;
            }
            _ => {}
        }
    }
    schema.directives.iter().try_for_each(|directive| check(&directive.name, &directive.arguments))
}
