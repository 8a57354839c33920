//! Variables where they stand: that their types fit, and what becomes of one without a value.
//!
//! async-graphql 7.2.1 departs from the specification here, in four ways.
//!
//! - It never compares a variable's type with its place (section 5.8.5): its rule is there, but the visitor
//!   that joins the rules does not pass values on.
//! - A variable without a value is null to it. By the specification the argument or the field of an input
//!   where it stands is left out (sections 3.10 and 6.4.1): what is null is erased, what is left out stays, or
//!   gets its default. Only as an item of a list it is null.
//! - `@skip` and `@include` do not know the defaults of variables.
//! - It reports an undefined variable for each operation and each use.
//!
//! So places are checked here, defaults become values of the request, and what has no value is taken out of the
//! copy of the document that is executed.

use std::collections::HashSet;

use async_graphql::parser::types::{
    BaseType, Directive, DocumentOperations, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet,
    Type, VariableDefinition,
};
use async_graphql::{Name, Pos, Positioned, Value, Variables};
use async_graphql_value::Value as Literal;

use super::refusal::Refusal;
use super::shape::{Input, Shape, innermost};

/// The variables of an operation that need care, by where they stand.
#[derive(Debug, Default)]
pub(super) struct Care {
    /// Those that may have no value, and stand where they are left out then.
    open: HashSet<Name>,
    /// Those that may be null by their type, and stand where null is not allowed.
    never_null: HashSet<Name>,
}

/// What is known of a document's variables.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// By operation; those whose variables need no care are missing.
    cares: Vec<(Option<Name>, Care)>,
    /// Whether there is one operation, and no fragment that it does not use.
    is_whole: bool,
}

/// Checks the places of all variables, and finds out which need care.
///
/// # Errors
/// A variable that is not defined, or twice, or whose type does not fit its place.
pub(super) fn find(document: &ExecutableDocument, shape: &Shape) -> Result<Found, Refusal> {
    let mut found = Found { cares: Vec::new(), is_whole: document.operations.iter().count() == 1 };
    for (name, operation) in document.operations.iter() {
        let mut names = HashSet::new();
        for definition in &operation.node.variable_definitions {
            let name = &definition.node.name.node;
            if !names.insert(name) {
                let message = format!("There can only be one variable named \"${name}\"");
                return Err(Refusal::invalid(message).at(definition.pos));
            }
        }
        let mut uses =
            Uses { document, shape, operation: &operation.node, name, seen: HashSet::new(), care: Care::default() };
        uses.operation()?;
        found.is_whole &= uses.seen.len() == document.fragments.len();
        let Care { open, never_null } = &uses.care;
        if !open.is_empty() || !never_null.is_empty() {
            found.cares.push((name.cloned(), uses.care));
        }
    }
    Ok(found)
}

/// What is wanted where a variable stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    ty: &'a Type,
    default: Option<&'a Value>,
    /// The argument or the field; none for an item of a list.
    name: Option<&'a Name>,
}

impl<'a> Place<'a> {
    fn of(name: &'a Name, input: &'a Input) -> Self {
        Self { ty: &input.ty, default: input.default.as_ref(), name: Some(name) }
    }

    fn takes(&self, definition: &VariableDefinition) -> bool {
        let ty = &definition.var_type.node;
        let never_null = definition.default_value.as_ref().is_some_and(|value| value.node != Value::Null);
        fits(&ty.base, &self.ty.base) && (!ty.nullable || self.ty.nullable || never_null || self.default.is_some())
    }

    /// An item's place, if this is a list's.
    fn item(&self) -> Option<Self> {
        match &self.ty.base {
            BaseType::List(item) => Some(Self { ty: item, default: None, name: None }),
            BaseType::Named(_) => None,
        }
    }

