//! Compiles operations of valid documents to plans.
//!
//! A plan may be much larger than its document: fragments are repeated wherever they are spread, and an abstract
//! type has a set for each object type. [`DocumentLimits::plan_fields`] limits the fields, and the work that adds
//! none.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_graphql::indexmap::IndexMap;

use super::arguments::{self, ArgumentPlan};
use super::conditions::{Conditions, Truths};
use super::cost::ListSize;
use super::{FieldCost, InputValues, IntrospectionField, Plan, PlanField, PlanSelection, ValueSource};
use crate::describe::{Columns, Description, ObjectType, ReadArguments, Resolver, TypeName};
use crate::document::{Document, Field, Fragment, Operation, Selection};
use crate::error::{DocumentLimits, Limit, LimitExceeded, SourcePosition, position, positions};
use crate::execution::leaf::write_text;
use crate::schema::{self, Schema, TypeId, TypeRef};

/// Estimated bytes of a field in a plan, without the text of its names.
const FIELD_BYTES: usize = size_of::<PlanField>() + 128;

/// A step looks at one selection for one object type. A field takes about as long as this number of steps, so each
/// field of [`DocumentLimits::plan_fields`] allows as many.
const STEPS_PER_FIELD: usize = 16;

/// Size of arguments that are read in one step, in bytes.
const STEP_BYTES: usize = 64;

/// Compiles an operation of a valid document.
///
/// # Errors
/// [`DocumentLimits::plan_fields`] or [`DocumentLimits::nesting`] is exceeded: fragments can nest deeper than the
/// text.
pub(crate) fn compile(
    (schema, description): (&Schema, &Description),
    document: &Document<'_>,
    operation: &Operation<'_>,
    (conditions, truths): (&Conditions, &Truths),
    limits: &DocumentLimits,
) -> Result<Plan, LimitExceeded> {
    let mut compiler = Compiler {
        schema,
        description,
        fragments: document.fragments.iter().map(|fragment| (fragment.name.text, fragment)).collect(),
        conditions,
        truths,
        offsets: Vec::new(),
        is_personal: false,
        inputs: InputValues::default(),
        bytes: 0,
        fields_left: limits.plan_fields,
        steps_left: limits.plan_fields.saturating_mul(STEPS_PER_FIELD),
        levels_left: limits.nesting,
        arguments: HashMap::new(),
    };
    let root = match schema.root(operation.kind) {
        Some(root) => compiler.set(root, &[&operation.selections]),
        None => Ok(PlanSelection::default()),
    };
    let root = root.map_err(|limit| {
        let maximum = if limit == Limit::Nesting { limits.nesting } else { limits.plan_fields };
        LimitExceeded { limit, maximum, position: position(document.text, operation.at as usize) }
    })?;
    let Compiler { offsets, is_personal, inputs, bytes, .. } = compiler;
    let bytes = bytes + size_of::<Plan>() + offsets.len() * size_of::<SourcePosition>();
    let positions = positions(document.text, &offsets);
    Ok(Plan { kind: operation.kind, root, positions, is_personal, inputs, bytes })
}

/// The fields that share a response name.
type FieldGroups<'d> = IndexMap<&'d str, Vec<&'d Field<'d>>>;

struct Compiler<'d> {
    schema: &'d Schema,
    description: &'d Description,
    fragments: HashMap<&'d str, &'d Fragment<'d>>,
    conditions: &'d Conditions,
    truths: &'d Truths,
    /// The byte offsets of the plan's fields.
    offsets: Vec<u32>,
    is_personal: bool,
    inputs: InputValues,
    bytes: usize,
    /// The number of fields that may still be added.
    fields_left: usize,
    /// The number of steps that may still be taken.
    steps_left: usize,
    /// The number of levels that may still be entered.
    levels_left: usize,
    /// The arguments of fields by byte offset and parent type. A field of a fragment occurs in a plan many times.
    arguments: HashMap<u32, Vec<(TypeId, FieldArguments)>>,
}

/// The arguments of a field, the length of its list, and the number of values in the arguments.
type FieldArguments = (Arc<ArgumentPlan>, ListSize, Arc<InputValues>);

