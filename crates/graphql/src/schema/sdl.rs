//! The schema definition language, parsed with the document parser. Type extensions are not supported.

use super::{
    DirectiveDefinition, FieldDefinition, InputValue, Location, NameIndex, Scalar, SchemaBuilder, SchemaError, Type,
    TypeKind, TypeRef,
};
use crate::document::{BaseType, Directive as Applied, Parsed, Parser, Token, TypeExpression};
use crate::error::DocumentLimits;
use crate::input::constant;

/// Adds the definitions of a text to a builder.
pub(super) fn read(text: &str, builder: &mut SchemaBuilder) -> Result<(), SchemaError> {
    let mut parser = Parser::new(text, DocumentLimits::NONE)?;
    while parser.token() != Token::End {
        parser.type_definition(builder)?;
    }
    Ok(())
}

fn type_ref(of: &TypeExpression<'_>) -> TypeRef<String> {
    let base = match &of.base {
        BaseType::Named(name) => TypeRef::named(name.text),
        BaseType::List(of) => type_ref(of).list(),
    };
    if of.non_null { base.non_null() } else { base }
}

fn location(name: &str) -> Location {
    match name {
        "QUERY" => Location::Query,
        "MUTATION" => Location::Mutation,
        "SUBSCRIPTION" => Location::Subscription,
        "FIELD" => Location::Field,
        "FRAGMENT_DEFINITION" => Location::FragmentDefinition,
        "FRAGMENT_SPREAD" => Location::FragmentSpread,
        "INLINE_FRAGMENT" => Location::InlineFragment,
        "VARIABLE_DEFINITION" => Location::VariableDefinition,
        _ => Location::TypeSystem,
    }
}

impl Parser<'_> {
    fn type_definition(&mut self, builder: &mut SchemaBuilder) -> Parsed<()> {
        self.description()?;
        let Some(keyword) = self.word() else { return self.unexpected("a definition") };
        if !matches!(keyword, "schema" | "directive" | "scalar" | "type" | "interface" | "union" | "enum" | "input") {
            return self.unexpected("a definition");
        }
        self.name()?;
        match keyword {
            "schema" => return self.roots(builder),
            "directive" => {
                let directive = self.directive_definition()?;
                builder.directives.insert(directive);
                return Ok(());
            }
            _ => {}
        }
        let name = self.name()?.text.to_owned();
        let interfaces = if self.take_word("implements")? { self.names(b'&')? } else { Vec::new() };
        let directives = self.directives(true)?;
        let kind = match keyword {
            "scalar" => TypeKind::Scalar(Scalar::Custom(super::Check::default())),
            "enum" => TypeKind::Enum(self.optional(b'{', b'}', Self::enum_value)?),
            "input" => {
                let fields = self.table(b'{', b'}', Self::input_value)?;
                TypeKind::Input { fields, is_one_of: has(&directives, "oneOf") }
            }
            "interface" => TypeKind::Interface { fields: self.table(b'{', b'}', Self::field_definition)?, interfaces },
            "union" => TypeKind::Union(if self.take(b'=')? { self.names(b'|')? } else { Vec::new() }),
            _ => TypeKind::Object { fields: self.table(b'{', b'}', Self::field_definition)?, interfaces },
        };
        builder.types.insert(Type { name, kind });
        Ok(())
    }

    fn roots(&mut self, builder: &mut SchemaBuilder) -> Parsed<()> {
        self.directives(true)?;
        let roots = self.optional(b'{', b'}', |parser| {
            let operation = parser.name()?.text;
            parser.expect(b':')?;
            Ok((operation, parser.name()?.text.to_owned()))
        })?;
        for (operation, name) in roots {
            let position = ["query", "mutation", "subscription"].iter().position(|known| *known == operation);
            if let Some(position) = position {
                builder.roots[position] = Some(name);
            }
        }
        Ok(())
    }

    fn directive_definition(&mut self) -> Parsed<DirectiveDefinition<String>> {
        self.expect(b'@')?;
        let name = self.name()?.text.to_owned();
        let arguments = self.table(b'(', b')', Self::input_value)?;
        let is_repeatable = self.take_word("repeatable")?;
        if !self.take_word("on")? {
            return self.unexpected("`on`");
        }
        let locations = self.names(b'|')?.iter().map(|name| location(name)).collect();
        Ok(DirectiveDefinition { name, arguments, locations, is_repeatable })
    }

    /// Names with separators; one may precede the first.
    fn names(&mut self, separator: u8) -> Parsed<Vec<String>> {
        self.take(separator)?;
        let mut names = vec![self.name()?.text.to_owned()];
        while self.take(separator)? {
            names.push(self.name()?.text.to_owned());
        }
        Ok(names)
    }

    fn table<T: super::HasName>(
        &mut self,
        open: u8,
        close: u8,
        read: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<NameIndex<T>> {
        Ok(self.optional(open, close, read)?.into_iter().collect())
    }

    fn enum_value(&mut self) -> Parsed<String> {
        self.description()?;
        let name = self.name()?.text.to_owned();
        self.directives(true)?;
        Ok(name)
    }

    fn input_value(&mut self) -> Parsed<InputValue<String>> {
        self.description()?;
        let name = self.name()?.text.to_owned();
        self.expect(b':')?;
        let of = type_ref(&self.type_expression()?);
        let default = if self.take(b'=')? { Some(constant(&self.value(true)?)) } else { None };
        self.directives(true)?;
        Ok(InputValue { name, of, default })
    }

    fn field_definition(&mut self) -> Parsed<FieldDefinition<String>> {
        self.description()?;
        let name = self.name()?.text.to_owned();
        let arguments = self.table(b'(', b')', Self::input_value)?;
        self.expect(b':')?;
        let of = type_ref(&self.type_expression()?);
        self.directives(true)?;
        Ok(FieldDefinition { name, of, arguments })
    }
}

