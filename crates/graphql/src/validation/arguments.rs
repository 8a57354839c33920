//! Rules about directives and arguments.

use super::{NameSet, ValidationRule, Validator};
use crate::document::{Argument, Directive, Name};
use crate::schema::{InputValue, Location, NameIndex};

impl<'d> Validator<'d> {
    pub(super) fn directives(&mut self, directives: &'d [Directive<'d>], location: Location) {
        let schema = self.schema;
        let mut seen = NameSet::default();
        for directive in directives {
            let name = directive.name.text;
            let known = schema.directive(name);
            match known {
                None => {
                    let meant = self.suggest(name, schema.directive_names());
                    let message = format_args!("The directive `@{name}` is unknown.{}", meant.replace(" `", " `@"));
                    self.fail(ValidationRule::KnownDirectives, &[directive.at], message);
                }
                Some(known) if !known.locations.contains(&location) => {
                    let message = format_args!("The directive `@{name}` is not allowed here.");
                    self.fail(ValidationRule::KnownDirectives, &[directive.at], message);
                }
                Some(_) => {}
            }
            if known.is_some_and(|known| !known.is_repeatable) && !seen.insert(name) {
                let message = format_args!("The directive `@{name}` occurs twice at the same location.");
                self.fail(ValidationRule::UniqueDirectivesPerLocation, &[directive.at], message);
            }
            let owner = Name { text: name, at: directive.at };
            self.arguments(&directive.arguments, known.map(|known| &known.arguments), owner);
        }
    }

    /// Checks the arguments of `owner`, a field or a directive. `known` are those of the schema, if it has the owner.
    pub(super) fn arguments(
        &mut self,
        given: &'d [Argument<'d>],
        known: Option<&'d NameIndex<InputValue>>,
        owner: Name<'d>,
    ) {
        let mut seen = NameSet::default();
        for argument in given {
            let name = argument.name;
            if !seen.insert(name.text) {
                let message = format_args!("The argument `{}` is given twice.", name.text);
                self.fail(ValidationRule::UniqueArgumentNames, &[name.at], message);
            }
            let input = known.and_then(|known| known.get(name.text));
            if known.is_some() && input.is_none() {
                let meant = self.suggest(name.text, known.into_iter().flatten().map(|input| &*input.name));
                let message = format_args!("`{}` has no argument `{}`.{meant}", owner.text, name.text);
                self.fail(ValidationRule::KnownArgumentNames, &[name.at], message);
            }
            self.input(name.text, &argument.value, input, None);
        }
        let missing = known.into_iter().flatten().filter(|input| input.is_required() && !seen.contains(&input.name));
        for input in missing {
            let message = format_args!("`{}` requires the argument `{}`.", owner.text, input.name);
            self.fail(ValidationRule::ProvidedRequiredArguments, &[owner.at], message);
        }
    }
}
