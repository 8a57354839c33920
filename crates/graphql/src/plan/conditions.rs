//! The variables of `@skip` and `@include`, and their values.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value as Json;

use crate::document::{Directive, Document, Fragment, Selection, ValueKind};
use crate::input::Inputs;

/// The variables in an operation's `@skip` and `@include`, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions(Vec<String>);

/// The values of an operation's [`Conditions`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Truths(Box<[bool]>);

impl Truths {
    /// The bytes of the values.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.len() as u64
    }
}

impl Conditions {
    /// Estimates the bytes of the names.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.iter().map(|name| (size_of::<String>() + name.len()) as u64).sum()
    }

    /// The conditions of each operation of a document, including those in its fragments.
    pub(crate) fn of_operations(document: &Document<'_>) -> Vec<Self> {
        let fragments = document.fragments.iter().map(|fragment| (fragment.name.text, fragment)).collect();
        let operations = document.operations.iter();
        operations.map(|operation| Self::of(&fragments, &operation.selections)).collect()
    }

    fn of<'d>(fragments: &Fragments<'d>, selections: &'d [Selection<'d>]) -> Self {
        let mut walk = Walk { visited: HashSet::new(), next: Vec::new(), names: BTreeSet::new() };
        walk.selections(selections);
        // A loop, not recursion: a chain of fragments may be long.
        while let Some(name) = walk.next.pop() {
            if let Some(fragment) = fragments.get(name) {
                walk.selections(&fragment.selections);
            }
        }
        Self(walk.names.into_iter().map(str::to_owned).collect())
    }

    /// The values of the conditions. Variables are coerced.
    ///
    /// # Errors
    /// The name of a variable that is null.
    pub(crate) fn truths(&self, variables: &Inputs) -> Result<Truths, &str> {
        let mut truths = Vec::with_capacity(self.0.len());
        for name in &self.0 {
            match variables.get(name) {
                Some(Json::Bool(truth)) => truths.push(*truth),
                // Only a variable with a default may be null where a Boolean is required.
                _ => return Err(name),
            }
        }
        Ok(Truths(truths.into()))
    }

    /// Whether a selection with these directives is included.
    pub(crate) fn include(&self, truths: &Truths, directives: &[Directive<'_>]) -> bool {
        directives.iter().all(|directive| match (directive.name.text, condition(directive)) {
            ("skip", Some(value)) => !self.holds(truths, value),
            ("include", Some(value)) => self.holds(truths, value),
            _ => true,
        })
    }

    fn holds(&self, truths: &Truths, value: &ValueKind<'_>) -> bool {
        match value {
            ValueKind::Boolean(truth) => *truth,
            ValueKind::Variable(name) => {
                self.0.binary_search_by(|other| other.as_str().cmp(name)).is_ok_and(|position| truths.0[position])
            }
            _ => false,
        }
    }
}

fn condition<'d, 'a>(directive: &'d Directive<'a>) -> Option<&'d ValueKind<'a>> {
    directive.arguments.iter().find(|argument| argument.name.text == "if").map(|argument| &argument.value.kind)
}

type Fragments<'d> = HashMap<&'d str, &'d Fragment<'d>>;

struct Walk<'d> {
    visited: HashSet<&'d str>,
    /// Fragments to visit.
    next: Vec<&'d str>,
    names: BTreeSet<&'d str>,
}

impl<'d> Walk<'d> {
    fn selections(&mut self, selections: &'d [Selection<'d>]) {
        for selection in selections {
            match selection {
                Selection::Field(field) => {
                    self.directives(&field.directives);
                    self.selections(&field.selections);
                }
                Selection::Inline(inline) => {
                    self.directives(&inline.directives);
                    self.selections(&inline.selections);
                }
                Selection::Spread(spread) => {
                    self.directives(&spread.directives);
                    if self.visited.insert(spread.name.text) {
                        self.next.push(spread.name.text);
                    }
                }
            }
        }
    }

    fn directives(&mut self, directives: &'d [Directive<'d>]) {
        for directive in directives.iter().filter(|directive| matches!(directive.name.text, "skip" | "include")) {
            if let Some(ValueKind::Variable(name)) = condition(directive) {
                self.names.insert(name);
            }
        }
    }
}
