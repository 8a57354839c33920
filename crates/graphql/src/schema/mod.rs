//! The type system for validation and coercion.
//!
//! A [`SchemaBuilder`] builds it from descriptions that refer to types by name. The schema itself numbers its types.

mod build;
mod sdl;
mod table;

use std::sync::Arc;

use serde_json::Value as Json;

pub use build::{SchemaBuilder, SchemaError};
pub use table::{HasName, NameIndex};

use crate::document::{BaseType, OperationKind, TypeExpression};

/// A type of the schema, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(u32);

/// A type with its lists and exclamation marks. `N` names the type inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeRef<N = TypeId> {
    /// The type itself, which may be null.
    Named(N),
    /// A list.
    List(Box<Self>),
    /// Not null.
    NonNull(Box<Self>),
}

impl TypeRef<String> {
    /// The type of this name.
    pub fn named(name: &str) -> Self {
        Self::Named(name.to_owned())
    }
}

impl<N> TypeRef<N> {
    /// A list of this type.
    #[must_use]
    pub fn list(self) -> Self {
        Self::List(Box::new(self))
    }

    /// This type without null.
    #[must_use]
    pub fn non_null(self) -> Self {
        Self::NonNull(Box::new(self))
    }

    /// Whether null is not allowed.
    pub const fn is_non_null(&self) -> bool {
        matches!(self, Self::NonNull(_))
    }

    /// The type without its outer exclamation mark.
    pub fn nullable(&self) -> &Self {
        match self {
            Self::NonNull(of) => of,
            other => other,
        }
    }

    /// The type inside all lists.
    pub fn name(&self) -> &N {
        match self {
            Self::Named(name) => name,
            Self::List(of) | Self::NonNull(of) => of.name(),
        }
    }
}

/// An argument, or a field of an input object.
#[derive(Clone, Debug)]
pub struct InputValue<N = TypeId> {
    /// Its name.
    pub name: String,
    /// Its type.
    pub of: TypeRef<N>,
    /// Its default, as JSON.
    pub default: Option<Json>,
}

impl<N> InputValue<N> {
    /// Whether it must be given.
    pub fn is_required(&self) -> bool {
        self.of.is_non_null() && self.default.is_none()
    }
}

impl InputValue<String> {
    /// A value without a default.
    pub fn new(name: &str, of: TypeRef<String>) -> Self {
        Self { name: name.to_owned(), of, default: None }
    }

    /// The value with a default; enum values are strings.
    #[must_use]
    pub fn default(mut self, default: Json) -> Self {
        self.default = Some(default);
        self
    }
}

/// A field of an object or an interface.
#[derive(Clone, Debug)]
pub struct FieldDefinition<N = TypeId> {
    /// Its name.
    pub name: String,
    /// Its type.
    pub of: TypeRef<N>,
    /// Its arguments.
    pub arguments: NameIndex<InputValue<N>>,
}

impl FieldDefinition<String> {
    /// A field without arguments.
    pub fn new(name: &str, of: TypeRef<String>) -> Self {
        Self { name: name.to_owned(), of, arguments: NameIndex::default() }
    }

    /// The field with one more argument.
    #[must_use]
    pub fn argument(mut self, argument: InputValue<String>) -> Self {
        self.arguments.insert(argument);
        self
    }
}

/// A check of a custom scalar's values.
#[derive(Clone)]
pub struct Check(Arc<Judge>);

type Judge = dyn Fn(&Json) -> Result<(), String> + Send + Sync;

impl Check {
    /// A check that refuses a value with the rest of a sentence that begins with its path: `must be a date`.
    pub fn new(check: impl Fn(&Json) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(check))
    }

    /// Checks a value.
    ///
    /// # Errors
    /// The value is invalid.
    pub fn check(&self, value: &Json) -> Result<(), String> {
        (self.0)(value)
    }
}

impl Default for Check {
    /// Accepts every value.
    fn default() -> Self {
        Self::new(|_| Ok(()))
    }
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Check")
    }
}

/// The values of a scalar.
#[derive(Clone, Debug)]
pub enum Scalar {
    /// A 32-bit integer.
    Int,
    /// A finite number.
    Float,
    /// Text.
    String,
    /// True or false.
    Boolean,
    /// Text, or an integer that becomes text.
    Id,
    /// Values that pass the check.
    Custom(Check),
}

