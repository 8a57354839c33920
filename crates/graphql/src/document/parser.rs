//! Parses tokens into a syntax tree: one function for each production of the grammar.

use super::lexer::{Lexer, Token};
use super::{
    Argument, BaseType, Directive, Document, Field, Fragment, FragmentSpread, InlineFragment, Name, Operation,
    OperationKind, Selection, TypeExpression, Value, ValueKind, Variable, text,
};
use crate::error::{DocumentLimits, Limit, ParseError, offset_of};

pub(crate) type Parsed<T> = Result<T, ParseError>;

/// Parses an executable document.
///
/// Parsing is linear in the text. Empty selection sets are refused, as in the edition of September 2025. Type
/// definitions are refused, too.
///
/// # Errors
/// The text violates the grammar or a limit.
pub fn parse(text: &str, limits: DocumentLimits) -> Result<Document<'_>, ParseError> {
    let mut parser = Parser::new(text, limits)?;
    let mut document = Document { text, operations: Vec::new(), fragments: Vec::new() };
    loop {
        parser.definition(&mut document)?;
        if parser.token() == Token::End {
            return Ok(document);
        }
    }
}

/// Parses the productions one after another.
pub(crate) struct Parser<'a> {
    lexer: Lexer<'a>,
    limits: DocumentLimits,
    nesting: usize,
    aliases: usize,
    directives: usize,
}

