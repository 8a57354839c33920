//! What the transport needs to know of a schema, read from its definition in SDL.

use std::collections::{HashMap, HashSet};

use async_graphql::parser::types::{
    BaseType, FieldDefinition, InputValueDefinition, OperationType, Type, TypeKind, TypeSystemDefinition,
};
use async_graphql::parser::{self, parse_schema};
use async_graphql::{Name, Positioned, Value};

/// Fields whose values are long: a type, its field, and the cost of a value.
pub type Costs = &'static [(&'static str, &'static str, u64)];

/// Types by name.
#[derive(Debug)]
pub(super) struct Shape {
    roots: [Name; 3],
    objects: HashMap<Name, HashMap<Name, Field>>,
    pub(super) inputs: HashMap<Name, HashMap<Name, Input>>,
    pub(super) enums: HashMap<Name, HashSet<Name>>,
    /// The arguments of directives.
    directives: HashMap<Name, HashMap<Name, Input>>,
    /// Fields of introspection, and how long their lists are.
    lists: Vec<(&'static str, u64)>,
}

/// A field of an object or an interface.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) ty: Type,
    pub(super) arguments: HashMap<Name, Input>,
    /// What a value costs, in values of usual size.
    pub(super) cost: u64,
}

/// An argument, or a field of an input object.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) ty: Type,
    pub(super) default: Option<Value>,
}

impl Shape {
    /// Reads a schema definition; `costs` names fields whose values cost more than others'.
    ///
    /// # Errors
    /// The text is no SDL.
    pub(super) fn new(sdl: &str, costs: Costs) -> Result<Self, parser::Error> {
        let mut shape = Self {
            roots: ["Query", "Mutation", "Subscription"].map(Name::new),
            objects: HashMap::new(),
            inputs: HashMap::new(),
            enums: HashMap::new(),
            directives: HashMap::new(),
            lists: Vec::new(),
        };
        for definition in parse_schema(sdl)?.definitions {
            match definition {
                TypeSystemDefinition::Schema(schema) => {
                    let named = [schema.node.query, schema.node.mutation, schema.node.subscription];
                    for (root, named) in shape.roots.iter_mut().zip(named) {
                        if let Some(named) = named {
                            *root = named.node;
                        }
                    }
                }
                TypeSystemDefinition::Type(definition) => shape.add(definition.node.name.node, definition.node.kind),
                TypeSystemDefinition::Directive(directive) => {
                    let arguments = directive.node.arguments.into_iter().map(input).collect();
                    shape.directives.insert(directive.node.name.node, arguments);
                }
            }
        }
        for (parent, name, cost) in costs {
            let field = shape.objects.get_mut(*parent).and_then(|fields| fields.get_mut(*name));
            if let Some(field) = field {
                field.cost = *cost;
            }
        }
        shape.lists = shape.count_lists();
        Ok(shape)
    }

    fn add(&mut self, name: Name, kind: TypeKind) {
        match kind {
            TypeKind::Object(object) => self.add_fields(name, object.fields),
            TypeKind::Interface(interface) => self.add_fields(name, interface.fields),
            TypeKind::Enum(values) => {
                self.enums.insert(name, values.values.into_iter().map(|value| value.node.value.node).collect());
            }
            TypeKind::InputObject(object) => {
                self.inputs.insert(name, object.fields.into_iter().map(input).collect());
            }
            TypeKind::Scalar | TypeKind::Union(_) => {}
        }
    }

    fn add_fields(&mut self, name: Name, fields: Vec<Positioned<FieldDefinition>>) {
        let field = |field: Positioned<FieldDefinition>| {
            let FieldDefinition { name, ty, arguments, .. } = field.node;
            (name.node, Field { ty: ty.node, arguments: arguments.into_iter().map(input).collect(), cost: 1 })
        };
        self.objects.entry(name).or_default().extend(fields.into_iter().map(field));
    }

    /// The type that an operation selects from.
    pub(super) fn root(&self, operation: OperationType) -> &Name {
        let [query, mutation, subscription] = &self.roots;
        match operation {
            OperationType::Query => query,
            OperationType::Mutation => mutation,
            OperationType::Subscription => subscription,
        }
    }

    /// A field of a type, if both are known: those of introspection are not.
    pub(super) fn field(&self, parent: Option<&Name>, name: &Name) -> Option<&Field> {
        self.objects.get(parent?)?.get(name)
    }

    /// An argument of a directive, if both are known.
    pub(super) fn directive_argument(&self, directive: &Name, name: &Name) -> Option<&Input> {
        self.directives.get(directive)?.get(name)
    }

    /// How long the list is that a field of introspection gives, on average and rounded up.
    pub(super) fn introspected(&self, field: &str) -> u64 {
        self.lists.iter().find(|(name, _)| *name == field).map_or(1, |(_, length)| *length)
    }

    fn count_lists(&self) -> Vec<(&'static str, u64)> {
        let types = self.objects.len() + self.inputs.len() + self.enums.len();
        let fields = self.objects.values().map(HashMap::len).sum();
        let arguments = self.objects.values().flat_map(HashMap::values).map(|field| field.arguments.len()).sum();
        let input_fields = self.inputs.values().map(HashMap::len).sum();
        let values = self.enums.values().map(HashSet::len).sum();
        let lists: [(_, usize, usize); 6] = [
            ("types", types, 1),
            ("fields", fields, types),
            ("args", arguments, fields),
            ("inputFields", input_fields, types),
            ("enumValues", values, types),
            ("directives", self.directives.len(), 1),
        ];
        lists.map(|(name, sum, among)| (name, sum.div_ceil(among.max(1)).max(1) as u64)).into()
    }
}

/// Whether it is a type of lists.
pub(super) fn is_list(ty: &Type) -> bool {
    matches!(ty.base, BaseType::List(_))
}

/// The name in a type, whatever lists it is in.
pub(super) fn innermost(ty: &Type) -> &Name {
    match &ty.base {
        BaseType::List(item) => innermost(item),
        BaseType::Named(name) => name,
    }
}

fn input(definition: Positioned<InputValueDefinition>) -> (Name, Input) {
    let InputValueDefinition { name, ty, default_value, .. } = definition.node;
    (name.node, Input { ty: ty.node, default: default_value.map(|value| value.node) })
}