/// A named type.
#[derive(Clone, Debug)]
pub struct Type<N = TypeId> {
    /// Its name.
    pub name: String,
    /// Its kind, with the contents.
    pub kind: TypeKind<N>,
}

/// The kinds of types.
#[derive(Clone, Debug)]
pub enum TypeKind<N = TypeId> {
    /// A leaf.
    Scalar(Scalar),
    /// A leaf with a fixed set of names.
    Enum(Vec<String>),
    /// An input with several fields.
    Input {
        /// Its fields.
        fields: NameIndex<InputValue<N>>,
        /// Whether exactly one must be given.
        is_one_of: bool,
    },
    /// An output with fields.
    Object {
        /// Its fields.
        fields: NameIndex<FieldDefinition<N>>,
        /// The interfaces that it implements.
        interfaces: Vec<N>,
    },
    /// Common fields of several objects.
    Interface {
        /// Its fields.
        fields: NameIndex<FieldDefinition<N>>,
        /// The interfaces that it implements.
        interfaces: Vec<N>,
    },
    /// One of several objects.
    Union(Vec<N>),
}

impl<N> TypeKind<N> {
    /// Whether it requires a selection: an object, interface or union.
    pub const fn is_composite(&self) -> bool {
        matches!(self, Self::Object { .. } | Self::Interface { .. } | Self::Union(_))
    }

    /// Whether it is valid for arguments and variables.
    pub const fn is_input(&self) -> bool {
        matches!(self, Self::Scalar(_) | Self::Enum(_) | Self::Input { .. })
    }
}

/// The locations of directives in a document. Locations in schemas are not distinguished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// On a query.
    Query,
    /// On a mutation.
    Mutation,
    /// On a subscription.
    Subscription,
    /// On a field.
    Field,
    /// On a fragment.
    FragmentDefinition,
    /// On `...F`.
    FragmentSpread,
    /// On `... on T {}`.
    InlineFragment,
    /// On a variable.
    VariableDefinition,
    /// In a schema.
    TypeSystem,
}

/// A directive of the schema.
#[derive(Clone, Debug)]
pub struct DirectiveDefinition<N = TypeId> {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub arguments: NameIndex<InputValue<N>>,
    /// The allowed locations.
    pub locations: Vec<Location>,
    /// Whether it may be repeated at one location.
    pub is_repeatable: bool,
}

/// The type system for validating documents.
#[derive(Debug)]
pub struct Schema {
    types: NameIndex<Type>,
    directives: NameIndex<DirectiveDefinition>,
    roots: [Option<TypeId>; 3],
    /// The objects that a value of each composite type may be, sorted.
    possible: Vec<Vec<TypeId>>,
    type_name: FieldDefinition,
    schema_field: FieldDefinition,
    type_field: FieldDefinition,
    suggests_names: bool,
}

impl Schema {
    /// The type of a number.
    pub fn get(&self, id: TypeId) -> &Type {
        self.types.at(id.0 as usize)
    }

