//! What an operation costs: one walk over its selections, with the schema at hand.
//!
//! A fragment is weighed once, however often it is spread, so that fragments that spread each other
//! cost nothing to refuse. `@skip` and `@include` are not looked at: what they leave out counts.

use std::collections::HashMap;

use async_graphql::parser::types::{
    BaseType, ExecutableDocument, Field, FragmentDefinition, OperationDefinition, Selection, SelectionSet, Type,
};
use async_graphql::{Name, Positioned, Value};
use async_graphql_value::Value as Literal;

use super::limits::Limits;
use super::refusal::Refusal;
use super::scan::too_nested;
use super::shape::{self, Shape, innermost};

/// What a set of selections costs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weight {
    /// Levels of fields.
    pub(super) depth: u64,
    /// Fields selected directly.
    pub(super) fields: u64,
    /// Levels of selection sets: fields that have one, and fragments.
    nesting: u64,
    /// Values in the answer, but for lists that a page around the set gives a length.
    once: u64,
    /// Values in the answer for each item of that page.
    per_item: u64,
    /// How often lists of introspection lead back to types.
    introspection: u64,
}

impl Weight {
    /// Values in the answer of an operation whose root it is.
    pub(super) fn values(&self) -> u64 {
        self.once.saturating_add(self.per_item)
    }

    fn add(&mut self, other: Self) {
        self.depth = self.depth.max(other.depth);
        self.nesting = self.nesting.max(other.nesting);
        self.introspection = self.introspection.max(other.introspection);
        self.fields = self.fields.saturating_add(other.fields);
        self.once = self.once.saturating_add(other.once);
        self.per_item = self.per_item.saturating_add(other.per_item);
    }
}

/// How long a schema's pages are.
#[derive(Clone, Copy, Debug)]
pub struct Pages {
    /// Rows of a page for which neither the request nor the schema names a size.
    pub default: u64,
    /// Rows of any page at most: its list refuses more, so that a request for more costs nothing.
    pub max: u64,
}

/// Weighs the operations of a document.
pub(super) struct Scales<'a> {
    pub(super) shape: &'a Shape,
    pub(super) limits: &'a Limits,
    pub(super) document: &'a ExecutableDocument,
    pub(super) pages: Pages,
    /// Fragments that were weighed; none while they are.
    pub(super) fragments: HashMap<&'a Name, Option<Weight>>,
}

/// Lists of introspection that lead from a type to others: each level multiplies the answer.
const TYPE_LISTS: [&str; 4] = ["fields", "inputFields", "interfaces", "possibleTypes"];

/// Levels of them: one is what tools ask for, and one more for whoever explores.
const TYPE_LISTS_MAX: u64 = 2;

impl<'a> Scales<'a> {
    /// Weighs an operation with the values of its variables.
    ///
    /// # Errors
    /// Fragments that spread themselves, or that nest too deeply.
    pub(super) fn weigh(
        &mut self,
        operation: &'a OperationDefinition,
        variables: &impl Fn(&Name) -> Option<Value>,
    ) -> Result<Weight, Refusal> {
        let root = self.shape.root(operation.ty);
        let weight = self.set(&operation.selection_set.node, Some(root), 0, variables)?;
        if weight.introspection > TYPE_LISTS_MAX {
            let what = "levels of introspection from type to type";
            return Err(Refusal::too_complex("introspection", what, weight.introspection, TYPE_LISTS_MAX));
        }
        Ok(weight)
    }

    /// Weighs a fragment, which no operation may spread, and which is looked into all the same.
    ///
    /// # Errors
    /// As for an operation.
    pub(super) fn weigh_fragment(&mut self, fragment: &'a FragmentDefinition) -> Result<Weight, Refusal> {
        let condition = &fragment.type_condition.node.on.node;
        self.set(&fragment.selection_set.node, Some(condition), 1, &any_value)
    }