/// Productions that documents and schemas share.
impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str, limits: DocumentLimits) -> Parsed<Self> {
        Ok(Self { lexer: Lexer::new(text, limits)?, limits, nesting: 0, aliases: 0, directives: 0 })
    }

    pub(crate) fn token(&self) -> Token {
        self.lexer.token()
    }

    /// The token, if it is a name.
    pub(crate) fn word(&self) -> Option<&'a str> {
        (self.token() == Token::Name).then(|| self.lexer.lexeme())
    }

    /// The offset of the token.
    fn at(&self) -> u32 {
        offset_of(self.lexer.from())
    }

    pub(crate) fn is(&self, punctuator: u8) -> bool {
        self.token() == Token::Punctuator(punctuator)
    }

    /// Skips the punctuator if it is the current token.
    pub(crate) fn take(&mut self, punctuator: u8) -> Parsed<bool> {
        let found = self.is(punctuator);
        if found {
            self.lexer.advance()?;
        }
        Ok(found)
    }

    pub(crate) fn expect(&mut self, punctuator: u8) -> Parsed<()> {
        if self.take(punctuator)? { Ok(()) } else { self.unexpected(&format!("`{}`", char::from(punctuator))) }
    }

    /// Skips the keyword if it is the current token.
    pub(crate) fn take_word(&mut self, word: &str) -> Parsed<bool> {
        let found = self.word() == Some(word);
        if found {
            self.lexer.advance()?;
        }
        Ok(found)
    }

    pub(crate) fn unexpected<T>(&self, expected: &str) -> Parsed<T> {
        let lexeme = self.lexer.lexeme();
        let found = if self.token() == Token::End {
            "the end of the text".to_owned()
        } else if lexeme.chars().nth(40).is_some() {
            format!("`{}…`", lexeme.chars().take(40).collect::<String>())
        } else {
            format!("`{lexeme}`")
        };
        Err(self.lexer.syntax_error(self.lexer.from(), format!("Expected {expected}, found {found}.")))
    }

    pub(crate) fn name(&mut self) -> Parsed<Name<'a>> {
        let Some(text) = self.word() else { return self.unexpected("a name") };
        let name = Name { text, at: self.at() };
        self.lexer.advance()?;
        Ok(name)
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting == self.limits.nesting {
            return Err(self.lexer.limit_error(Limit::Nesting, self.limits.nesting));
        }
        self.nesting += 1;
        let read = read(self);
        self.nesting -= 1;
        read
    }

    /// The items up to the closing punctuator; may be empty.
    fn until<T>(&mut self, close: u8, mut read: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut all = Vec::new();
        while !self.take(close)? {
            all.push(read(self)?);
        }
        Ok(all)
    }

    /// The items between two punctuators, at least one; none if the opening one is missing.
    pub(crate) fn optional<T>(
        &mut self,
        open: u8,
        close: u8,
        mut read: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        if !self.take(open)? {
            return Ok(Vec::new());
        }
        let mut all = vec![read(self)?];
        while !self.take(close)? {
            all.push(read(self)?);
        }
        Ok(all)
    }

    /// Skips a description.
    pub(crate) fn description(&mut self) -> Parsed<bool> {
        let found = matches!(self.token(), Token::String | Token::BlockString);
        if found {
            self.lexer.advance()?;
        }
        Ok(found)
    }

    pub(crate) fn type_expression(&mut self) -> Parsed<TypeExpression<'a>> {
        let base = if self.take(b'[')? {
            let of = self.nested(Self::type_expression)?;
            self.expect(b']')?;
            BaseType::List(Box::new(of))
        } else {
            BaseType::Named(self.name()?)
        };
        Ok(TypeExpression { base, non_null: self.take(b'!')? })
    }

    pub(crate) fn directives(&mut self, is_constant: bool) -> Parsed<Vec<Directive<'a>>> {
        let mut all = Vec::new();
        while self.is(b'@') {
            if self.directives == self.limits.directives {
                return Err(self.lexer.limit_error(Limit::Directives, self.limits.directives));
            }
            self.directives += 1;
            let at = self.at();
            self.lexer.advance()?;
            let name = self.name()?;
            all.push(Directive { name, arguments: self.arguments(is_constant)?, at });
        }
        Ok(all)
    }

    fn arguments(&mut self, is_constant: bool) -> Parsed<Vec<Argument<'a>>> {
        self.optional(b'(', b')', |parser| parser.argument(is_constant))
    }

    fn argument(&mut self, is_constant: bool) -> Parsed<Argument<'a>> {
        let name = self.name()?;
        self.expect(b':')?;
        Ok(Argument { name, value: self.value(is_constant)? })
    }

    /// A value. A constant contains no variables.
    pub(crate) fn value(&mut self, is_constant: bool) -> Parsed<Value<'a>> {
        let at = self.at();
        let lexeme = self.lexer.lexeme();
        let kind = match self.token() {
            Token::Punctuator(b'$') if is_constant => return self.unexpected("a value without variables"),
            Token::Punctuator(b'$') => {
                self.lexer.advance()?;
                return Ok(Value { at, kind: ValueKind::Variable(self.name()?.text) });
            }
            Token::Punctuator(b'[') => {
                self.lexer.advance()?;
                let values = self.nested(|p| p.until(b']', |p| p.value(is_constant)))?;
                if values.len() > self.limits.list_items {
                    return Err(self.lexer.limit_error(Limit::ListItems, self.limits.list_items));
                }
                return Ok(Value { at, kind: ValueKind::List(values) });
            }
            Token::Punctuator(b'{') => {
                self.lexer.advance()?;
                let fields = self.nested(|p| p.until(b'}', |p| p.argument(is_constant)))?;
                if fields.len() > self.limits.input_fields {
                    return Err(self.lexer.limit_error(Limit::InputFields, self.limits.input_fields));
                }
                return Ok(Value { at, kind: ValueKind::Object(fields) });
            }
            Token::Int => ValueKind::Int(lexeme),
            Token::Float => ValueKind::Float(lexeme),
            Token::String => ValueKind::String(text::unescape(&lexeme[1..lexeme.len() - 1])),
            Token::BlockString => ValueKind::String(text::dedent(&lexeme[3..lexeme.len() - 3])),
            Token::Name => match lexeme {
                "true" => ValueKind::Boolean(true),
                "false" => ValueKind::Boolean(false),
                "null" => ValueKind::Null,
                _ => ValueKind::Enum(lexeme),
            },
            Token::Spread | Token::End | Token::Punctuator(_) => return self.unexpected("a value"),
        };
        self.lexer.advance()?;
        Ok(Value { at, kind })
    }
}