    /// A field's place, if this is the one of an object that has it.
    fn field<'s>(&self, name: &'s Name, shape: &'s Shape) -> Option<Place<'s>> {
        let input = shape.inputs.get(innermost(self.ty))?.get(name)?;
        Some(Place::of(name, input))
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

/// Walks over all uses of variables in an operation, in each of its fragments once.
struct Uses<'a> {
    document: &'a ExecutableDocument,
    shape: &'a Shape,
    operation: &'a OperationDefinition,
    name: Option<&'a Name>,
    seen: HashSet<&'a Name>,
    care: Care,
}

impl<'a> Uses<'a> {
    fn operation(&mut self) -> Result<(), Refusal> {
        let operation = self.operation;
        self.directives(&operation.directives)?;
        self.set(&operation.selection_set.node, Some(self.shape.root(operation.ty)))
    }

    fn set(&mut self, set: &'a SelectionSet, parent: Option<&'a Name>) -> Result<(), Refusal> {
        for item in &set.items {
            self.directives(item.node.directives())?;
            match &item.node {
                Selection::Field(field) => self.field(&field.node, parent)?,
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref().map(|condition| &condition.node.on.node);
                    self.set(&fragment.node.selection_set.node, condition.or(parent))?;
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if let Some(fragment) = self.document.fragments.get(name)
                        && self.seen.insert(name)
                    {
                        self.directives(&fragment.node.directives)?;
                        let condition = &fragment.node.type_condition.node.on.node;
                        self.set(&fragment.node.selection_set.node, Some(condition))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &'a Field, parent: Option<&'a Name>) -> Result<(), Refusal> {
        let definition = self.shape.field(parent, &field.name.node);
        for (name, value) in &field.arguments {
            let input = definition.and_then(|definition| definition.arguments.get(&name.node));
            self.value(&value.node, input.map(|input| Place::of(&name.node, input)), value.pos)?;
        }
        self.set(&field.selection_set.node, definition.map(|definition| innermost(&definition.ty)))
    }

    fn directives(&mut self, directives: &'a [Positioned<Directive>]) -> Result<(), Refusal> {
        for directive in directives.iter().map(|directive| &directive.node) {
            for (name, value) in &directive.arguments {
                let input = self.shape.directive_argument(&directive.name.node, &name.node);
                self.value(&value.node, input.map(|input| Place::of(&name.node, input)), value.pos)?;
            }
        }
        Ok(())
    }

    fn value(&mut self, value: &'a Literal, place: Option<Place<'a>>, position: Pos) -> Result<(), Refusal> {
        match value {
            Literal::Variable(name) => self.variable(name, place, position),
            Literal::List(items) => {
                let item = place.and_then(|place| place.item());
                items.iter().try_for_each(|value| self.value(value, item, position))
            }
            Literal::Object(fields) => fields.iter().try_for_each(|(name, value)| {
                let field = place.and_then(|place| place.field(name, self.shape));
                self.value(value, field, position)
            }),
            _ => Ok(()),
        }
    }

    fn variable(&mut self, name: &Name, place: Option<Place<'_>>, position: Pos) -> Result<(), Refusal> {
        let definition = self.operation.variable_definitions.iter().find(|other| other.node.name.node == *name);
        let Some(definition) = definition else {
            let message = match self.name {
                Some(operation) => format!("Variable \"${name}\" is not defined by operation \"{operation}\""),
                None => format!("Variable \"${name}\" is not defined"),
            };
            return Err(Refusal::invalid(message).at(position));
        };
        // What is wrong with an unknown place is for validation to report.
        let Some(place) = place else { return Ok(()) };
        let ty = &definition.node.var_type.node;
        if !place.takes(&definition.node) {
            let (wanted, of) = (place.ty, place.name.map(|name| format!(" for {name}")).unwrap_or_default());
            let message = format!("variable ${name} is of type {ty}, where {wanted} is wanted{of}");
            return Err(Refusal::invalid(message).at(definition.pos));
        }
        if ty.nullable && !place.ty.nullable {
            self.care.never_null.insert(name.clone());
        }
        if ty.nullable && definition.node.default_value.is_none() && place.name.is_some() {
            self.care.open.insert(name.clone());
        }
        Ok(())
    }
}

/// Keeps the variables that the operation defines, and gives those without a value their defaults.
pub(super) fn settle(operation: &OperationDefinition, variables: &mut Variables) {
    let definitions = || operation.variable_definitions.iter().map(|definition| &definition.node);
    variables.retain(|name, _| definitions().any(|definition| definition.name.node == *name));
    for definition in definitions() {
        if let Some(default) = &definition.default_value {
            variables.entry(definition.name.node.clone()).or_insert_with(|| default.node.clone());
        }
    }
}

impl Found {
    /// The variables of an operation without a value that have to be taken out of the document.
    ///
    /// # Errors
    /// A variable that is null where null is not allowed.
    pub(super) fn missing(&self, operation: Option<&Name>, variables: &Variables) -> Result<HashSet<Name>, Refusal> {
        let Some((_, care)) = self.cares.iter().find(|(name, _)| name.as_ref() == operation) else {
            return Ok(HashSet::new());
        };
        if let Some(name) = care.never_null.iter().find(|name| variables.get(*name) == Some(&Value::Null)) {
            let message = "null is not allowed where it is used; leave it out, and the default is used";
            return Err(Refusal::input(&format!("variables.{name}"), message));
        }
        Ok(care.open.iter().filter(|name| !variables.contains_key(*name)).cloned().collect())
    }

    /// Whether a document without what is [missing](Self::missing) is valid just when the whole one is.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }
}

/// Takes arguments and fields of inputs out of a document whose variables are missing, and whatever the
/// operation does not need: the rest would have variables that are not used any more.
pub(super) fn take_out(document: &mut ExecutableDocument, name: Option<&Name>, missing: &HashSet<Name>, shape: &Shape) {
    keep_only(document, name);
    let mut cut = Cut { shape, missing, left: HashSet::new() };
    for_operations(&mut document.operations, |operation| {
        let root = shape.root(operation.ty);
        cut.set(&mut operation.selection_set.node, Some(root));
    });
    for fragment in document.fragments.values_mut() {
        let condition = fragment.node.type_condition.node.on.node.clone();
        cut.set(&mut fragment.node.selection_set.node, Some(&condition));
    }
    let left = cut.left;
    for_operations(&mut document.operations, |operation| {
        operation.variable_definitions.retain(|definition| {
            let name = &definition.node.name.node;
            !missing.contains(name) || left.contains(name)
        });
    });
}

/// Takes away what the operation does not need.
fn keep_only(document: &mut ExecutableDocument, name: Option<&Name>) {
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

/// Takes out what is missing.
struct Cut<'a> {
    shape: &'a Shape,
    missing: &'a HashSet<Name>,
    /// Those that stand where they stay, as items of lists.
    left: HashSet<Name>,
}

impl Cut<'_> {
    fn set(&mut self, set: &mut SelectionSet, parent: Option<&Name>) {
        for item in &mut set.items {
            match &mut item.node {
                Selection::Field(field) => self.field(&mut field.node, parent),
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    let condition = condition.map(|condition| condition.node.on.node.clone());
                    self.set(&mut fragment.node.selection_set.node, condition.as_ref().or(parent));
                }
                Selection::FragmentSpread(_) => {}
            }
        }
    }

    fn field(&mut self, field: &mut Field, parent: Option<&Name>) {
        let definition = self.shape.field(parent, &field.name.node);
        field.arguments.retain_mut(|(name, value)| {
            let input = definition.and_then(|definition| definition.arguments.get(&name.node));
            self.stays(&mut value.node, input.map(|input| Place::of(&name.node, input)))
        });
        let ty = definition.map(|definition| innermost(&definition.ty));
        self.set(&mut field.selection_set.node, ty);
    }

    /// Whether the value stays. What stands in a list always does: the list would be another one.
    fn stays(&mut self, value: &mut Literal, place: Option<Place<'_>>) -> bool {
        match value {
            Literal::Variable(name) if self.missing.contains(name) => {
                let stays = place.is_none_or(|place| place.name.is_none());
                if stays {
                    self.left.insert(name.clone());
                }
                return stays;
            }
            Literal::List(items) => {
                let item = place.and_then(|place| place.item());
                for value in items {
                    self.stays(value, item);
                }
            }
            Literal::Object(fields) => {
                fields.retain(|name, value| self.stays(value, place.and_then(|place| place.field(name, self.shape))));
            }
            _ => {}
        }
        true
    }
}
