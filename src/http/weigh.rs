//! What an operation costs: one walk over its selections, with the schema at hand.
//!
//! A fragment is weighed once, however often it is spread, so that fragments that spread each other
//! cost nothing to refuse. Everything that is selected weighs something, a spread too: the weight bounds the
//! work of later walks, which follow each path. `@skip` and `@include` are not looked at: what they leave out
//! counts.

use std::collections::HashMap;

use async_graphql::parser::types::{
    ExecutableDocument, Field, FragmentDefinition, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, Variables};
use async_graphql_value::Value as Literal;

use super::limits::Limits;
use super::refusal::Refusal;
use super::scan::too_nested;
use super::shape::{self, Shape, innermost, is_list};
use super::size::{self, Sizes};

/// What a set of selections costs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weight {
    /// Levels of fields.
    pub(super) depth: u64,
    /// Fields selected directly.
    pub(super) fields: u64,
    /// Fields and fragments, with those of a fragment wherever it is spread.
    pub(super) selections: u64,
    /// Values in arguments, with those of a variable wherever it is used.
    pub(super) inputs: u64,
    /// Levels of selection sets: fields that have one, and fragments.
    nesting: u64,
    /// Values in the answer, but for lists that a page around the set gives a length.
    once: u64,
    /// Values in the answer for each item of that page.
    per_item: u64,
    /// How often lists of introspection lead back to types.
    type_lists: u64,
    /// Values that introspection gives, about.
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
        self.type_lists = self.type_lists.max(other.type_lists);
        for (sum, more) in [
            (&mut self.fields, other.fields),
            (&mut self.selections, other.selections),
            (&mut self.inputs, other.inputs),
            (&mut self.once, other.once),
            (&mut self.per_item, other.per_item),
            (&mut self.introspection, other.introspection),
        ] {
            *sum = sum.saturating_add(more);
        }
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
    shape: &'a Shape,
    limits: &'a Limits,
    document: &'a ExecutableDocument,
    pages: Pages,
    sizes: Sizes<'a>,
    /// Fragments that were weighed; none while they are.
    fragments: HashMap<&'a Name, Option<Weight>>,
}

/// Lists of introspection that lead from a type to others: each level multiplies the answer.
const TYPE_LISTS: [&str; 4] = ["fields", "inputFields", "interfaces", "possibleTypes"];

/// Levels of them: one is what tools ask for, and one more for whoever explores.
const TYPE_LISTS_MAX: u64 = 2;

/// Values of introspection. What tools ask for has about 60,000 by this measure.
const INTROSPECTION_MAX: u64 = 200_000;

/// Values in arguments that cost as much as one in the answer: they are read again for each row.
const INPUTS_PER_VALUE: u64 = 16;

impl<'a> Scales<'a> {
    /// With the values of variables; none while they are not known, and pages of one are meant.
    pub(super) fn new(
        shape: &'a Shape,
        limits: &'a Limits,
        pages: Pages,
        document: &'a ExecutableDocument,
        variables: Option<&'a Variables>,
    ) -> Self {
        Self { shape, limits, document, pages, sizes: Sizes::new(variables), fragments: HashMap::new() }
    }

    /// Weighs an operation.
    ///
    /// # Errors
    /// Fragments that are missing, that spread themselves, or that nest too deeply.
    pub(super) fn weigh(&mut self, operation: &'a OperationDefinition) -> Result<Weight, Refusal> {
        let root = self.shape.root(operation.ty);
        let weight = self.set(&operation.selection_set.node, Some(root), 0)?;
        if weight.type_lists > TYPE_LISTS_MAX {
            let what = "levels of introspection from type to type";
            return Err(Refusal::too_complex("introspection", what, weight.type_lists, TYPE_LISTS_MAX));
        }
        if weight.introspection > INTROSPECTION_MAX {
            let what = "values of introspection in its answer";
            return Err(Refusal::too_complex("introspection", what, weight.introspection, INTROSPECTION_MAX));
        }
        Ok(weight)
    }

    /// Weighs a fragment, which no operation may spread, and which is looked into all the same.
    ///
    /// # Errors
    /// As for an operation.
    pub(super) fn weigh_fragment(&mut self, fragment: &'a FragmentDefinition) -> Result<Weight, Refusal> {
        let condition = &fragment.type_condition.node.on.node;
        self.set(&fragment.selection_set.node, Some(condition), 1)
    }

