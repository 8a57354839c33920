//! From a valid document to a plan.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_graphql::indexmap::IndexMap;

use super::conditions::{Conditions, Truths};
use super::cost::Size;
use super::{ArgumentPlan, FieldCost, IntrospectionField, Kind, Plan, PlanField, Set};
use crate::describe::{Columns, Description, How, ObjectType};
use crate::document::{Document, Field, Fragment, Operation, Selection};
use crate::error::{Limit, LimitExceeded, Limits, position, positions};
use crate::execution::leaf::write_text;
use crate::schema::{self, Schema, TypeId, TypeRef};

/// Bytes of a planned field, about, beside its names.
const FIELD_BYTES: usize = 320;

/// Compiles an operation of a valid document.
///
/// # Errors
/// The plan has more fields than [`Limits::plan_fields`] allow.
pub(crate) fn compile(
    (schema, description): (&Schema, &Description),
    document: &Document<'_>,
    operation: &Operation<'_>,
    (conditions, truths): (&Conditions, &Truths),
    limits: &Limits,
) -> Result<Plan, LimitExceeded> {
    let mut compiler = Compiler {
        schema,
        description,
        fragments: document.fragments.iter().map(|fragment| (fragment.name.text, fragment)).collect(),
        conditions,
        truths,
        offsets: Vec::new(),
        is_personal: false,
        bytes: document.text.len(),
        fields_left: limits.plan_fields,
    };
    let root = match schema.root(operation.kind) {
        Some(root) => compiler.set(root, &[&operation.selections]),
        None => Some(Set::default()),
    };
    let Some(root) = root else {
        let position = position(document.text, operation.at as usize);
        return Err(LimitExceeded { limit: Limit::PlanFields, maximum: limits.plan_fields, position });
    };
    let Compiler { offsets, is_personal, bytes, .. } = compiler;
    Ok(Plan { kind: operation.kind, root, positions: positions(document.text, &offsets), is_personal, bytes })
}

/// The fields that share a response name.
type Groups<'d> = IndexMap<&'d str, Vec<&'d Field<'d>>>;

struct Compiler<'d> {
    schema: &'d Schema,
    description: &'d Description,
    fragments: HashMap<&'d str, &'d Fragment<'d>>,
    conditions: &'d Conditions,
    truths: &'d Truths,
    /// Where the planned fields begin.
    offsets: Vec<u32>,
    is_personal: bool,
    bytes: usize,
    fields_left: usize,
}

