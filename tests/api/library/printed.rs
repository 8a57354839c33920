//! What the new engine prints of its schema, beside the served one.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    ConstDirective, FieldDefinition, InputValueDefinition, TypeDefinition, TypeKind, TypeSystemDefinition,
};
use async_graphql::{EmptyMutation, EmptySubscription, Name, Positioned};
use graphql::Printed;
use kinoteka::library::Library;
use kinoteka::schema;

#[test]
fn printed_schema_has_the_types_of_the_served_one() {
    let printed: Printed<Library, _, _> = Printed::new(EmptyMutation, EmptySubscription);
    let (printed, served) = (types(&printed.sdl()), types(&schema::export()));
    let (mut missing, mut differences) = (Vec::new(), Vec::new());
    for name in reachable(&served) {
        let wanted = shape(&served[&name]);
        match printed.get(&name).map(shape) {
            Some(own) if own == wanted => {}
            Some(own) => {
                let lacks = wanted.iter().filter(|line| !own.contains(line)).map(|line| format!("- {line}"));
                let adds = own.iter().filter(|line| !wanted.contains(line)).map(|line| format!("+ {line}"));
                // Neither, if only the order differs.
                differences.push((name, lacks.chain(adds).collect::<Vec<_>>()));
            }
            None => missing.push(name),
        }
    }
    assert!(missing.is_empty() && differences.is_empty(), "missing: {missing:?}, different: {differences:#?}");
    let unknown: Vec<_> =
        printed.keys().filter(|name| !served.contains_key(*name) && !ROOTS.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "not in the served schema: {unknown:?}");
}

/// The names of the roots are compared elsewhere.
const ROOTS: &[&str] = &["Mutation", "Subscription", "EmptyMutation", "EmptySubscription"];

fn types(sdl: &str) -> BTreeMap<String, TypeDefinition> {
    let definitions = parse_schema(sdl).unwrap().definitions;
    let types = definitions.into_iter().filter_map(|definition| match definition {
        TypeSystemDefinition::Type(definition) => Some(definition.node),
        _ => None,
    });
    types.map(|definition| (definition.name.node.to_string(), definition)).collect()
}

/// The names of types that queries reach.
fn reachable(types: &BTreeMap<String, TypeDefinition>) -> BTreeSet<String> {
    let (mut reached, mut open) = (BTreeSet::new(), vec!["Query".to_owned()]);
    while let Some(name) = open.pop() {
        let Some(definition) = types.get(&name) else { continue };
        if !reached.insert(name.clone()) {
            continue;
        }
        let fields = |fields: &[Positioned<FieldDefinition>]| -> Vec<String> {
            let of = |field: &Positioned<FieldDefinition>| {
                let arguments = field.node.arguments.iter().map(|argument| argument.node.ty.to_string());
                arguments.chain([field.node.ty.to_string()]).collect::<Vec<_>>()
            };
            fields.iter().flat_map(of).collect()
        };
        let names = match &definition.kind {
            TypeKind::Object(object) => fields(&object.fields),
            TypeKind::Interface(interface) => fields(&interface.fields),
            TypeKind::Union(union) => union.members.iter().map(|member| member.node.to_string()).collect(),
            TypeKind::InputObject(input) => input.fields.iter().map(|field| field.node.ty.to_string()).collect(),
            TypeKind::Enum(_) | TypeKind::Scalar => Vec::new(),
        };
        open.extend(names.iter().map(|name| name.replace(['[', ']', '!'], "")));
        let implements = |other: &&TypeDefinition| match &other.kind {
            TypeKind::Object(object) => object.implements.iter().any(|of| of.node == *name),
            _ => false,
        };
        open.extend(types.values().filter(implements).map(|other| other.name.node.to_string()));
    }
    reached
}

/// A type without its descriptions, a line each part.
fn shape(definition: &TypeDefinition) -> Vec<String> {
    let mut lines = Vec::new();
    match &definition.kind {
        TypeKind::Scalar => lines.push("scalar".to_owned()),
        TypeKind::Object(object) => {
            lines.push(format!("type{}", names(&object.implements)));
            lines.extend(object.fields.iter().map(field));
        }
        TypeKind::Interface(interface) => {
            lines.push(format!("interface{}", names(&interface.implements)));
            lines.extend(interface.fields.iter().map(field));
        }
        TypeKind::Union(union) => lines.push(format!("union{}", names(&union.members))),
        TypeKind::Enum(values) => {
            lines.push("enum".to_owned());
            let values = values.values.iter().map(|value| &value.node);
            lines.extend(values.map(|value| format!("{}{}", value.value.node, directives(&value.directives))));
        }
        TypeKind::InputObject(object) => {
            lines.push("input".to_owned());
            lines.extend(object.fields.iter().map(input));
        }
    }
    lines[0] += &directives(&definition.directives);
    lines
}

fn names(names: &[Positioned<Name>]) -> String {
    names.iter().map(|name| format!(" {}", name.node)).collect()
}

fn field(field: &Positioned<FieldDefinition>) -> String {
    let FieldDefinition { name, arguments, ty, directives: given, .. } = &field.node;
    let arguments: Vec<_> = arguments.iter().map(input).collect();
    format!("{}({}): {}{}", name.node, arguments.join(", "), ty.node, directives(given))
}

fn input(input: &Positioned<InputValueDefinition>) -> String {
    let InputValueDefinition { name, ty, default_value, directives: given, .. } = &input.node;
    let default = default_value.as_ref().map(|value| format!(" = {}", value.node)).unwrap_or_default();
    format!("{}: {}{default}{}", name.node, ty.node, directives(given))
}

fn directives(directives: &[Positioned<ConstDirective>]) -> String {
    let show = |directive: &Positioned<ConstDirective>| {
        let arguments = directive.node.arguments.iter().map(|(name, value)| format!("{}: {}", name.node, value.node));
        format!(" @{}({})", directive.node.name.node, arguments.collect::<Vec<_>>().join(", "))
    };
    directives.iter().map(show).collect()
}