fn has(directives: &[Applied<'_>], name: &str) -> bool {
    directives.iter().any(|directive| directive.name.text == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::schema::{FieldDefinition, InputValue, Schema, SchemaBuilder, SchemaError, Type, TypeRef};

    #[test]
    fn a_built_schema_is_as_the_written_one() -> Result<(), SchemaError> {
        let text = "type Query { movies(first: Int! = 20): [Movie!]! } type Movie implements Node { id: ID! }
            interface Node { id: ID! } union Found = | Movie input By @oneOf { id: ID name: String }
            enum Order { NEWEST TITLE } scalar Date";
        let written = Schema::from_sdl(text)?;
        let id = || FieldDefinition::new("id", TypeRef::named("ID").non_null());
        let first = InputValue::new("first", TypeRef::named("Int").non_null()).default(json!(20));
        let movies = TypeRef::named("Movie").non_null().list().non_null();
        let inputs = ["id", "name"]
            .map(|name| InputValue::new(name, TypeRef::named(if name == "id" { "ID" } else { "String" })));
        let built = SchemaBuilder::new()
            .with_type(Type::object("Query", [FieldDefinition::new("movies", movies).argument(first)]))
            .with_type(Type::object("Movie", [id()]).implements(["Node"]))
            .with_type(Type::interface("Node", [id()]))
            .with_type(Type::union("Found", ["Movie"]))
            .with_type(Type::one_of("By", inputs))
            .with_type(Type::enumeration("Order", ["NEWEST", "TITLE"]))
            .with_type(Type::scalar("Date"))
            .build()?;
        assert_eq!(format!("{:?}", built.possible), format!("{:?}", written.possible));
        for (a, b) in built.types.iter().zip(&written.types) {
            assert_eq!(a.name, b.name);
            assert_eq!(std::mem::discriminant(&a.kind), std::mem::discriminant(&b.kind), "{}", a.name);
        }
        let field = |schema: &Schema| {
            let query = schema.find("Query")?;
            schema.field(query, "movies").map(|field| schema.display(&field.of))
        };
        assert_eq!(field(&built).as_deref(), Some("[Movie!]!"));
        assert_eq!(field(&written).as_deref(), Some("[Movie!]!"));
        Ok(())
    }

    #[test]
    fn wrong_schemas_are_refused() {
        let cases = [
            ("type Query { a: B }", "The type `B` is unknown."),
            ("type A { a: Int }", "The schema has no query root."),
            ("type Query { a(b: Int = \"c\"): Int }", "The default of `Query.a.b` is invalid: "),
            ("input A { a: A! = {} } type Query { a(b: A): Int }", "The default of `A.a` is invalid: "),
            ("extend type Query { a: Int }", "Expected a definition, found `extend`. (1:1)"),
        ];
        for (text, wanted) in cases {
            let error = Schema::from_sdl(text).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.starts_with(wanted), "{text}: {error}");
        }
    }
}
