//! Variables where they stand: that their types fit, and what stands in for one without a value.
//!
//! async-graphql 7.2.1 departs from the specification here, in two ways. It never compares a
//! variable's type with its place (section 5.8.5): its rule is there, but the visitor that joins the
//! rules does not pass values on. And where a nullable variable without a value stands in the place
//! of an argument with a default, it refuses the null instead of using the default (section 6.4.1).
//! So places are checked here, and an argument whose variable has no value is taken out of the copy
//! of the document that is executed.

use std::collections::HashSet;

use async_graphql::parser::types::{
    BaseType, DocumentOperations, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet, Type,
    VariableDefinition,
};
use async_graphql::{Name, Positioned, Value, Variables};
use async_graphql_value::Value as Literal;

use super::refusal::Refusal;
use super::shape::{Input, Shape, innermost};

/// Checks the places of all variables, and finds those that stand where a default may stand in for
/// them.
///
/// # Errors
/// A variable whose type does not fit its place.
pub(super) fn find(document: &ExecutableDocument, shape: &Shape) -> Result<HashSet<Name>, Refusal> {
    let mut open = HashSet::new();
    for (name, operation) in document.operations.iter() {
        if operation.node.variable_definitions.is_empty() {
            continue;
        }
        // Each document is looked at once before it is kept: a copy is no matter.
        let mut document = document.clone();
        keep_only(&mut document, name.map(Name::as_str));
        let mut wrong = None;
        walk(&mut document, shape, &mut |place, name| {
            let mut definitions = operation.node.variable_definitions.iter();
            // One that is not defined is for validation to report.
            if let (Some(place), Some(definition)) = (place, definitions.find(|other| other.node.name.node == *name)) {
                if !place.takes(&definition.node) {
                    let (found, wanted) = (&definition.node.var_type.node, place.ty);
                    let message = format!("variable ${name} is of type {found}, where {wanted} is wanted");
                    wrong.get_or_insert_with(|| Refusal::invalid(message).at(definition.pos));
                }
                if place.has_default() {
                    open.insert(name.clone());
                }
            }
            true
        });
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
    }
    Ok(open)
}

/// What is wanted where a variable stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    ty: &'a Type,
    default: Option<&'a Value>,
}

impl<'a> Place<'a> {
    fn of(input: &'a Input) -> Self {
        Self { ty: &input.ty, default: input.default.as_ref() }
    }

    /// Whether a default may stand in for a variable that may be null, where null may not stand.
    fn has_default(&self) -> bool {
        !self.ty.nullable && self.default.is_some()
    }

    fn takes(&self, definition: &VariableDefinition) -> bool {
        let ty = &definition.var_type.node;
        let never_null = definition.default_value.as_ref().is_some_and(|value| value.node != Value::Null);
        fits(&ty.base, &self.ty.base) && (!ty.nullable || self.ty.nullable || never_null || self.default.is_some())
    }
}

fn fits(found: &BaseType, wanted: &BaseType) -> bool {
    match (found, wanted) {
        (BaseType::Named(found), BaseType::Named(wanted)) => found == wanted,
        (BaseType::List(found), BaseType::List(wanted)) => {
            (!found.nullable || wanted.nullable) && fits(&found.base, &wanted.base)
        }
        _ => false,
    }
}

/// Changes the document as the variables need it; `open` are those that [`find`] has found.
///
/// # Errors
/// A variable that is null where null is not allowed.
pub(super) fn apply(
    document: &mut ExecutableDocument,
    name: Option<&str>,
    open: &HashSet<Name>,
    variables: &Variables,
    shape: &Shape,
) -> Result<(), Refusal> {
    let operation = match (&mut document.operations, name) {
        (DocumentOperations::Single(operation), _) => Some(operation),
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get_mut(name),
        (DocumentOperations::Multiple(operations), None) => operations.values_mut().next(),
    };
    let Some(operation) = operation else { return Ok(()) };
    let mut missing = HashSet::new();
    for definition in &mut operation.node.variable_definitions {
        let definition = &mut definition.node;
        let name = &definition.name.node;
        if !definition.var_type.node.nullable || definition.default_value.is_some() || !open.contains(name) {
            continue;
        }
        match variables.get(name) {
            None => drop(missing.insert(name.clone())),
            Some(Value::Null) => {
                let message = "null is not allowed where it is used; leave it out, and the default is used";
                return Err(Refusal::input(&format!("variables.{name}"), message));
            }
            Some(_) => {}
        }
    }
    if !missing.is_empty() {
        keep_only(document, name);
        let mut used = HashSet::new();
        walk(document, shape, &mut |place, name| {
            let left_out = missing.contains(name) && place.is_some_and(|place| place.has_default());
            if !left_out {
                used.insert(name.clone());
            }
            !left_out
        });
        let is_unused = |name: &Name| missing.contains(name) && !used.contains(name);
        for_operations(&mut document.operations, |operation| {
            operation.variable_definitions.retain(|definition| !is_unused(&definition.node.name.node));
        });
    }
    Ok(())
}

