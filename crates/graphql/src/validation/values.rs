//! Rules about literals: each must fit the type of its position.

use super::{NameSet, PathSegment, ValidationRule, Validator, VariableUse};
use crate::document::{Argument, Value, ValueKind};
use crate::input::check_literal;
use crate::schema::{InputValue, NameIndex, Scalar, Schema, TypeId, TypeKind, TypeRef};

/// The position of a value.
#[derive(Clone, Copy)]
struct InputPosition<'d> {
    of: Option<&'d TypeRef>,
    has_default: bool,
    one_of: Option<TypeId>,
}

impl<'d> InputPosition<'d> {
    const UNKNOWN: Self = Self { of: None, has_default: false, one_of: None };

    const fn item(of: Option<&'d TypeRef>) -> Self {
        Self { of, ..Self::UNKNOWN }
    }
}

impl<'d> Validator<'d> {
    /// Checks the value of an argument or an input field.
    pub(super) fn input(
        &mut self,
        name: &'d str,
        value: &'d Value<'d>,
        input: Option<&'d InputValue>,
        one_of: Option<TypeId>,
    ) {
        let has_default = input.is_some_and(|input| input.default.is_some());
        self.inputs.push(PathSegment::Name(name));
        self.value(value, InputPosition { of: input.map(|input| &input.of), has_default, one_of });
        self.inputs.pop();
    }

    /// Checks the default of a variable, which contains no variables.
    pub(super) fn default_value(&mut self, value: &'d Value<'d>, of: Option<&'d TypeRef>) {
        self.value(value, InputPosition::item(of));
    }

    fn value(&mut self, value: &'d Value<'d>, position: InputPosition<'d>) {
        let schema = self.schema;
        let plain = position.of.map(TypeRef::nullable);
        match (&value.kind, plain) {
            (ValueKind::Variable(name), _) => {
                let InputPosition { of, has_default, one_of } = position;
                self.scope.variables.push(VariableUse { name, at: value.at, of, has_default, one_of });
            }
            (ValueKind::Null, _) => {
                if let Some(of) = position.of.filter(|of| of.is_non_null()) {
                    self.wrong(
                        value.at,
                        format_args!("Expected a value of type `{}`, found null.", schema.display(of)),
                    );
                }
            }
            (ValueKind::List(values), Some(TypeRef::List(of))) => {
                for (i, value) in values.iter().enumerate() {
                    self.inputs.push(PathSegment::Item(i));
                    self.value(value, InputPosition::item(Some(of)));
                    self.inputs.pop();
                }
            }
            (_, Some(TypeRef::List(of))) => self.value(value, InputPosition::item(Some(of))),
            (_, Some(TypeRef::Named(id))) => self.named(value, *id),
            _ => self.untyped(value),
        }
    }

    fn wrong(&mut self, at: u32, message: std::fmt::Arguments<'_>) {
        self.fail(ValidationRule::ValuesOfCorrectType, &[at], message);
    }

    /// The path of the current value; `None` outside of arguments.
    pub(super) fn input_path(&self) -> Option<String> {
        let steps = self.inputs.iter().map(|step| match step {
            PathSegment::Name(name) => (*name).to_owned(),
            PathSegment::Item(i) => i.to_string(),
        });
        let path = steps.collect::<Vec<_>>().join(".");
        matches!(self.inputs.first(), Some(PathSegment::Name(_))).then_some(path)
    }

    fn expected(&mut self, at: u32, id: TypeId, found: &str) {
        let name = &self.schema.get(id).name;
        self.wrong(at, format_args!("Expected a value of type `{name}`, found {found}."));
    }

    /// Walks a value of unknown type: records variables, and finds fields that are given twice.
    fn untyped(&mut self, value: &'d Value<'d>) {
        match &value.kind {
            ValueKind::List(values) => values.iter().for_each(|value| self.value(value, InputPosition::UNKNOWN)),
            ValueKind::Object(fields) => {
                self.object_fields(fields, None, None);
            }
            _ => {}
        }
    }

    fn named(&mut self, value: &'d Value<'d>, id: TypeId) {
        let schema = self.schema;
        match &schema.get(id).kind {
            TypeKind::Input { fields: known, is_one_of } => match &value.kind {
                ValueKind::Object(fields) => self.object(value.at, fields, known, id, *is_one_of),
                _ => {
                    self.expected(value.at, id, describe(value));
                    self.untyped(value);
                }
            },
            TypeKind::Enum(values) => {
                match value.kind {
                    ValueKind::Enum(name) if values.iter().any(|value| value == name) => {}
                    ValueKind::Enum(name) => {
                        let of = &schema.get(id).name;
                        let meant = self.suggest(name, values.iter().map(String::as_str));
                        self.wrong(value.at, format_args!("The enum `{of}` has no value `{name}`.{meant}"));
                    }
                    _ => self.expected(value.at, id, describe(value)),
                }
                self.untyped(value);
            }
            TypeKind::Scalar(Scalar::Custom(check)) => {
                self.untyped(value);
                if let Err(message) = check_literal(check, value) {
                    let name = &schema.get(id).name;
                    self.wrong(value.at, format_args!("A value of type `{name}` {message}."));
                }
            }
            TypeKind::Scalar(scalar) => {
                match (scalar, &value.kind) {
                    _ if fits(scalar, value) => {}
                    (Scalar::Int, ValueKind::Int(_)) => {
                        self.expected(value.at, id, "a whole number of more than 32 bits")
                    }
                    _ => self.expected(value.at, id, describe(value)),
                }
                self.untyped(value);
            }
            TypeKind::Object { .. } | TypeKind::Interface { .. } | TypeKind::Union(_) => self.untyped(value),
        }
    }

