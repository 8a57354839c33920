//! Rules about what operations use through fragments: variables, fragments, cycles.

use std::collections::{HashMap, HashSet};

use super::{Scope, ValidationRule, Validator, VariableUse};
use crate::document::{Operation, ValueKind};
use crate::schema::TypeRef;

impl<'d> Validator<'d> {
    /// Follows fragments from each operation. `scopes` are those of the operations, then those of the fragments.
    pub(super) fn usage(&mut self, scopes: &[Scope<'d>]) {
        let document = self.document;
        let (operations, fragments) = scopes.split_at(document.operations.len());
        self.cycles(fragments);
        let mut used = vec![false; fragments.len()];
        for (i, scope) in operations.iter().enumerate() {
            let reached = self.reached(scope, fragments);
            reached.iter().for_each(|fragment| used[*fragment] = true);
            self.variables_of(i, std::iter::once(scope).chain(reached.iter().map(|fragment| &fragments[*fragment])));
        }
        for fragment in &document.fragments {
            let name = fragment.name.text;
            if self.fragments.get(name).is_some_and(|i| !used[*i]) {
                self.fail(
                    ValidationRule::NoUnusedFragments,
                    &[fragment.at],
                    format_args!("The fragment `{name}` is not used."),
                );
            }
        }
    }

    /// The fragments that a definition spreads, directly or through others.
    fn reached(&mut self, scope: &Scope<'d>, fragments: &[Scope<'d>]) -> Vec<usize> {
        let mut reached = Vec::new();
        let mut seen = HashSet::new();
        let mut open = vec![scope];
        while let Some(scope) = open.pop() {
            if !self.spend(scope.spreads.len() + scope.variables.len()) {
                break;
            }
            for name in &scope.spreads {
                if let Some(&i) = self.fragments.get(name.text)
                    && seen.insert(i)
                {
                    reached.push(i);
                    open.push(&fragments[i]);
                }
            }
        }
        reached
    }

    fn variables_of<'s>(&mut self, i: usize, scopes: impl Iterator<Item = &'s Scope<'d>>)
    where
        'd: 's,
    {
        let operation = &self.document.operations[i];
        let defined: HashMap<&str, usize> =
            operation.variables.iter().enumerate().map(|(i, variable)| (variable.name.text, i)).collect();
        let mut used = HashSet::new();
        for found in scopes.flat_map(|scope| &scope.variables) {
            used.insert(found.name);
            match defined.get(found.name) {
                Some(variable) => self.allowed(operation, *variable, self.types[i][*variable].as_ref(), found),
                None => {
                    let message = format_args!("The variable `${}` is not defined.", found.name);
                    self.fail(ValidationRule::NoUndefinedVariables, &[found.at, operation.at], message);
                }
            }
        }
        for variable in operation.variables.iter().filter(|variable| !used.contains(variable.name.text)) {
            let message = format_args!("The variable `${}` is not used.", variable.name.text);
            self.fail(ValidationRule::NoUnusedVariables, &[variable.at], message);
        }
    }

    /// Checks that the variable's type fits its position.
    fn allowed(&mut self, operation: &'d Operation<'d>, i: usize, of: Option<&TypeRef>, found: &VariableUse<'d>) {
        let (schema, variable) = (self.schema, &operation.variables[i]);
        let name = found.name;
        let (Some(of), Some(expected)) = (of, found.of) else { return };
        let has_default = variable.default.as_ref().is_some_and(|default| !matches!(default.kind, ValueKind::Null));
        let is_defaulted = expected.is_non_null() && !of.is_non_null() && (has_default || found.has_default);
        if !fits(of, if is_defaulted { expected.nullable() } else { expected }) {
            let (of, expected) = (schema.display(of), schema.display(expected));
            let message =
                format_args!("The variable `${name}` of type `{of}` cannot be used where `{expected}` is expected.");
            self.fail(ValidationRule::VariablesInAllowedPosition, &[variable.at, found.at], message);
        }
        if let Some(one_of) = found.one_of.filter(|_| !of.is_non_null()) {
            let one_of = &schema.get(one_of).name;
            let message =
                format_args!("The variable `${name}` must not be null: `{one_of}` requires exactly one field.");
            self.fail(ValidationRule::VariablesInAllowedPosition, &[variable.at, found.at], message);
        }
    }

    /// A fragment must not spread itself, directly or through others. Each spread is followed once.
    fn cycles(&mut self, fragments: &[Scope<'d>]) {
        #[derive(Clone, Copy, PartialEq)]
        enum VisitState {
            New,
            Open,
            Done,
        }
        let mut states = vec![VisitState::New; fragments.len()];
        for start in 0..fragments.len() {
            if states[start] != VisitState::New {
                continue;
            }
            states[start] = VisitState::Open;
            let mut path = vec![(start, 0)];
            while let Some((i, next)) = path.last_mut() {
                let Some(name) = fragments[*i].spreads.get(*next) else {
                    states[*i] = VisitState::Done;
                    path.pop();
                    continue;
                };
                *next += 1;
                let Some(&to) = self.fragments.get(name.text) else { continue };
                match states[to] {
                    VisitState::New => {
                        states[to] = VisitState::Open;
                        path.push((to, 0));
                    }
                    VisitState::Open => {
                        let message = format_args!("The fragment `{}` spreads itself.", name.text);
                        self.fail(ValidationRule::NoFragmentCycles, &[name.at], message);
                    }
                    VisitState::Done => {}
                }
            }
        }
    }
}

/// Whether every value of one type is a value of the other.
fn fits(of: &TypeRef, expected: &TypeRef) -> bool {
    match (of, expected) {
        (TypeRef::NonNull(of), TypeRef::NonNull(expected)) | (TypeRef::List(of), TypeRef::List(expected)) => {
            fits(of, expected)
        }
        (_, TypeRef::NonNull(_)) => false,
        (TypeRef::NonNull(of), expected) => fits(of, expected),
        (TypeRef::Named(of), TypeRef::Named(expected)) => of == expected,
        _ => false,
    }
}
