//! The cost of a plan, computed before anything is read.
//!
//! Each field costs 1, or the cost in its description. Fields inside a list are multiplied by its length: the page
//! size, or the number of keys.

use serde_json::Value as Json;

use super::{Plan, PlanSelection, ValueSource};
use crate::input::{Inputs, Literal};
use crate::schema::{FieldDefinition, TypeRef};

/// The page sizes of connections.
#[derive(Clone, Copy, Debug)]
pub struct PageSizes {
    /// The size if neither the request nor the schema has one.
    pub default: u64,
    /// The maximum size. Resolvers refuse larger pages, so a larger page does not cost more.
    pub max: u64,
}

/// The cost of an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Levels of fields.
    pub depth: u64,
    /// Fields of the root.
    pub root_fields: u64,
    /// Fields of the plan, for all object types.
    pub fields: u64,
    /// The maximum number of values in the response.
    pub values: u64,
    /// The estimated number of values of introspection. They are not part of [`Self::values`].
    pub introspection: u64,
    /// Levels of lists that lead from a type to others: each multiplies the response.
    pub introspection_levels: u64,
}

/// What a field adds to the cost.
#[derive(Clone, Debug)]
pub(crate) struct FieldCost {
    pub(crate) value: u64,
    pub(crate) is_list: bool,
    pub(crate) size: ListSize,
}

/// What determines the length of a field's list.
#[derive(Clone, Debug)]
pub(crate) enum ListSize {
    /// No argument: the list is short, or part of a page.
    Unknown,
    /// `first` and `last`, and their default.
    Page(Lengths, Option<u64>),
    /// The longest list among the arguments.
    Keys(Lengths),
}

/// The lengths in arguments: the largest constant, and the variables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lengths {
    constant: Option<u64>,
    variables: Vec<String>,
}

/// Reads a length from a value.
type Length = fn(&Json) -> Option<u64>;

/// The length of a list. A single value is coerced to a list of one.
const LIST_LENGTH: Length = |value| match value {
    Json::Null => None,
    Json::Array(items) => Some(items.len() as u64),
    _ => Some(1),
};

impl Lengths {
    fn of<'l>(literals: impl Iterator<Item = &'l (String, Literal)>, length: Length) -> Self {
        let mut lengths = Self::default();
        for (_, literal) in literals {
            let constant = match literal {
                Literal::Constant(value) => length(value),
                Literal::List(items) => Some(items.len() as u64),
                Literal::Object(_) => Some(1),
                Literal::Variable(name) => {
                    lengths.variables.push(name.clone());
                    None
                }
            };
            lengths.constant = lengths.constant.max(constant);
        }
        lengths
    }

    /// The largest length.
    fn greatest(&self, variables: &Inputs, length: Length) -> Option<u64> {
        let given = self.variables.iter().filter_map(|name| length(variables.get(name)?)).max();
        given.max(self.constant)
    }
}

impl ListSize {
    pub(super) fn of(field: &FieldDefinition, literals: &[(String, Literal)]) -> Self {
        let is_page = |name: &str| matches!(name, "first" | "last");
        let sizes = || field.arguments.iter().filter(|input| is_page(&input.name));
        if sizes().next().is_some() {
            let default = sizes().find_map(|input| input.default.as_ref()?.as_u64());
            return Self::Page(Lengths::of(literals.iter().filter(|(name, _)| is_page(name)), Json::as_u64), default);
        }
        if !matches!(field.of.nullable(), TypeRef::List(_)) {
            return Self::Unknown;
        }
        let is_list =
            |name: &str| field.arguments.get(name).is_some_and(|input| matches!(input.of.nullable(), TypeRef::List(_)));
        let mut lists = literals.iter().filter(|(name, _)| is_list(name)).peekable();
        if lists.peek().is_none() { Self::Unknown } else { Self::Keys(Lengths::of(lists, LIST_LENGTH)) }
    }

    /// The length of the list, if an argument determines it.
    fn items(&self, variables: &Inputs, pages: PageSizes) -> Option<u64> {
        match self {
            Self::Unknown => None,
            Self::Page(lengths, default) => {
                let items = lengths.greatest(variables, Json::as_u64).or(*default).unwrap_or(pages.default);
                Some(items.clamp(1, pages.max))
            }
            Self::Keys(lengths) => lengths.greatest(variables, LIST_LENGTH),
        }
    }

    fn is_constant(&self) -> bool {
        match self {
            Self::Unknown => true,
            Self::Page(lengths, _) | Self::Keys(lengths) => lengths.variables.is_empty(),
        }
    }
}

/// The values of a set: those that count once per page, and those that count per row.
#[derive(Clone, Copy, Default)]
struct SelectionCost {
    once: u64,
    per_item: u64,
    depth: u64,
}

impl Plan {
    /// Whether the cost is the same for all variables.
    pub(crate) fn has_constant_cost(&self) -> bool {
        self.root.has_constant_cost()
    }

    /// The cost with these variables.
    pub(crate) fn cost(&self, variables: &Inputs, pages: PageSizes) -> Cost {
        let mut fields = 0;
        let values = set_values(&self.root, variables, pages, &mut fields);
        let levels = self.root.fields.iter().map(|field| match &field.kind {
            ValueSource::Introspect(field) => field.levels(),
            _ => 0,
        });
        let introspection = self.root.fields.iter().map(|field| match &field.kind {
            ValueSource::Introspect(field) => field.values(),
            _ => 0,
        });
        Cost {
            depth: values.depth,
            root_fields: self.root.fields.len() as u64,
            fields,
            values: values.once.saturating_add(values.per_item),
            introspection: introspection.fold(0, u64::saturating_add),
            introspection_levels: levels.max().unwrap_or_default(),
        }
    }
}

impl PlanSelection {
    fn has_constant_cost(&self) -> bool {
        let mut fields = self.fields.iter();
        fields
            .all(|field| field.cost.size.is_constant() && field.selected.iter().all(|(_, set)| set.has_constant_cost()))
    }
}

fn set_values(set: &PlanSelection, variables: &Inputs, pages: PageSizes, fields: &mut u64) -> SelectionCost {
    let mut sum = SelectionCost::default();
    for field in &set.fields {
        *fields += 1;
        // An object has one type: use the most expensive one.
        let mut inner = SelectionCost::default();
        for (_, set) in &field.selected {
            let of = set_values(set, variables, pages, fields);
            inner = SelectionCost {
                once: inner.once.max(of.once),
                per_item: inner.per_item.max(of.per_item),
                depth: inner.depth.max(of.depth),
            };
        }
        let all = inner.once.saturating_add(inner.per_item);
        let (once, per_item) = match (field.cost.size.items(variables, pages), field.cost.is_list) {
            // A list whose length is requested.
            (Some(items), true) => (items.saturating_mul(all.saturating_add(1)), 0),
            // A connection: its lists have that length.
            (Some(items), false) => (inner.once.saturating_add(items.saturating_mul(inner.per_item)), 0),
            // A list within a connection, or a short one.
            (None, true) => (0, all.saturating_add(1)),
            (None, false) => (all, 0),
        };
        sum.once = sum.once.saturating_add(once).saturating_add(field.cost.value);
        sum.per_item = sum.per_item.saturating_add(per_item);
        sum.depth = sum.depth.max(inner.depth + 1);
    }
    sum
}
