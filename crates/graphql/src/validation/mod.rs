//! The rules of the specification's section 5, one file per group of rules.
//!
//! One walk over the document checks everything local (`selections`, `arguments`, `values`, `definitions`) and
//! records which fragments and variables each definition uses; `usage` follows them from the operations. `merging`
//! compares fields with the same name in the response. Everything is linear in the document except `usage` and
//! `merging`, which share one budget of steps, [`DocumentLimits::validation_steps`].

mod arguments;
mod definitions;
mod merging;
mod rule;
mod selections;
mod suggestion;
mod usage;
mod values;

use std::collections::{HashMap, HashSet};
use std::fmt;

pub use rule::{Invalid, ValidationRule, Violation};

use crate::document::{Document, Fragment, Name, OperationKind, Variable};
use crate::error::{DocumentLimits, Limit, LimitExceeded, positions};
use crate::schema::{Location, Schema, TypeId, TypeRef};

/// Maximum number of violations that one validation reports.
const VIOLATIONS_MAX: usize = 100;

/// Checks a document by every rule.
///
/// # Errors
/// The violations, at most 100; or the limit, if validation takes too many steps.
pub fn validate(schema: &Schema, document: &Document<'_>, limits: &DocumentLimits) -> Result<(), Invalid> {
    let resolve = |variable: &Variable<'_>| schema.resolve(&variable.of);
    let types: Vec<Vec<Option<TypeRef>>> =
        document.operations.iter().map(|operation| operation.variables.iter().map(resolve).collect()).collect();
    let mut validator = Validator::new(schema, document, &types, limits);
    let scopes = validator.definitions();
    validator.usage(&scopes);
    validator.merging();
    validator.finish(limits)
}

/// A variable in a value, and its position.
struct VariableUse<'d> {
    name: &'d str,
    at: u32,
    /// The type of the position, if it is known.
    of: Option<&'d TypeRef>,
    has_default: bool,
    /// The input object with exactly one field, if the position is a field of one.
    one_of: Option<TypeId>,
}

/// The fragments and variables of a definition.
#[derive(Default)]
struct Scope<'d> {
    variables: Vec<VariableUse<'d>>,
    /// The names of fragments, with the offsets of their spreads.
    spreads: Vec<Name<'d>>,
}

/// A violation, before offsets become positions.
struct RawViolation {
    rule: ValidationRule,
    message: String,
    at: Vec<u32>,
    input: Option<String>,
}

/// A step to an input.
#[derive(Clone, Copy)]
enum PathSegment<'d> {
    Name(&'d str),
    Item(usize),
}

struct Validator<'d> {
    schema: &'d Schema,
    document: &'d Document<'d>,
    /// The types of the variables of each operation, if the schema knows them.
    types: &'d [Vec<Option<TypeRef>>],
    fragments: HashMap<&'d str, usize>,
    /// The fragments and variables of the current definition.
    scope: Scope<'d>,
    /// The path to the current argument or input field.
    inputs: Vec<PathSegment<'d>>,
    broken: Vec<RawViolation>,
    steps_left: usize,
    is_out_of_steps: bool,
}

impl<'d> Validator<'d> {
    fn new(
        schema: &'d Schema,
        document: &'d Document<'d>,
        types: &'d [Vec<Option<TypeRef>>],
        limits: &DocumentLimits,
    ) -> Self {
        let fragments = document.fragments.iter().enumerate().map(|(i, fragment)| (fragment.name.text, i)).collect();
        Self {
            schema,
            document,
            types,
            fragments,
            scope: Scope::default(),
            inputs: Vec::new(),
            broken: Vec::new(),
            steps_left: limits.validation_steps,
            is_out_of_steps: false,
        }
    }

    fn fail(&mut self, rule: ValidationRule, at: &[u32], message: fmt::Arguments<'_>) {
        if self.broken.len() < VIOLATIONS_MAX {
            let input = if rule == ValidationRule::ValuesOfCorrectType { self.input_path() } else { None };
            self.broken.push(RawViolation { rule, message: message.to_string(), at: at.to_vec(), input });
        }
    }

    /// Takes steps from the budget; false if there are not enough.
    fn spend(&mut self, steps: usize) -> bool {
        match self.steps_left.checked_sub(steps) {
            Some(left) => self.steps_left = left,
            None => self.is_out_of_steps = true,
        }
        !self.is_out_of_steps
    }

    fn fragment(&self, name: &str) -> Option<&'d Fragment<'d>> {
        self.fragments.get(name).map(|i| &self.document.fragments[*i])
    }

    /// The root type of an operation.
    fn root(&self, kind: OperationKind) -> Option<TypeId> {
        self.schema.root(kind)
    }

    /// Names that occur earlier in the list, too.
    fn duplicates(names: impl Iterator<Item = Name<'d>>) -> Vec<Name<'d>> {
        let mut seen = NameSet::default();
        names.filter(|name| !seen.insert(name.text)).collect()
    }

    fn finish(self, limits: &DocumentLimits) -> Result<(), Invalid> {
        let text = self.document.text;
        if self.broken.is_empty() && !self.is_out_of_steps {
            return Ok(());
        }
        if self.broken.is_empty() {
            let (limit, maximum) = (Limit::ValidationSteps, limits.validation_steps);
            let position = crate::error::position(text, 0);
            return Err(Invalid::Limit(LimitExceeded { limit, maximum, position }));
        }
        let offsets: Vec<u32> = self.broken.iter().flat_map(|broken| broken.at.iter().copied()).collect();
        let mut found = positions(text, &offsets).into_iter();
        let violation = |broken: RawViolation| Violation {
            rule: broken.rule,
            positions: found.by_ref().take(broken.at.len()).collect(),
            message: broken.message,
            input: broken.input,
        };
        Err(Invalid::Rules(self.broken.into_iter().map(violation).collect()))
    }
}

/// A set of names. It allocates only if there are many.
#[derive(Default)]
struct NameSet<'n> {
    few: Vec<&'n str>,
    many: HashSet<&'n str>,
}

impl<'n> NameSet<'n> {
    /// Adds a name; false if it exists.
    fn insert(&mut self, name: &'n str) -> bool {
        const FEW: usize = 8;
        if self.contains(name) {
            return false;
        }
        if self.few.len() < FEW {
            self.few.push(name);
        } else {
            self.many.insert(name);
        }
        true
    }

    fn contains(&self, name: &str) -> bool {
        self.few.contains(&name) || self.many.contains(name)
    }
}

/// The location of an operation's directives.
const fn location(kind: OperationKind) -> Location {
    match kind {
        OperationKind::Query => Location::Query,
        OperationKind::Mutation => Location::Mutation,
        OperationKind::Subscription => Location::Subscription,
    }
}
