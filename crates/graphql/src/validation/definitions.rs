//! Rules about operations, fragments and variable definitions.

use super::{NameSet, Scope, ValidationRule, Validator, location};
use crate::document::{Directive, Fragment, Name, Operation, OperationKind, Selection, Variable};
use crate::schema::{Location, TypeId, TypeRef};

impl<'d> Validator<'d> {
    /// Walks all definitions. Returns what they use: the operations first, then the fragments.
    pub(super) fn definitions(&mut self) -> Vec<Scope<'d>> {
        let document = self.document;
        let named = document.operations.iter().filter_map(|operation| operation.name);
        for name in Self::duplicates(named) {
            let message = format_args!("There are several operations named `{}`.", name.text);
            self.fail(ValidationRule::UniqueOperationNames, &[name.at], message);
        }
        for name in Self::duplicates(document.fragments.iter().map(|fragment| fragment.name)) {
            let message = format_args!("There are several fragments named `{}`.", name.text);
            self.fail(ValidationRule::UniqueFragmentNames, &[name.at], message);
        }
        let mut scopes = Vec::with_capacity(document.operations.len() + document.fragments.len());
        for (operation, types) in document.operations.iter().zip(self.types) {
            self.operation(operation, types);
            scopes.push(std::mem::take(&mut self.scope));
        }
        for fragment in &document.fragments {
            self.fragment_definition(fragment);
            scopes.push(std::mem::take(&mut self.scope));
        }
        scopes
    }

    fn operation(&mut self, operation: &'d Operation<'d>, types: &'d [Option<TypeRef>]) {
        if operation.name.is_none() && self.document.operations.len() > 1 {
            let message = format_args!("An operation without a name must be the only operation.");
            self.fail(ValidationRule::LoneAnonymousOperation, &[operation.at], message);
        }
        let root = self.root(operation.kind);
        if root.is_none() {
            let message = format_args!("The schema has no {}.", kind_name(operation.kind));
            self.fail(ValidationRule::KnownOperationTypes, &[operation.at], message);
        }
        self.directives(&operation.directives, location(operation.kind));
        self.variables(&operation.variables, types);
        self.selections(&operation.selections, root);
        if operation.kind == OperationKind::Subscription {
            self.single_field(operation);
        }
    }

    fn fragment_definition(&mut self, fragment: &'d Fragment<'d>) {
        self.directives(&fragment.directives, Location::FragmentDefinition);
        let on = self.condition(fragment.on);
        self.selections(&fragment.selections, on);
    }

    fn variables(&mut self, variables: &'d [Variable<'d>], types: &'d [Option<TypeRef>]) {
        for name in Self::duplicates(variables.iter().map(|variable| variable.name)) {
            let message = format_args!("There are several variables named `${}`.", name.text);
            self.fail(ValidationRule::UniqueVariableNames, &[name.at], message);
        }
        let schema = self.schema;
        for (variable, of) in variables.iter().zip(types) {
            let named = variable.of.named();
            match schema.find(named.text) {
                None => self.unknown_type(named.text, named.at),
                Some(id) if !schema.get(id).kind.is_input() => {
                    let (name, of) = (variable.name.text, named.text);
                    let message =
                        format_args!("The variable `${name}` cannot have the type `{of}`: it is not an input type.");
                    self.fail(ValidationRule::VariablesAreInputTypes, &[named.at], message);
                }
                Some(_) => {}
            }
            self.directives(&variable.directives, Location::VariableDefinition);
            if let Some(default) = &variable.default {
                self.default_value(default, of.as_ref());
            }
        }
    }

    pub(super) fn unknown_type(&mut self, name: &str, at: u32) {
        let meant = self.suggest(name, self.schema.types().map(|of| &*of.name).filter(|name| !name.starts_with("__")));
        self.fail(ValidationRule::KnownTypeNames, &[at], format_args!("The type `{name}` is unknown.{meant}"));
    }

    /// A subscription selects exactly one field of its root, without conditions.
    fn single_field(&mut self, operation: &'d Operation<'d>) {
        let mut open = vec![operation.selections.as_slice()];
        let (mut names, mut spread) = (Vec::new(), NameSet::default());
        let broken = self.broken.len();
        while let Some(selections) = open.pop() {
            for selection in selections {
                match selection {
                    Selection::Field(field) => {
                        self.no_condition(&field.directives);
                        let name = field.response_name();
                        if field.name.text.starts_with("__") {
                            let message = format_args!("A subscription must not select `{}`.", field.name.text);
                            self.fail(ValidationRule::SingleFieldSubscriptions, &[name.at], message);
                        }
                        names.push(name);
                    }
                    Selection::Spread(found) => {
                        self.no_condition(&found.directives);
                        if let Some(fragment) = self.fragment(found.name.text)
                            && spread.insert(found.name.text)
                        {
                            open.push(&fragment.selections);
                        }
                    }
                    Selection::Inline(inline) => {
                        self.no_condition(&inline.directives);
                        open.push(&inline.selections);
                    }
                }
            }
        }
        let wrong = match names.first() {
            None => Some(operation.at),
            Some(first) => names.iter().find(|name| name.text != first.text).map(|name| name.at),
        };
        if let Some(at) = wrong.filter(|_| self.broken.len() == broken) {
            let message = format_args!("A subscription must select exactly one field.");
            self.fail(ValidationRule::SingleFieldSubscriptions, &[at], message);
        }
    }

    fn no_condition(&mut self, directives: &'d [Directive<'d>]) {
        for directive in directives.iter().filter(|directive| matches!(directive.name.text, "skip" | "include")) {
            let name = directive.name.text;
            let message = format_args!("`@{name}` is not allowed on the root field of a subscription.");
            self.fail(ValidationRule::SingleFieldSubscriptions, &[directive.at], message);
        }
    }

    /// The type of a fragment's condition, if it is valid.
    pub(super) fn condition(&mut self, on: Name<'d>) -> Option<TypeId> {
        let Some(id) = self.schema.find(on.text) else {
            self.unknown_type(on.text, on.at);
            return None;
        };
        if self.schema.is_composite(id) {
            return Some(id);
        }
        let message = format_args!("A fragment cannot be on `{}`: it has no fields.", on.text);
        self.fail(ValidationRule::FragmentsOnCompositeTypes, &[on.at], message);
        None
    }
}

const fn kind_name(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Query => "queries",
        OperationKind::Mutation => "mutations",
        OperationKind::Subscription => "subscriptions",
    }
}