    fn object(
        &mut self,
        at: u32,
        fields: &'d [Argument<'d>],
        known: &'d NameIndex<InputValue>,
        id: TypeId,
        is_one_of: bool,
    ) {
        let schema: &'d Schema = self.schema;
        let seen = self.object_fields(fields, Some((known, id)), is_one_of.then_some(id));
        let name = &schema.get(id).name;
        for input in known.iter().filter(|input| input.is_required() && !seen.contains(&input.name)) {
            self.wrong(at, format_args!("`{name}` requires the field `{}`.", input.name));
        }
        let is_one = matches!(fields, [field] if !matches!(field.value.kind, ValueKind::Null));
        if is_one_of && !is_one {
            self.wrong(at, format_args!("`{name}` must have exactly one field, not null."));
        }
    }

    /// Checks the fields of an object, and returns their names.
    fn object_fields(
        &mut self,
        fields: &'d [Argument<'d>],
        known: Option<(&'d NameIndex<InputValue>, TypeId)>,
        one_of: Option<TypeId>,
    ) -> NameSet<'d> {
        let schema = self.schema;
        let mut seen = NameSet::default();
        for field in fields {
            let name = field.name;
            if !seen.insert(name.text) {
                let message = format_args!("The field `{}` is given twice.", name.text);
                self.fail(ValidationRule::UniqueInputFieldNames, &[name.at], message);
            }
            let input = known.and_then(|(known, _)| known.get(name.text));
            if let (Some((known, id)), None) = (known, input) {
                let meant = self.suggest(name.text, known.iter().map(|input| &*input.name));
                let of = &schema.get(id).name;
                self.wrong(name.at, format_args!("`{of}` has no field `{}`.{meant}", name.text));
            }
            self.input(name.text, &field.value, input, one_of);
        }
        seen
    }
}

fn fits(scalar: &Scalar, value: &Value<'_>) -> bool {
    match (scalar, &value.kind) {
        (Scalar::Int, ValueKind::Int(text)) => text.parse::<i32>().is_ok(),
        (Scalar::Float, ValueKind::Int(text) | ValueKind::Float(text)) => text.parse().is_ok_and(f64::is_finite),
        (Scalar::String | Scalar::Id, ValueKind::String(_))
        | (Scalar::Boolean, ValueKind::Boolean(_))
        | (Scalar::Id, ValueKind::Int(_))
        | (Scalar::Custom(_), _) => true,
        _ => false,
    }
}

const fn describe(value: &Value<'_>) -> &'static str {
    match &value.kind {
        ValueKind::Variable(_) => "a variable",
        ValueKind::Int(_) => "a whole number",
        ValueKind::Float(_) => "a number",
        ValueKind::String(_) => "a string",
        ValueKind::Boolean(_) => "a Boolean",
        ValueKind::Null => "null",
        ValueKind::Enum(_) => "a name",
        ValueKind::List(_) => "a list",
        ValueKind::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use crate::document::parse;
    use crate::error::DocumentLimits;
    use crate::schema::Schema;
    use crate::validation::{Invalid, validate};

    #[test]
    fn a_value_that_does_not_fit_is_named() {
        const SDL: &str = "type Query { n(a: Int, e: E, c: [In!]): Int } input In { x: [Int], in: In } enum E { A }";
        for (arguments, input, message) in [
            ("a: 1.5", "a", "Expected a value of type `Int`, found a number."),
            ("a: 2147483648", "a", "Expected a value of type `Int`, found a whole number of more than 32 bits."),
            ("e: B", "e", "The enum `E` has no value `B`."),
            ("e: 1", "e", "Expected a value of type `E`, found a whole number."),
            ("c: null, a: true", "a", "Expected a value of type `Int`, found a Boolean."),
            ("c: [{}, null]", "c.1", "Expected a value of type `In!`, found null."),
            ("c: [{in: {x: [1, 2, []]}}]", "c.0.in.x.2", "Expected a value of type `Int`, found a list."),
            ("c: {y: 1}", "c", "`In` has no field `y`."),
        ] {
            let (Ok(schema), text) = (Schema::from_sdl(SDL), format!("{{ n({arguments}) }}")) else { panic!("{SDL}") };
            let Ok(document) = parse(&text, DocumentLimits::NONE) else { panic!("{text}") };
            let Err(Invalid::Rules(broken)) = validate(&schema, &document, &DocumentLimits::NONE) else {
                panic!("{text}")
            };
            let [broken] = &broken[..] else { panic!("{broken:?}") };
            assert_eq!((broken.input.as_deref(), &*broken.message), (Some(input), message), "{text}");
        }
    }
}
