//! Fields that meet in the answer must be the same: `FieldsInSetCanMerge` of the specification.
//!
//! The specification compares every two fields, which is quadratic and worse. Here the selection sets that meet at a
//! place of the answer are looked at together: fields are grouped by their name in the answer, and each group is
//! compared with its first field. The selection sets of a group meet one level below. A group that has been seen is
//! not looked at again, so that fragments cost once, however often they are spread. What is left to grow, sets of
//! fragments that meet in ever new combinations, ends with the budget of steps.
//!
//! Fields of different objects never meet in one answer; they must only have the same shape.

use std::collections::{HashMap, HashSet};

use super::{Rule, Validator};
use crate::document::{Argument, Field, Selection, Value, ValueKind};
use crate::schema::{self, TypeId, TypeKind, TypeRef};

/// How alike the fields of a group must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Must {
    /// One field with the same arguments.
    Be,
    /// The same kind of value.
    LookAlike,
}

/// A selection set and its type, if that is known.
type Set<'d> = (&'d [Selection<'d>], Option<TypeId>);

/// A field, and the type that it is selected of.
#[derive(Clone, Copy)]
struct Member<'d> {
    field: &'d Field<'d>,
    parent: Option<TypeId>,
}

/// Sets that still have to be looked at, and groups that have been: each by the offsets of its fields.
#[derive(Default)]
struct Work<'d> {
    open: Vec<(Vec<Set<'d>>, Must)>,
    /// The fragments that some set spreads.
    spread: HashSet<&'d str>,
    seen: HashSet<(Must, Box<[u32]>)>,
}

impl<'d> Validator<'d> {
    pub(super) fn merging(&mut self) {
        let document = self.document;
        let mut work = Work::default();
        for operation in document.operations.iter().rev() {
            work.open.push((vec![(&operation.selections, self.root(operation.kind))], Must::Be));
        }
        self.merge_open(&mut work);
        // What an operation spreads has met more there than it meets alone.
        for fragment in &document.fragments {
            if work.spread.insert(fragment.name.text) {
                let on = self.schema.find(fragment.on.text);
                work.open.push((vec![(&fragment.selections, on)], Must::Be));
                self.merge_open(&mut work);
            }
        }
    }

    fn merge_open(&mut self, work: &mut Work<'d>) {
        while let Some((sets, must)) = work.open.pop() {
            let Some(groups) = self.groups(sets, work) else { return };
            for group in groups {
                if group.len() > 1 || !group[0].field.selections.is_empty() {
                    self.group(&group, must, work);
                }
            }
        }
    }

