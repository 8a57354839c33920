//! Rules about fields, spreads and inline fragments.

use super::{ValidationRule, Validator};
use crate::document::{Field, FragmentSpread, InlineFragment, Name, Selection};
use crate::schema::{Location, TypeId};

impl<'d> Validator<'d> {
    /// Walks a selection set. `parent` is its type, if it is known.
    pub(super) fn selections(&mut self, selections: &'d [Selection<'d>], parent: Option<TypeId>) {
        for selection in selections {
            match selection {
                Selection::Field(field) => self.field(field, parent),
                Selection::Spread(spread) => self.spread(spread, parent),
                Selection::Inline(inline) => self.inline(inline, parent),
            }
        }
    }

    fn field(&mut self, field: &'d Field<'d>, parent: Option<TypeId>) {
        let schema = self.schema;
        let name = field.name;
        let known = parent.and_then(|parent| schema.field(parent, name.text));
        if let (Some(parent), None) = (parent, known) {
            let meant = self.suggest(name.text, schema.field_names(parent));
            let of = &schema.get(parent).name;
            let message = format_args!("The type `{of}` has no field `{}`.{meant}", name.text);
            self.fail(ValidationRule::FieldsOnCorrectType, &[field.response_name().at], message);
        }
        self.directives(&field.directives, Location::Field);
        let owner = Name { at: field.response_name().at, ..name };
        self.arguments(&field.arguments, known.map(|known| &known.arguments), owner);
        let Some(known) = known else { return self.selections(&field.selections, None) };
        let id = *known.of.name();
        let is_composite = schema.is_composite(id);
        if is_composite && field.selections.is_empty() {
            let message =
                format_args!("The field `{}` requires a selection, such as `{} {{ … }}`.", name.text, name.text);
            self.fail(ValidationRule::ScalarLeafs, &[field.response_name().at], message);
        }
        if !is_composite && !field.selections.is_empty() {
            let of = schema.display(&known.of);
            let message = format_args!("The field `{}` of type `{of}` cannot have a selection.", name.text);
            self.fail(ValidationRule::ScalarLeafs, &[field.response_name().at], message);
        }
        self.selections(&field.selections, is_composite.then_some(id));
    }

    fn spread(&mut self, spread: &'d FragmentSpread<'d>, parent: Option<TypeId>) {
        self.directives(&spread.directives, Location::FragmentSpread);
        self.scope.spreads.push(Name { at: spread.at, ..spread.name });
        let name = spread.name.text;
        let Some(fragment) = self.fragment(name) else {
            let message = format_args!("The fragment `{name}` is unknown.");
            return self.fail(ValidationRule::KnownFragmentNames, &[spread.name.at], message);
        };
        let on = self.schema.find(fragment.on.text).filter(|on| self.schema.is_composite(*on));
        self.possible(parent, on, spread.at);
    }

    fn inline(&mut self, inline: &'d InlineFragment<'d>, parent: Option<TypeId>) {
        self.directives(&inline.directives, Location::InlineFragment);
        let inner = match inline.on {
            Some(on) => {
                let on = self.condition(on);
                self.possible(parent, on, inline.at);
                on
            }
            None => parent,
        };
        self.selections(&inline.selections, inner);
    }

    /// A fragment must be possible for some object of its parent.
    fn possible(&mut self, parent: Option<TypeId>, on: Option<TypeId>, at: u32) {
        let (Some(parent), Some(on)) = (parent, on) else { return };
        let schema = self.schema;
        if parent != on && !schema.overlap(parent, on) {
            let (parent, on) = (&schema.get(parent).name, &schema.get(on).name);
            let message = format_args!("An object of type `{parent}` can never be of type `{on}`.");
            self.fail(ValidationRule::PossibleFragmentSpreads, &[at], message);
        }
    }
}