    fn set(&mut self, set: &'a SelectionSet, parent: Option<&Name>, level: u64) -> Result<Weight, Refusal> {
        if level > self.limits.limit_nesting {
            return Err(too_nested(self.limits));
        }
        let mut sum = Weight::default();
        for item in &set.items {
            let mut weight = match &item.node {
                Selection::Field(field) => {
                    sum.add(self.field(&field.node, parent, level)?);
                    continue;
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref().map(|condition| &condition.node.on.node);
                    self.set(&fragment.node.selection_set.node, condition.or(parent), level + 1)?
                }
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name, level + 1)?,
            };
            weight.nesting += 1;
            weight.selections = weight.selections.saturating_add(1);
            weight.once = weight.once.saturating_add(1);
            sum.add(weight);
        }
        Ok(sum)
    }

    fn fragment(&mut self, spread: &'a Positioned<Name>, level: u64) -> Result<Weight, Refusal> {
        let name = &spread.node;
        match self.fragments.get(name) {
            Some(Some(known)) if level + known.nesting > self.limits.limit_nesting => Err(too_nested(self.limits)),
            Some(Some(known)) => Ok(*known),
            Some(None) => Err(Refusal::invalid(format!("fragment {name} spreads itself")).at(spread.pos)),
            None => {
                let Some(fragment) = self.document.fragments.get(name) else {
                    return Err(Refusal::invalid(format!("Unknown fragment: \"{name}\"")).at(spread.pos));
                };
                self.fragments.insert(name, None);
                let condition = &fragment.node.type_condition.node.on.node;
                let weight = self.set(&fragment.node.selection_set.node, Some(condition), level)?;
                self.fragments.insert(name, Some(weight));
                Ok(weight)
            }
        }
    }

    fn field(&mut self, field: &'a Field, parent: Option<&Name>, level: u64) -> Result<Weight, Refusal> {
        let definition = self.shape.field(parent, &field.name.node);
        let set = &field.selection_set.node;
        let inner = match set.items.is_empty() {
            true => Weight::default(),
            false => self.set(set, definition.map(|definition| innermost(&definition.ty)), level + 1)?,
        };
        let inputs = field.arguments.iter().map(|(_, value)| self.sizes.literal(&value.node));
        let inputs = inputs.fold(0, u64::saturating_add);
        let is_list = definition.is_some_and(|definition| is_list(&definition.ty));
        let items = definition.and_then(|definition| self.items(field, definition));
        let (once, per_item) = match (items, is_list) {
            // A list whose length is asked for.
            (Some(items), true) => (items.saturating_mul(inner.values().saturating_add(1)), 0),
            // A connection: its lists have that length.
            (Some(items), false) => (inner.once.saturating_add(items.saturating_mul(inner.per_item)), 0),
            // A list within a connection, or a short one.
            (None, true) => (0, inner.values().saturating_add(1)),
            (None, false) => (inner.values(), 0),
        };
        let name = field.name.node.as_str();
        let introspection = match definition {
            Some(_) => inner.introspection,
            None if name == "__typename" => 1,
            None => self.shape.introspected(name).saturating_mul(inner.introspection.saturating_add(1)),
        };
        let leads_to_types = definition.is_none() && TYPE_LISTS.contains(&name);
        Ok(Weight {
            depth: inner.depth + 1,
            fields: 1,
            selections: inner.selections.saturating_add(1),
            inputs: inner.inputs.saturating_add(inputs),
            nesting: inner.nesting + u64::from(!set.items.is_empty()),
            once: once.saturating_add(definition.map_or(1, |definition| definition.cost) + inputs / INPUTS_PER_VALUE),
            per_item,
            type_lists: inner.type_lists + u64::from(leads_to_types),
            introspection,
        })
    }

    /// How long the field's list is, if its arguments say: a page's size, or a list of what is
    /// wanted. Empty ones count as one, so that a cost bounds the work of later walks.
    fn items(&self, field: &Field, definition: &shape::Field) -> Option<u64> {
        let given = |name: &str| field.get_argument(name).map(|value| &value.node);
        let sizes = ["first", "last"].map(|name| definition.arguments.get(name));
        if sizes.iter().any(Option::is_some) {
            let size = |value: &Literal| self.sizes.rows(value);
            let asked = ["first", "last"].iter().filter_map(|name| size(given(name)?)).max();
            let default = || sizes.iter().find_map(|input| size::rows(input.as_ref()?.default.as_ref()?));
            return Some(asked.or_else(default).unwrap_or(self.pages.default).clamp(1, self.pages.max));
        }
        if !is_list(&definition.ty) {
            return None;
        }
        let listed = definition.arguments.iter().filter(|(_, argument)| is_list(&argument.ty));
        listed.filter_map(|(name, _)| given(name)).map(|value| self.sizes.items(value)).max()
    }
}
