//! Fields with the same name in the response must be the same: `FieldsInSetCanMerge` of the specification.
//!
//! The specification compares every two fields, which is quadratic or worse. Here all selection sets of one
//! position in the response are checked together: fields are grouped by their name in the response, and each group
//! is compared with its first field. The selection sets of a group are checked together one level below. A group is
//! checked once, so that a fragment costs once, however often it is spread. Only sets of fragments that combine in
//! ever new ways can still grow; the budget of steps limits them.
//!
//! Fields of different objects are never in one response; they only need the same shape.

use std::collections::{HashMap, HashSet};

use super::{ValidationRule, Validator};
use crate::document::{Argument, Field, Selection, Value, ValueKind};
use crate::schema::{self, TypeId, TypeKind, TypeRef};

/// How similar the fields of a group must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Similarity {
    /// One field with the same arguments.
    SameField,
    /// The same kind of value.
    SameShape,
}

/// A selection set and its type, if it is known.
type TypedSelections<'d> = (&'d [Selection<'d>], Option<TypeId>);

/// A field and its parent type.
#[derive(Clone, Copy)]
struct FieldWithParent<'d> {
    field: &'d Field<'d>,
    parent: Option<TypeId>,
}

/// Sets to check, and groups that were checked, each by the offsets of its fields.
#[derive(Default)]
struct MergeQueue<'d> {
    open: Vec<(Vec<TypedSelections<'d>>, Similarity)>,
    /// The fragments that some set spreads.
    spread: HashSet<&'d str>,
    seen: HashSet<(Similarity, Box<[u32]>)>,
}

impl<'d> Validator<'d> {
    pub(super) fn merging(&mut self) {
        let document = self.document;
        let mut work = MergeQueue::default();
        for operation in document.operations.iter().rev() {
            work.open.push((vec![(&operation.selections, self.root(operation.kind))], Similarity::SameField));
        }
        self.merge_open(&mut work);
        // Fragments that an operation spreads were checked there, with more fields.
        for fragment in &document.fragments {
            if work.spread.insert(fragment.name.text) {
                let on = self.schema.find(fragment.on.text);
                work.open.push((vec![(&fragment.selections, on)], Similarity::SameField));
                self.merge_open(&mut work);
            }
        }
    }

    fn merge_open(&mut self, work: &mut MergeQueue<'d>) {
        while let Some((sets, must)) = work.open.pop() {
            let Some(groups) = self.groups(sets, work) else { return };
            for group in groups {
                if group.len() > 1 || !group[0].field.selections.is_empty() {
                    self.group(&group, must, work);
                }
            }
        }
    }