impl<'d> Compiler<'d> {
    /// What is selected of objects of one type; none if that is too much.
    fn set(&mut self, of: TypeId, selections: &[&'d [Selection<'d>]]) -> Option<Set> {
        let mut groups = Groups::new();
        let mut visited = HashSet::new();
        for selections in selections {
            self.collect(of, selections, &mut visited, &mut groups);
        }
        let object = self.description.objects.get(self.schema.get(of).name.as_str());
        let mut set = Set { fields: Vec::with_capacity(groups.len()), columns: 0, resolved: 0 };
        for (response_name, group) in groups {
            let first = set.fields.is_empty();
            let (field, columns) = self.field((of, object), response_name, &group, first)?;
            set.columns |= columns;
            set.resolved += usize::from(field.is_resolved());
            set.fields.push(field);
        }
        Some(set)
    }

    /// Section 6.3.2: the fields of an object of this type, by response name.
    fn collect(
        &self,
        of: TypeId,
        selections: &'d [Selection<'d>],
        visited: &mut HashSet<&'d str>,
        groups: &mut Groups<'d>,
    ) {
        for selection in selections {
            match selection {
                Selection::Field(field) if self.includes(&field.directives) => {
                    groups.entry(field.response_name().text).or_default().push(field);
                }
                Selection::Inline(inline)
                    if self.includes(&inline.directives) && inline.on.is_none_or(|on| self.applies(of, on.text)) =>
                {
                    self.collect(of, &inline.selections, visited, groups);
                }
                Selection::Spread(spread) if self.includes(&spread.directives) && visited.insert(spread.name.text) => {
                    if let Some(fragment) = self.fragments.get(spread.name.text).copied()
                        && self.applies(of, fragment.on.text)
                    {
                        self.collect(of, &fragment.selections, visited, groups);
                    }
                }
                _ => {}
            }
        }
    }

    fn includes(&self, directives: &[crate::document::Directive<'_>]) -> bool {
        self.conditions.include(self.truths, directives)
    }

    fn applies(&self, of: TypeId, condition: &str) -> bool {
        self.schema.find(condition).is_some_and(|on| self.schema.overlap(of, on))
    }

    fn field(
        &mut self,
        (parent, object): (TypeId, Option<&'d ObjectType>),
        response_name: &'d str,
        group: &[&'d Field<'d>],
        is_first: bool,
    ) -> Option<(PlanField, Columns)> {
        self.fields_left = self.fields_left.checked_sub(1)?;
        let (schema, field) = (self.schema, group[0]);
        let name = field.name.text;
        let known: &'d schema::Field = schema.field(parent, name)?;
        let selections: Vec<_> = group.iter().map(|field| field.selections.as_slice()).collect();
        let how = object.and_then(|object| object.fields.get(name));
        self.is_personal |= how.is_some_and(|how| how.is_personal);
        let kind = match (name, how.map(|how| &how.how)) {
            ("__typename", _) => {
                let mut text = Vec::new();
                write_text(&mut text, &schema.get(parent).name);
                Kind::TypeName(text.into())
            }
            ("__schema" | "__type", _) => Kind::Introspect(self.introspection(known, response_name, group)?),
            (_, Some(How::Leaf(write))) => Kind::Leaf(Arc::clone(write)),
            (_, Some(How::Resolve(reader, resolve))) => {
                let known = (parent, name, &known.arguments);
                let arguments = ArgumentPlan::new(schema, known, &field.arguments, *reader);
                Kind::Resolve { reader: *reader, resolve: Arc::clone(resolve), arguments }
            }
            (_, None) => Kind::Undescribed,
        };
        let named = *known.of.name();
        let mut selected = Vec::new();
        if matches!(kind, Kind::Resolve { .. }) && schema.is_composite(named) {
            for of in schema.possible(named) {
                let set = self.set(*of, &selections)?;
                selected.push((schema.get(*of).name.clone().into(), set));
            }
        }
        // What is made of others' rows needs what is selected of these.
        let columns = match object {
            Some(object) if object.is_transparent => selected.iter().map(|(_, set)| set.columns).fold(0, |a, b| a | b),
            _ => how.map_or(0, |how| how.columns),
        };
        let cost = FieldCost {
            value: how.map_or(1, |how| how.cost),
            is_list: matches!(known.of.nullable(), TypeRef::List(_)),
            size: Size::of(schema, known, &field.arguments),
        };
        self.offsets.push(field.response_name().at);
        self.bytes += FIELD_BYTES + 2 * response_name.len();
        let planned = PlanField {
            response_name: response_name.into(),
            key: key(response_name, is_first),
            position: self.offsets.len() - 1,
            coordinate: format!("{}.{name}", schema.get(parent).name).into(),
            of: known.of.clone(),
            kind,
            selected,
            cost,
        };
        Some((planned, columns))
    }

    /// The same selection as text, without fragments and conditions; none if it is too much.
    fn introspection(
        &mut self,
        known: &'d schema::Field,
        response_name: &str,
        group: &[&'d Field<'d>],
    ) -> Option<IntrospectionField> {
        let named = *known.of.name();
        let mut selected = Vec::new();
        if self.schema.is_composite(named) {
            let (mut groups, mut visited) = (Groups::new(), HashSet::new());
            for field in group {
                self.collect(named, &field.selections, &mut visited, &mut groups);
            }
            for (response_name, group) in groups {
                self.fields_left = self.fields_left.checked_sub(1)?;
                let known = self.schema.field(named, group[0].name.text)?;
                selected.push(self.introspection(known, response_name, &group)?);
            }
        }
        self.bytes += FIELD_BYTES / 4 + response_name.len();
        Some(IntrospectionField {
            response_name: response_name.to_owned(),
            name: group[0].name.text.to_owned(),
            arguments: super::arguments::literals(self.schema, &known.arguments, &group[0].arguments),
            is_composite: self.schema.is_composite(named),
            selected,
        })
    }
}

/// `,"name":`
fn key(name: &str, is_first: bool) -> Box<[u8]> {
    let mut key = Vec::with_capacity(name.len() + 4);
    if !is_first {
        key.push(b',');
    }
    write_text(&mut key, name);
    key.push(b':');
    key.into()
}