/// Takes away what the operation does not need, since the rest would have variables that are
/// used no more.
fn keep_only(document: &mut ExecutableDocument, name: Option<&str>) {
    if let (DocumentOperations::Multiple(operations), Some(name)) = (&mut document.operations, name) {
        operations.retain(|other, _| other == name);
    }
    let mut open = Vec::new();
    for_operations(&mut document.operations, |operation| collect_spreads(&operation.selection_set.node, &mut open));
    let mut needed = HashSet::new();
    while let Some(name) = open.pop() {
        if let Some(fragment) = document.fragments.get(&name)
            && needed.insert(name)
        {
            collect_spreads(&fragment.node.selection_set.node, &mut open);
        }
    }
    document.fragments.retain(|name, _| needed.contains(name));
}

fn collect_spreads(set: &SelectionSet, names: &mut Vec<Name>) {
    for item in &set.items {
        match &item.node {
            Selection::Field(field) => collect_spreads(&field.node.selection_set.node, names),
            Selection::InlineFragment(fragment) => collect_spreads(&fragment.node.selection_set.node, names),
            Selection::FragmentSpread(spread) => names.push(spread.node.fragment_name.node.clone()),
        }
    }
}

fn for_operations(operations: &mut DocumentOperations, mut work: impl FnMut(&mut OperationDefinition)) {
    match operations {
        DocumentOperations::Single(operation) => work(&mut operation.node),
        DocumentOperations::Multiple(operations) => {
            operations.values_mut().for_each(|operation| work(&mut operation.node));
        }
    }
}

/// Decides whether a variable stays where it stands.
type Keep<'k> = dyn FnMut(Option<Place<'_>>, &Name) -> bool + 'k;

fn walk(document: &mut ExecutableDocument, shape: &Shape, keep: &mut Keep<'_>) {
    for_operations(&mut document.operations, |operation| {
        let root = shape.root(operation.ty);
        walk_set(&mut operation.selection_set.node, Some(root), shape, keep);
    });
    for fragment in document.fragments.values_mut() {
        let condition = fragment.node.type_condition.node.on.node.clone();
        walk_set(&mut fragment.node.selection_set.node, Some(&condition), shape, keep);
    }
}

fn walk_set(set: &mut SelectionSet, parent: Option<&Name>, shape: &Shape, keep: &mut Keep<'_>) {
    for item in &mut set.items {
        let directives = match &mut item.node {
            Selection::Field(field) => {
                walk_field(&mut field.node, parent, shape, keep);
                &mut field.node.directives
            }
            Selection::InlineFragment(fragment) => {
                let condition = fragment.node.type_condition.as_ref().map(|condition| condition.node.on.node.clone());
                walk_set(&mut fragment.node.selection_set.node, condition.as_ref().or(parent), shape, keep);
                &mut fragment.node.directives
            }
            Selection::FragmentSpread(spread) => &mut spread.node.directives,
        };
        for directive in directives {
            directive.node.arguments.retain_mut(|(_, value)| walk_value(&mut value.node, None, shape, keep));
        }
    }
}

fn walk_field(field: &mut Field, parent: Option<&Name>, shape: &Shape, keep: &mut Keep<'_>) {
    let definition = shape.field(parent, &field.name.node);
    field.arguments.retain_mut(|(name, value): &mut (Positioned<Name>, Positioned<Literal>)| {
        let input = definition.and_then(|definition| definition.arguments.get(&name.node));
        walk_value(&mut value.node, input.map(Place::of), shape, keep)
    });
    let ty = definition.map(|definition| innermost(&definition.ty));
    walk_set(&mut field.selection_set.node, ty, shape, keep);
}

/// Whether the value stays. What stands in a list always does: the list would be another one.
fn walk_value(value: &mut Literal, place: Option<Place<'_>>, shape: &Shape, keep: &mut Keep<'_>) -> bool {
    match value {
        Literal::Variable(name) => return keep(place, name),
        Literal::List(items) => {
            let item = place.and_then(|place| match &place.ty.base {
                BaseType::List(item) => Some(Place { ty: item, default: None }),
                BaseType::Named(_) => None,
            });
            for value in items {
                walk_value(value, item, shape, keep);
            }
        }
        Literal::Object(fields) => {
            let known = place.and_then(|place| shape.inputs.get(innermost(place.ty)));
            fields.retain(|name, value| {
                walk_value(value, known.and_then(|known| known.get(name)).map(Place::of), shape, keep)
            });
        }
        _ => {}
    }
    true
}