    fn set(
        &mut self,
        set: &'a SelectionSet,
        parent: Option<&Name>,
        level: u64,
        variables: &impl Fn(&Name) -> Option<Value>,
    ) -> Result<Weight, Refusal> {
        if level > self.limits.limit_nesting {
            return Err(too_nested(self.limits));
        }
        let mut sum = Weight::default();
        for item in &set.items {
            let mut weight = match &item.node {
                Selection::Field(field) => self.field(&field.node, parent, level, variables)?,
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref().map(|condition| &condition.node.on.node);
                    self.set(&fragment.node.selection_set.node, condition.or(parent), level + 1, variables)?
                }
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name, level + 1, variables)?,
            };
            if !matches!(item.node, Selection::Field(_)) {
                weight.nesting += 1;
            }
            sum.add(weight);
        }
        Ok(sum)
    }

    fn fragment(
        &mut self,
        spread: &'a Positioned<Name>,
        level: u64,
        variables: &impl Fn(&Name) -> Option<Value>,
    ) -> Result<Weight, Refusal> {
        let name = &spread.node;
        match self.fragments.get(name) {
            Some(Some(known)) if level + known.nesting > self.limits.limit_nesting => Err(too_nested(self.limits)),
            Some(Some(known)) => Ok(*known),
            Some(None) => Err(Refusal::invalid(format!("fragment {name} spreads itself")).at(spread.pos)),
            None => {
                // One that is missing is for validation to report.
                let Some(fragment) = self.document.fragments.get(name) else { return Ok(Weight::default()) };
                self.fragments.insert(name, None);
                let condition = &fragment.node.type_condition.node.on.node;
                let weight = self.set(&fragment.node.selection_set.node, Some(condition), level, variables)?;
                self.fragments.insert(name, Some(weight));
                Ok(weight)
            }
        }
    }

    fn field(
        &mut self,
        field: &'a Field,
        parent: Option<&Name>,
        level: u64,
        variables: &impl Fn(&Name) -> Option<Value>,
    ) -> Result<Weight, Refusal> {
        let definition = self.shape.field(parent, &field.name.node);
        let set = &field.selection_set.node;
        let inner = match set.items.is_empty() {
            true => Weight::default(),
            false => self.set(set, definition.map(|definition| innermost(&definition.ty)), level + 1, variables)?,
        };
        let is_list = definition.is_some_and(|definition| is_list(&definition.ty));
        let items = definition.and_then(|definition| self.items(field, definition, variables));
        let (once, per_item) = match (items, is_list) {
            // A list whose length is asked for.
            (Some(items), true) => (items.saturating_mul(inner.values().saturating_add(1)), 0),
            // A connection: its lists have that length.
            (Some(items), false) => (inner.once.saturating_add(items.saturating_mul(inner.per_item)), 0),
            // A list within a connection, or a short one.
            (None, true) => (0, inner.values().saturating_add(1)),
            (None, false) => (inner.values(), 0),
        };
        let leads_to_types = definition.is_none() && TYPE_LISTS.contains(&field.name.node.as_str());
        Ok(Weight {
            depth: inner.depth + 1,
            fields: 1,
            nesting: inner.nesting + u64::from(!set.items.is_empty()),
            once: once.saturating_add(definition.map_or(1, |definition| definition.cost)),
            per_item,
            introspection: inner.introspection + u64::from(leads_to_types),
        })
    }

    /// How long the field's list is, if its arguments say: a page's size, or a list of what is
    /// wanted. Empty ones count as one, so that a cost bounds the work of later walks.
    fn items(
        &self,
        field: &Field,
        definition: &shape::Field,
        variables: &impl Fn(&Name) -> Option<Value>,
    ) -> Option<u64> {
        let given = |name: &str| {
            field.get_argument(name).and_then(|value| match &value.node {
                Literal::Variable(name) => variables(name),
                literal => literal.clone().into_const(),
            })
        };
        let sizes = ["first", "last"].map(|name| definition.arguments.get(name));
        if sizes.iter().any(Option::is_some) {
            let asked = ["first", "last"].iter().filter_map(|name| given(name)?.as_size()).max();
            let default = || sizes.iter().find_map(|size| size.as_ref()?.default.as_ref()?.as_size());
            return Some(asked.or_else(default).unwrap_or(self.pages.default).clamp(1, self.pages.max));
        }
        if !is_list(&definition.ty) {
            return None;
        }
        let listed = definition.arguments.iter().filter(|(_, argument)| is_list(&argument.ty));
        listed.filter_map(|(name, _)| given(name)).map(|value| value.count()).max()
    }
}

/// Stands in for the values of variables while they are not known: pages of one.
pub(super) fn any_value(_: &Name) -> Option<Value> {
    Some(Value::from(1))
}

fn is_list(ty: &Type) -> bool {
    matches!(ty.base, BaseType::List(_))
}

trait Size {
    fn as_size(&self) -> Option<u64>;
    fn count(&self) -> u64;
}

impl Size for Value {
    /// A number of rows; negative ones are refused when the field is executed.
    fn as_size(&self) -> Option<u64> {
        match self {
            Self::Number(number) => number.as_u64().or(Some(1)),
            _ => None,
        }
    }

    fn count(&self) -> u64 {
        match self {
            Self::List(items) => (items.len() as u64).max(1),
            _ => 1,
        }
    }
}