impl<'d> Compiler<'d> {
    /// Compiles the selections of objects of one type.
    fn set(&mut self, of: TypeId, selections: &[&'d [Selection<'d>]]) -> Result<PlanSelection, Limit> {
        let groups = self.groups(of, selections)?;
        self.enter()?;
        let object = self.description.objects.get(self.schema.get(of).name.as_str());
        let mut set = PlanSelection {
            fields: Vec::with_capacity(groups.len()),
            columns: 0,
            resolved: 0,
            is_transparent: object.is_some_and(|object| object.is_transparent),
        };
        for (response_name, group) in groups {
            let first = set.fields.is_empty();
            let (field, columns) = self.field((of, object), response_name, &group, first)?;
            set.columns |= columns;
            set.resolved += usize::from(field.is_resolved());
            set.fields.push(field);
        }
        self.levels_left += 1;
        Ok(set)
    }

    fn count_field(&mut self) -> Result<(), Limit> {
        self.fields_left = self.fields_left.checked_sub(1).ok_or(Limit::PlanFields)?;
        Ok(())
    }

    fn step(&mut self, steps: usize) -> Result<(), Limit> {
        self.steps_left = self.steps_left.checked_sub(steps).ok_or(Limit::PlanFields)?;
        Ok(())
    }

    /// Enters a level. The caller leaves it, unless it fails.
    fn enter(&mut self) -> Result<(), Limit> {
        self.levels_left = self.levels_left.checked_sub(1).ok_or(Limit::Nesting)?;
        Ok(())
    }

    /// The fields of an object of this type, by response name.
    fn groups(&mut self, of: TypeId, selections: &[&'d [Selection<'d>]]) -> Result<FieldGroups<'d>, Limit> {
        let (mut groups, mut visited) = (FieldGroups::new(), HashSet::new());
        for selections in selections {
            self.collect(of, selections, &mut visited, &mut groups)?;
        }
        Ok(groups)
    }

    /// Section 6.3.2, CollectFields.
    fn collect(
        &mut self,
        of: TypeId,
        selections: &'d [Selection<'d>],
        visited: &mut HashSet<&'d str>,
        groups: &mut FieldGroups<'d>,
    ) -> Result<(), Limit> {
        self.step(1 + selections.len())?;
        self.enter()?;
        for selection in selections {
            match selection {
                Selection::Field(field) if self.includes(&field.directives) => {
                    groups.entry(field.response_name().text).or_default().push(field);
                }
                Selection::Inline(inline)
                    if self.includes(&inline.directives) && inline.on.is_none_or(|on| self.applies(of, on.text)) =>
                {
                    self.collect(of, &inline.selections, visited, groups)?;
                }
                Selection::Spread(spread) if self.includes(&spread.directives) && visited.insert(spread.name.text) => {
                    if let Some(fragment) = self.fragments.get(spread.name.text).copied()
                        && self.applies(of, fragment.on.text)
                    {
                        self.collect(of, &fragment.selections, visited, groups)?;
                    }
                }
                _ => {}
            }
        }
        self.levels_left += 1;
        Ok(())
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
    ) -> Result<(PlanField, Columns), Limit> {
        self.count_field()?;
        let (schema, field) = (self.schema, group[0]);
        let name = field.name.text;
        let known: &'d schema::FieldDefinition = schema.field(parent, name).ok_or(Limit::PlanFields)?;
        let entry = object.and_then(|object| object.fields.get(name));
        self.is_personal |= entry.is_some_and(|entry| entry.is_personal);
        let (kind, size) = self.kind((parent, known), entry.map(|entry| &entry.resolver), response_name, group)?;
        let selected = match kind {
            ValueSource::Resolve { .. } => self.selected(*known.of.name(), group)?,
            _ => Vec::new(),
        };
        // Objects without their own rows need the columns of their selections.
        let columns = match object {
            Some(object) if object.is_transparent => selected.iter().map(|(_, set)| set.columns).fold(0, |a, b| a | b),
            _ => entry.map_or(0, |entry| entry.columns),
        };
        let is_list = matches!(known.of.nullable(), TypeRef::List(_));
        self.offsets.push(field.response_name().at);
        self.bytes += FIELD_BYTES + 2 * response_name.len() + selected.len() * size_of::<(TypeName, PlanSelection)>();
        let planned = PlanField {
            response_name: response_name.into(),
            key: key(response_name, is_first),
            position: self.offsets.len() - 1,
            coordinate: format!("{}.{name}", schema.get(parent).name).into(),
            of: known.of.clone(),
            kind,
            selected,
            cost: FieldCost { value: entry.map_or(1, |entry| entry.cost), is_list, size },
            extension: entry.and_then(|entry| entry.extension.clone()),
        };
        Ok((planned, columns))
    }

    /// The source of a field's value, and the length of its list.
    fn kind(
        &mut self,
        (parent, known): (TypeId, &'d schema::FieldDefinition),
        resolver: Option<&Resolver>,
        response_name: &'d str,
        group: &[&'d Field<'d>],
    ) -> Result<(ValueSource, ListSize), Limit> {
        let kind = match (known.name.as_str(), resolver) {
            ("__typename", _) => {
                let mut text = Vec::new();
                write_text(&mut text, &self.schema.get(parent).name);
                ValueSource::TypeName(text.into())
            }
            ("__schema" | "__type", _) => ValueSource::Introspect(self.introspection(known, response_name, group)?),
            (_, Some(Resolver::Leaf(write))) => ValueSource::Leaf(Arc::clone(write)),
            (_, Some(Resolver::Resolve(reader, resolve))) => {
                let (arguments, size, inputs) = self.arguments((parent, known), group[0], *reader)?;
                self.inputs.add(&inputs);
                return Ok((ValueSource::Resolve { reader: *reader, resolve: Arc::clone(resolve), arguments }, size));
            }
            (_, None) => ValueSource::Unresolvable,
        };
        Ok((kind, ListSize::Unknown))
    }

    /// The arguments of a field, read once for each parent type. Further types take steps, since an argument may be
    /// large.
    fn arguments(
        &mut self,
        (parent, known): (TypeId, &'d schema::FieldDefinition),
        field: &'d Field<'d>,
        reader: ReadArguments,
    ) -> Result<FieldArguments, Limit> {
        let types = self.arguments.entry(field.name.at).or_default();
        if let Some((_, planned)) = types.iter().find(|(of, _)| *of == parent) {
            return Ok(planned.clone());
        }
        let bytes = arguments::bytes(&field.arguments);
        let literals = arguments::literals(self.schema, &known.arguments, &field.arguments);
        let size = ListSize::of(known, &literals);
        let inputs = Arc::new(InputValues::of(&literals));
        let arguments = Arc::new(ArgumentPlan::new(self.schema, (parent, known), literals, reader));
        let planned = (arguments, size, inputs);
        types.push((parent, planned.clone()));
        let is_further = types.len() > 1;
        self.bytes += bytes;
        self.step(if is_further { bytes / STEP_BYTES } else { 0 })?;
        Ok(planned)
    }

    /// Compiles the selections of a field's objects, by type.
    fn selected(&mut self, of: TypeId, group: &[&'d Field<'d>]) -> Result<Vec<(TypeName, PlanSelection)>, Limit> {
        let schema = self.schema;
        if !schema.is_composite(of) {
            return Ok(Vec::new());
        }
        let selections: Vec<_> = group.iter().map(|field| field.selections.as_slice()).collect();
        let possible = schema.possible(of).iter();
        possible.map(|of| Ok((schema.get(*of).name.clone().into(), self.set(*of, &selections)?))).collect()
    }

    /// Compiles a field of introspection.
    fn introspection(
        &mut self,
        known: &'d schema::FieldDefinition,
        response_name: &str,
        group: &[&'d Field<'d>],
    ) -> Result<IntrospectionField, Limit> {
        self.count_field()?;
        let named = *known.of.name();
        let is_composite = self.schema.is_composite(named);
        let mut selected = Vec::new();
        if is_composite {
            let selections: Vec<_> = group.iter().map(|field| field.selections.as_slice()).collect();
            let groups = self.groups(named, &selections)?;
            self.enter()?;
            for (response_name, group) in groups {
                let known = self.schema.field(named, group[0].name.text).ok_or(Limit::PlanFields)?;
                selected.push(self.introspection(known, response_name, &group)?);
            }
            self.levels_left += 1;
        }
        self.bytes += FIELD_BYTES / 4 + response_name.len() + arguments::bytes(&group[0].arguments);
        let arguments = arguments::literals(self.schema, &known.arguments, &group[0].arguments);
        self.inputs.add(&InputValues::of(&arguments));
        Ok(IntrospectionField {
            response_name: response_name.to_owned(),
            name: known.name.clone(),
            arguments,
            is_composite,
            items: self.schema.introspection_items(&known.name),
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