    /// The fields of all sets by their names in the response, in the document's order. `None` if the steps are used
    /// up.
    fn groups(
        &mut self,
        sets: Vec<TypedSelections<'d>>,
        work: &mut MergeQueue<'d>,
    ) -> Option<Vec<Vec<FieldWithParent<'d>>>> {
        let mut groups: Vec<Vec<FieldWithParent<'d>>> = Vec::new();
        let mut index = HashMap::new();
        let mut spread = HashSet::new();
        let mut open: Vec<_> = sets.into_iter().rev().map(|(set, parent)| (set.iter(), parent)).collect();
        while let Some((selections, parent)) = open.last_mut() {
            let (Some(selection), parent) = (selections.next(), *parent) else {
                open.pop();
                continue;
            };
            if !self.spend(1) {
                return None;
            }
            match selection {
                Selection::Field(field) => {
                    let i = *index.entry(field.response_name().text).or_insert(groups.len());
                    if i == groups.len() {
                        groups.push(Vec::with_capacity(1));
                    }
                    groups[i].push(FieldWithParent { field, parent });
                }
                Selection::Spread(found) => {
                    if let Some(fragment) = self.fragment(found.name.text)
                        && spread.insert(found.name.text)
                    {
                        work.spread.insert(found.name.text);
                        open.push((fragment.selections.iter(), self.schema.find(fragment.on.text)));
                    }
                }
                Selection::Inline(inline) => {
                    let on = inline.on.map_or(parent, |on| self.schema.find(on.text));
                    open.push((inline.selections.iter(), on));
                }
            }
        }
        Some(groups)
    }

    fn group(&mut self, group: &[FieldWithParent<'d>], must: Similarity, work: &mut MergeQueue<'d>) {
        let key = group.iter().map(|member| member.field.name.at).collect();
        if !work.seen.insert((must, key)) || !self.check_same_shape(group) {
            return;
        }
        let objects = self.objects(group);
        if must == Similarity::SameShape || objects.len() > 1 {
            self.open_below(group, Similarity::SameShape, work);
        }
        if must == Similarity::SameShape {
            return;
        }
        if objects.len() < 2 {
            self.check_same_field(group, work);
            return;
        }
        for object in objects {
            if !self.spend(group.len()) {
                return;
            }
            let meets = |member: &&FieldWithParent<'d>| !self.is_object(member.parent) || member.parent == Some(object);
            let part: Vec<FieldWithParent<'d>> = group.iter().filter(meets).copied().collect();
            self.check_same_field(&part, work);
        }
    }

    /// The parent types of a group's fields.
    fn objects(&self, group: &[FieldWithParent<'d>]) -> Vec<TypeId> {
        let parents = group.iter().map(|member| member.parent);
        let mut objects: Vec<TypeId> = parents.filter(|parent| self.is_object(*parent)).flatten().collect();
        objects.sort_unstable();
        objects.dedup();
        objects
    }

    fn is_object(&self, parent: Option<TypeId>) -> bool {
        parent.is_some_and(|parent| matches!(self.schema.get(parent).kind, TypeKind::Object { .. }))
    }

    /// The definition of a member, if the schema has it.
    fn definition(&self, member: &FieldWithParent<'d>) -> Option<&'d schema::FieldDefinition> {
        self.schema.field(member.parent?, member.field.name.text)
    }

    /// Queues the selection sets of a group, one level below.
    fn open_below(&self, group: &[FieldWithParent<'d>], must: Similarity, work: &mut MergeQueue<'d>) {
        let with_selections = group.iter().filter(|member| !member.field.selections.is_empty());
        let below = |member: &FieldWithParent<'d>| {
            let of = self.definition(member).map(|definition| *definition.of.name());
            (member.field.selections.as_slice(), of)
        };
        let sets: Vec<TypedSelections<'d>> = with_selections.map(below).collect();
        if !sets.is_empty() {
            work.open.push((sets, must));
        }
    }

    /// Whether the types of a group have the same shape; reports the first that does not.
    fn check_same_shape(&mut self, group: &[FieldWithParent<'d>]) -> bool {
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
    fn check_same_field(&mut self, group: &[FieldWithParent<'d>], work: &mut MergeQueue<'d>) {
        let Some(FieldWithParent { field: first, .. }) = group.first().copied() else { return };
        let name = first.response_name().text;
        for member in &group[1..] {
            let (a, b) = (first.name.text, member.field.name.text);
            if a != b {
                let message = format_args!("`{name}` refers to both `{a}` and `{b}`: give one of them another alias.");
                return self.conflict(first, member.field, message);
            }
            if !same_arguments(&first.arguments, &member.field.arguments) {
                let message = format_args!("`{name}` is selected with different arguments: give one an alias.");
                return self.conflict(first, member.field, message);
            }
        }
        self.open_below(group, Similarity::SameField, work);
    }

    fn conflict(&mut self, a: &Field<'d>, b: &Field<'d>, message: std::fmt::Arguments<'_>) {
        let at = [a.response_name().at, b.response_name().at];
        self.fail(ValidationRule::OverlappingFieldsCanBeMerged, &at, message);
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

#[cfg(test)]
mod tests {
    use crate::document::parse;
    use crate::error::DocumentLimits;
    use crate::schema::Schema;
    use crate::validation::{Invalid, validate};

    const SDL: &str = "type Query { pet: Pet dog: Dog n(a: Int b: [Int] c: In): Int }
        interface Pet { name: String! mate: Pet } input In { x: Int y: String }
        type Dog implements Pet { name: String! mate: Pet size: Int toys(first: Int): [Toy!] tag: String }
        type Cat implements Pet { name: String! mate: Pet size: String toys(first: Int): [Toy!] tag: String! }
        type Toy { id: ID! name: String }";

    /// Empty, or the messages for an invalid document.
    fn judged(text: &str, limits: &DocumentLimits) -> String {
        let Ok(schema) = Schema::from_sdl(SDL) else { return "schema".to_owned() };
        let Ok(document) = parse(text, DocumentLimits::NONE) else { return "syntax".to_owned() };
        match validate(&schema, &document, limits) {
            Ok(()) => String::new(),
            Err(Invalid::Rules(violations)) => {
                let message = |v: &crate::validation::Violation| {
                    let at: Vec<String> = v.positions.iter().map(ToString::to_string).collect();
                    format!("{} {}", at.join(" "), v.message)
                };
                violations.iter().map(message).collect::<Vec<_>>().join("\n")
            }
            Err(limit) => limit.to_string(),
        }
    }

    #[test]
    fn fields_that_are_the_same_merge() {
        let cases = [
            "{ n n }",
            "{ n(a: 1, b: [1]) n(b: [1], a: 1) }",
            "{ n(c: {x: 1, y: \"A\"}) n(c: {y: \"\"\"A\"\"\", x: 1}) }",
            "{ dog { name } dog { size } ...F } fragment F on Query { dog { tag } }",
            "{ pet { ... on Dog { a: name } ... on Cat { a: tag } } }",
            "{ pet { ... on Dog { toys(first: 1) { id } } ... on Cat { toys(first: 2) { name } } } }",
            "{ pet { ...F } } fragment F on Pet { mate { ...G } } fragment G on Pet { name mate { name } }",
        ];
        for text in cases {
            assert_eq!(judged(text, &DocumentLimits::NONE), "", "{text}");
        }
    }

    #[test]
    fn fields_that_differ_are_refused() {
        let cases = [
            ("{ n(a: 1) n(a: 2) }", "1:3 1:11 `n` is selected with different arguments: give one an alias."),
            ("{ n(b: [1, 2]) n(b: [2, 1]) }", "1:3 1:16 `n` is selected with different arguments: give one an alias."),
            ("{ n n(a: null) }", "1:3 1:5 `n` is selected with different arguments: give one an alias."),
            (
                "{ dog { a: name a: tag } }",
                "1:9 1:17 The fields named `a` have the types `String!` and `String`: give one an alias.",
            ),
            (
                "{ pet { a: name ... on Cat { a: tag } } }",
                "1:9 1:30 `a` refers to both `name` and `tag`: give one of them another alias.",
            ),
            (
                "{ pet { ... on Dog { size } ... on Cat { size } } }",
                "1:22 1:42 The fields named `size` have the types `Int` and `String`: give one an alias.",
            ),
            (
                "{ dog { toys(first: 1) { id } } ...F } fragment F on Query { dog { toys { id } } }",
                "1:9 1:68 `toys` is selected with different arguments: give one an alias.",
            ),
            (
                "{ pet { ... on Dog { t: toys { a: id } } ... on Cat { t: toys { a: name } } } }",
                "1:32 1:65 The fields named `a` have the types `ID!` and `String`: give one an alias.",
            ),
        ];
        for (text, wanted) in cases {
            assert_eq!(judged(text, &DocumentLimits::NONE), wanted, "{text}");
        }
    }

    #[test]
    fn steps_are_limited() {
        // The field of the root, and the field inside.
        let text = "{ dog { name } }";
        assert_eq!(judged(text, &DocumentLimits { validation_steps: 2, ..DocumentLimits::NONE }), "");
        let refused = judged(text, &DocumentLimits { validation_steps: 1, ..DocumentLimits::NONE });
        assert_eq!(refused, "The document needs more than 1 steps to validate.");
    }
}