/// Operations, fragments and selections.
impl<'a> Parser<'a> {
    fn definition(&mut self, document: &mut Document<'a>) -> Parsed<()> {
        let at = self.at();
        let (start, is_described) = (self.lexer.from(), self.description()?);
        let kind = match self.word() {
            Some("query") => OperationKind::Query,
            Some("mutation") => OperationKind::Mutation,
            Some("subscription") => OperationKind::Subscription,
            Some("fragment") => {
                self.lexer.advance()?;
                document.fragments.push(self.fragment(at)?);
                return Ok(());
            }
            _ if self.is(b'{') && is_described => {
                return Err(self.lexer.syntax_error(start, "A description requires the keyword `query` before `{`."));
            }
            _ if self.is(b'{') => {
                let (variables, directives, selections) = (Vec::new(), Vec::new(), self.selections()?);
                let kind = OperationKind::Query;
                document.operations.push(Operation { kind, name: None, variables, directives, selections, at });
                return Ok(());
            }
            _ => return self.unexpected("an operation or a fragment"),
        };
        self.lexer.advance()?;
        let name = if self.token() == Token::Name { Some(self.name()?) } else { None };
        let variables = self.optional(b'(', b')', Self::variable)?;
        let directives = self.directives(false)?;
        let selections = self.selections()?;
        document.operations.push(Operation { kind, name, variables, directives, selections, at });
        Ok(())
    }