    /// All types.
    pub fn types(&self) -> std::slice::Iter<'_, Type> {
        self.types.iter()
    }

    /// The type of a name.
    pub fn find(&self, name: &str) -> Option<TypeId> {
        self.types.position(name).and_then(|i| u32::try_from(i).ok()).map(TypeId)
    }

    /// Makes validation suggest names of this schema in place of unknown ones.
    #[must_use]
    pub fn with_suggestions(mut self) -> Self {
        self.suggests_names = true;
        self
    }

    /// Whether validation suggests names.
    pub const fn suggests_names(&self) -> bool {
        self.suggests_names
    }

    /// The names of a type's fields.
    pub(crate) fn field_names(&self, parent: TypeId) -> impl Iterator<Item = &str> {
        let fields = match &self.get(parent).kind {
            TypeKind::Object { fields, .. } | TypeKind::Interface { fields, .. } => Some(fields),
            _ => None,
        };
        fields.into_iter().flatten().map(|field| &*field.name)
    }

    /// The names of all directives.
    pub(crate) fn directive_names(&self) -> impl Iterator<Item = &str> {
        self.directives.iter().map(|directive| &*directive.name)
    }

    /// The directive of a name.
    pub fn directive(&self, name: &str) -> Option<&DirectiveDefinition> {
        self.directives.get(name)
    }

    /// The root for a kind of operation.
    pub const fn root(&self, kind: OperationKind) -> Option<TypeId> {
        self.roots[kind as usize]
    }

    /// A field of a type. `__typename`, and `__schema` and `__type` of the query root, are fields, too.
    pub fn field(&self, parent: TypeId, name: &str) -> Option<&FieldDefinition> {
        let kind = &self.get(parent).kind;
        if name.starts_with("__") {
            let is_query = self.root(OperationKind::Query) == Some(parent);
            return match name {
                "__typename" if kind.is_composite() => Some(&self.type_name),
                "__schema" if is_query => Some(&self.schema_field),
                "__type" if is_query => Some(&self.type_field),
                _ => None,
            };
        }
        match kind {
            TypeKind::Object { fields, .. } | TypeKind::Interface { fields, .. } => fields.get(name),
            _ => None,
        }
    }

    /// Whether a type requires a selection.
    pub fn is_composite(&self, id: TypeId) -> bool {
        self.get(id).kind.is_composite()
    }

    /// Whether an object may be of both types.
    pub fn overlap(&self, a: TypeId, b: TypeId) -> bool {
        let (a, b) = (&self.possible[a.0 as usize], &self.possible[b.0 as usize]);
        let (few, many) = if a.len() < b.len() { (a, b) } else { (b, a) };
        few.iter().any(|id| many.binary_search(id).is_ok())
    }

    /// The objects that a value of this type may be.
    pub fn possible(&self, id: TypeId) -> &[TypeId] {
        &self.possible[id.0 as usize]
    }

    /// The average length of a list of introspection, rounded up; 1 for fields that are not long lists.
    pub(crate) fn introspection_items(&self, field: &str) -> u64 {
        let fields = || {
            self.types.iter().filter_map(|of| match &of.kind {
                TypeKind::Object { fields, .. } | TypeKind::Interface { fields, .. } => Some(fields),
                _ => None,
            })
        };
        let types = self.types.iter().count();
        let (sum, among) = match field {
            "types" => (types, 1),
            "directives" => (self.directives.iter().count(), 1),
            "fields" => (fields().map(|fields| fields.iter().count()).sum(), types),
            "args" => {
                let count = fields().map(|fields| fields.iter().count()).sum();
                (fields().flat_map(NameIndex::iter).map(|field| field.arguments.iter().count()).sum(), count)
            }
            "inputFields" | "enumValues" | "possibleTypes" | "interfaces" => {
                let count = |of: &Type| match (&of.kind, field) {
                    (TypeKind::Interface { .. } | TypeKind::Union(_), "possibleTypes") => {
                        self.find(&of.name).map_or(0, |id| self.possible(id).len())
                    }
                    (TypeKind::Input { fields, .. }, "inputFields") => fields.iter().count(),
                    (TypeKind::Enum(values), "enumValues") => values.len(),
                    (TypeKind::Object { interfaces, .. }, "interfaces") => interfaces.len(),
                    _ => 0,
                };
                (self.types.iter().map(count).sum(), types)
            }
            _ => (1, 1),
        };
        sum.div_ceil(among.max(1)).max(1) as u64
    }

    /// A type as documents write it.
    pub fn display(&self, of: &TypeRef) -> String {
        match of {
            TypeRef::Named(id) => self.get(*id).name.clone(),
            TypeRef::List(of) => format!("[{}]", self.display(of)),
            TypeRef::NonNull(of) => format!("{}!", self.display(of)),
        }
    }
}

impl Schema {
    /// The type in a document, if the schema has it.
    pub fn resolve(&self, of: &TypeExpression<'_>) -> Option<TypeRef> {
        let base = match &of.base {
            BaseType::Named(name) => TypeRef::Named(self.find(name.text)?),
            BaseType::List(of) => self.resolve(of)?.list(),
        };
        Some(if of.non_null { base.non_null() } else { base })
    }
}
