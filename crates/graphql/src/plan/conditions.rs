//! `@skip` and `@include`: which variables they ask, and what these say.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value as Json;

use crate::document::{Directive, Document, Fragment, Selection, ValueKind};
use crate::input::Inputs;

/// The variables that decide what an operation selects, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions(Vec<String>);

/// Whether each of an operation's [`Conditions`] holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Truths(Vec<bool>);

impl Conditions {
    /// The conditions among these selections, with those of fragments.
    pub(crate) fn of(document: &Document<'_>, selections: &[Selection<'_>]) -> Self {
        let fragments = document.fragments.iter().map(|fragment| (fragment.name.text, fragment)).collect();
        let mut walk = Walk { fragments, names: BTreeSet::new() };
        walk.selections(selections);
        Self(walk.names.into_iter().map(str::to_owned).collect())
    }

    /// What variables say, coerced.
    ///
    /// # Errors
    /// The name of a variable that is null.
    pub(crate) fn truths(&self, variables: &Inputs) -> Result<Truths, &str> {
        let mut truths = Vec::with_capacity(self.0.len());
        for name in &self.0 {
            match variables.get(name) {
                Some(Json::Bool(truth)) => truths.push(*truth),
                // Only one with a default may be null where a Boolean must stand.
                _ => return Err(name),
            }
        }
        Ok(Truths(truths))
    }

    /// Whether a selection with these directives is there.
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
                self.0.iter().position(|other| other == name).is_some_and(|place| truths.0[place])
            }
            _ => false,
        }
    }
}

fn condition<'d, 'a>(directive: &'d Directive<'a>) -> Option<&'d ValueKind<'a>> {
    directive.arguments.iter().find(|argument| argument.name.text == "if").map(|argument| &argument.value.kind)
}

struct Walk<'d> {
    /// Those that were not looked at.
    fragments: HashMap<&'d str, &'d Fragment<'d>>,
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
                    if let Some(fragment) = self.fragments.remove(spread.name.text) {
                        self.selections(&fragment.selections);
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