    fn fragment(&mut self, at: u32) -> Parsed<Fragment<'a>> {
        if self.word() == Some("on") {
            return self.unexpected("a name other than `on`");
        }
        let name = self.name()?;
        if !self.take_word("on")? {
            return self.unexpected("`on`");
        }
        let on = self.name()?;
        Ok(Fragment { name, on, directives: self.directives(false)?, selections: self.selections()?, at })
    }

    fn variable(&mut self) -> Parsed<Variable<'a>> {
        let at = self.at();
        self.description()?;
        self.expect(b'$')?;
        let name = self.name()?;
        self.expect(b':')?;
        let of = self.type_expression()?;
        let default = if self.take(b'=')? { Some(self.value(true)?) } else { None };
        Ok(Variable { name, of, default, directives: self.directives(true)?, at })
    }

    fn selections(&mut self) -> Parsed<Vec<Selection<'a>>> {
        if !self.is(b'{') {
            return self.unexpected("`{`");
        }
        self.nested(|parser| parser.optional(b'{', b'}', Self::selection))
    }

    fn selection(&mut self) -> Parsed<Selection<'a>> {
        if self.token() == Token::Spread {
            return self.spread();
        }
        let first = self.name()?;
        let (alias, name) = if self.is(b':') {
            if self.aliases == self.limits.aliases {
                return Err(self.lexer.limit_error(Limit::Aliases, self.limits.aliases));
            }
            self.aliases += 1;
            self.lexer.advance()?;
            (Some(first), self.name()?)
        } else {
            (None, first)
        };
        let arguments = self.arguments(false)?;
        let directives = self.directives(false)?;
        let selections = if self.is(b'{') { self.selections()? } else { Vec::new() };
        Ok(Selection::Field(Box::new(Field { alias, name, arguments, directives, selections })))
    }

    fn spread(&mut self) -> Parsed<Selection<'a>> {
        let at = self.at();
        self.lexer.advance()?;
        if self.token() == Token::Name && self.word() != Some("on") {
            let name = self.name()?;
            let directives = self.directives(false)?;
            return Ok(Selection::Spread(Box::new(FragmentSpread { name, directives, at })));
        }
        let on = if self.take_word("on")? { Some(self.name()?) } else { None };
        let directives = self.directives(false)?;
        let selections = self.selections()?;
        Ok(Selection::Inline(Box::new(InlineFragment { on, directives, selections, at })))
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::error::{DocumentLimits, Limit, ParseError};

    #[test]
    fn syntax_errors_are_sentences_with_positions() {
        let cases = [
            ("{ viewer }}", "1:11 Expected an operation or a fragment, found `}`."),
            ("{ }", "1:3 Expected a name, found `}`."),
            ("{\n  a:\n}", "3:1 Expected a name, found `}`."),
            ("{ a(b: ) }", "1:8 Expected a value, found `)`."),
            ("query Q", "1:8 Expected `{`, found the end of the text."),
            ("{ a(b: '1') }", "1:8 Strings begin with a double quote `\"`, not with `'`."),
            ("{ a(b: 01) }", "1:9 A number does not begin with 0 and another digit."),
            ("{ a(b: \"\\x\") }", "1:9 The string has an invalid escape."),
            ("{ a(b: \"c", "1:10 The string has no closing quote."),
            ("\"Text.\" { a }", "1:1 A description requires the keyword `query` before `{`."),
            ("query ($a: Int = $b) { c }", "1:18 Expected a value without variables, found `$`."),
            ("type T { a: Int }", "1:1 Expected an operation or a fragment, found `type`."),
        ];
        for (text, wanted) in cases {
            let error = parse(text, DocumentLimits::NONE).err().map(|error| format!("{} {error}", error.position()));
            assert_eq!(error.as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn limits_hold_at_their_boundary() {
        let cases = [
            ("{ a b }", DocumentLimits { tokens: 4, ..DocumentLimits::NONE }, Limit::Tokens),
            ("{ a { b } }", DocumentLimits { nesting: 2, ..DocumentLimits::NONE }, Limit::Nesting),
            ("{ a(b: [{c: 1}]) }", DocumentLimits { nesting: 3, ..DocumentLimits::NONE }, Limit::Nesting),
            ("query ($a: [[Int]]) { b }", DocumentLimits { nesting: 2, ..DocumentLimits::NONE }, Limit::Nesting),
            ("{ a: b c: d }", DocumentLimits { aliases: 2, ..DocumentLimits::NONE }, Limit::Aliases),
            ("{ a @b @c }", DocumentLimits { directives: 2, ..DocumentLimits::NONE }, Limit::Directives),
            ("{ abc(d: $efg) }", DocumentLimits { name_length: 3, ..DocumentLimits::NONE }, Limit::NameLength),
            ("{ a(b: [1, 2]) }", DocumentLimits { list_items: 2, ..DocumentLimits::NONE }, Limit::ListItems),
            ("{ a(b: {c: 1, d: 2}) }", DocumentLimits { input_fields: 2, ..DocumentLimits::NONE }, Limit::InputFields),
        ];
        for (text, limits, limit) in cases {
            assert!(parse(text, limits).is_ok(), "{text}");
            let fewer = |n: usize| n.saturating_sub(1);
            let lower = match limit {
                Limit::Tokens => DocumentLimits { tokens: fewer(limits.tokens), ..limits },
                Limit::Nesting => DocumentLimits { nesting: fewer(limits.nesting), ..limits },
                Limit::Aliases => DocumentLimits { aliases: fewer(limits.aliases), ..limits },
                Limit::Directives => DocumentLimits { directives: fewer(limits.directives), ..limits },
                Limit::ListItems => DocumentLimits { list_items: fewer(limits.list_items), ..limits },
                Limit::InputFields => DocumentLimits { input_fields: fewer(limits.input_fields), ..limits },
                Limit::NameLength | Limit::ValidationSteps | Limit::PlanFields => {
                    DocumentLimits { name_length: fewer(limits.name_length), ..limits }
                }
            };
            match parse(text, lower) {
                Err(ParseError::Limit(exceeded)) => assert_eq!(exceeded.limit, limit, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