    /// The fields of all sets by their names in the answer. `None` if the steps are spent.
    fn groups(&mut self, mut open: Vec<Set<'d>>, work: &mut Work<'d>) -> Option<Vec<Vec<Member<'d>>>> {
        let mut groups: Vec<Vec<Member<'d>>> = Vec::new();
        let mut index = HashMap::new();
        let mut spread = HashSet::new();
        open.reverse();
        while let Some((selections, parent)) = open.pop() {
            if !self.spend(selections.len()) {
                return None;
            }
            for selection in selections {
                match selection {
                    Selection::Field(field) => {
                        let i = *index.entry(field.response_name().text).or_insert(groups.len());
                        if i == groups.len() {
                            groups.push(Vec::with_capacity(1));
                        }
                        groups[i].push(Member { field, parent });
                    }
                    Selection::Spread(found) => {
                        if let Some(fragment) = self.fragment(found.name.text)
                            && spread.insert(found.name.text)
                        {
                            work.spread.insert(found.name.text);
                            open.push((&fragment.selections, self.schema.find(fragment.on.text)));
                        }
                    }
                    Selection::Inline(inline) => {
                        let on = inline.on.map_or(parent, |on| self.schema.find(on.text));
                        open.push((&inline.selections, on));
                    }
                }
            }
        }
        Some(groups)
    }

    fn group(&mut self, group: &[Member<'d>], must: Must, work: &mut Work<'d>) {
        let key = group.iter().map(|member| member.field.name.at).collect();
        if !work.seen.insert((must, key)) || !self.look_alike(group) {
            return;
        }
        let objects = self.objects(group);
        if must == Must::LookAlike || objects.len() > 1 {
            self.open_below(group, Must::LookAlike, work);
        }
        if must == Must::LookAlike {
            return;
        }
        if objects.len() < 2 {
            self.be_one(group, work);
            return;
        }
        for object in objects {
            if !self.spend(group.len()) {
                return;
            }
            let meets = |member: &&Member<'d>| !self.is_object(member.parent) || member.parent == Some(object);
            let part: Vec<Member<'d>> = group.iter().filter(meets).copied().collect();
            self.be_one(&part, work);
        }
    }

    /// The objects that fields of a group are selected of.
    fn objects(&self, group: &[Member<'d>]) -> Vec<TypeId> {
        let parents = group.iter().map(|member| member.parent);
        let mut objects: Vec<TypeId> = parents.filter(|parent| self.is_object(*parent)).flatten().collect();
        objects.sort_unstable();
        objects.dedup();
        objects
    }

    fn is_object(&self, parent: Option<TypeId>) -> bool {
        parent.is_some_and(|parent| matches!(self.schema.get(parent).kind, TypeKind::Object { .. }))
    }

    /// What a member is in the schema, if it is there.
    fn definition(&self, member: &Member<'d>) -> Option<&'d schema::Field> {
        self.schema.field(member.parent?, member.field.name.text)
    }

    /// The selection sets of a group meet one level below.
    fn open_below(&self, group: &[Member<'d>], must: Must, work: &mut Work<'d>) {
        let with_selections = group.iter().filter(|member| !member.field.selections.is_empty());
        let below = |member: &Member<'d>| {
            let of = self.definition(member).map(|definition| *definition.of.name());
            (member.field.selections.as_slice(), of)
        };
        let sets: Vec<Set<'d>> = with_selections.map(below).collect();
        if !sets.is_empty() {
            work.open.push((sets, must));
        }
    }

    /// Whether the types of a group look alike; reports the first that does not.
    fn look_alike(&mut self, group: &[Member<'d>]) -> bool {
        let schema = self.schema;
        let mut first = None;
        for member in group {
            let Some(definition) = self.definition(member) else { continue };
            let (field, of) = *first.get_or_insert((member.field, &definition.of));
            if !same_shape(schema, of, &definition.of) {
                let name = field.response_name();
                let (a, b) = (schema.display(of), schema.display(&definition.of));
                let message =
                    format_args!("The fields named `{}` have the types `{a}` and `{b}`: give one an alias.", name.text);
                self.conflict(field, member.field, message);
                return false;
            }
        }
        true
    }

    /// The fields of a group must be one field with the same arguments.
    fn be_one(&mut self, group: &[Member<'d>], work: &mut Work<'d>) {
        let Some(Member { field: first, .. }) = group.first().copied() else { return };
        let name = first.response_name().text;
        for member in &group[1..] {
            let (a, b) = (first.name.text, member.field.name.text);
            if a != b {
                let message = format_args!("`{name}` would be both `{a}` and `{b}`: give one another alias.");
                return self.conflict(first, member.field, message);
            }
            if !same_arguments(&first.arguments, &member.field.arguments) {
                let message = format_args!("`{name}` is selected with different arguments: give one an alias.");
                return self.conflict(first, member.field, message);
            }
        }
        self.open_below(group, Must::Be, work);
    }

    fn conflict(&mut self, a: &Field<'d>, b: &Field<'d>, message: std::fmt::Arguments<'_>) {
        let at = [a.response_name().at, b.response_name().at];
        self.fail(Rule::OverlappingFieldsCanBeMerged, &at, message);
    }
}

fn same_shape(schema: &schema::Schema, a: &TypeRef, b: &TypeRef) -> bool {
    match (a, b) {
        (TypeRef::NonNull(a), TypeRef::NonNull(b)) | (TypeRef::List(a), TypeRef::List(b)) => same_shape(schema, a, b),
        (TypeRef::Named(a), TypeRef::Named(b)) => a == b || (schema.is_composite(*a) && schema.is_composite(*b)),
        _ => false,
    }
}

/// Whether both lists have the same names with the same values, in any order.
fn same_arguments(a: &[Argument<'_>], b: &[Argument<'_>]) -> bool {
    const FEW: usize = 8;
    if a.len() != b.len() {
        return false;
    }
    if b.len() <= FEW {
        let same_in =
            |a: &Argument<'_>| b.iter().find(|b| a.name.text == b.name.text).is_some_and(|b| same(&a.value, &b.value));
        return a.iter().all(same_in);
    }
    let index: HashMap<&str, &Value<'_>> = b.iter().map(|b| (b.name.text, &b.value)).collect();
    a.iter().all(|a| index.get(a.name.text).is_some_and(|b| same(&a.value, b)))
}

fn same(a: &Value<'_>, b: &Value<'_>) -> bool {
    match (&a.kind, &b.kind) {
        (ValueKind::Variable(a), ValueKind::Variable(b))
        | (ValueKind::Int(a), ValueKind::Int(b))
        | (ValueKind::Float(a), ValueKind::Float(b))
        | (ValueKind::Enum(a), ValueKind::Enum(b)) => a == b,
        (ValueKind::String(a), ValueKind::String(b)) => a == b,
        (ValueKind::Boolean(a), ValueKind::Boolean(b)) => a == b,
        (ValueKind::Null, ValueKind::Null) => true,
        (ValueKind::List(a), ValueKind::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (ValueKind::Object(a), ValueKind::Object(b)) => same_arguments(a, b),
        _ => false,
    }
}
