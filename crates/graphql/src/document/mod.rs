//! Parses text into a syntax tree.
//!
//! The tree borrows from the text. This module does not know a schema: see `validation`.

mod lexer;
mod parser;
mod text;

use std::borrow::Cow;

pub(crate) use lexer::Token;
pub use parser::parse;
pub(crate) use parser::{Parsed, Parser};

/// A name and its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// The name.
    pub text: &'a str,
    /// Its byte offset.
    pub at: u32,
}

/// An executable document: operations and fragments.
#[derive(Debug)]
pub struct Document<'a> {
    /// The text that it was read from.
    pub text: &'a str,
    /// The operations, in order.
    pub operations: Vec<Operation<'a>>,
    /// The fragments, in order.
    pub fragments: Vec<Fragment<'a>>,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// It reads.
    Query,
    /// It writes, then reads.
    Mutation,
    /// It listens.
    Subscription,
}

/// `query Q($id: ID!) @directive { … }`
#[derive(Debug)]
pub struct Operation<'a> {
    /// Query, mutation or subscription.
    pub kind: OperationKind,
    /// The name; the shorthand `{ … }` has none.
    pub name: Option<Name<'a>>,
    /// The variables, in order.
    pub variables: Vec<Variable<'a>>,
    /// The directives of the operation.
    pub directives: Vec<Directive<'a>>,
    /// The selections of the root.
    pub selections: Vec<Selection<'a>>,
    /// Its byte offset.
    pub at: u32,
}

/// `fragment F on User { … }`
#[derive(Debug)]
pub struct Fragment<'a> {
    /// The name.
    pub name: Name<'a>,
    /// The type condition.
    pub on: Name<'a>,
    /// The directives of the fragment.
    pub directives: Vec<Directive<'a>>,
    /// The selections.
    pub selections: Vec<Selection<'a>>,
    /// Its byte offset.
    pub at: u32,
}

/// `$id: ID! = "1" @directive`
#[derive(Debug)]
pub struct Variable<'a> {
    /// The name, without the dollar sign.
    pub name: Name<'a>,
    /// The type.
    pub of: TypeExpression<'a>,
    /// The default, without variables.
    pub default: Option<Value<'a>>,
    /// The directives of the variable.
    pub directives: Vec<Directive<'a>>,
    /// Its byte offset.
    pub at: u32,
}

/// `[ID!]!`
#[derive(Debug)]
pub struct TypeExpression<'a> {
    /// The type before the exclamation mark.
    pub base: BaseType<'a>,
    /// Whether there is an exclamation mark.
    pub non_null: bool,
}

/// A type without its exclamation mark.
#[derive(Debug)]
pub enum BaseType<'a> {
    /// `ID`
    Named(Name<'a>),
    /// `[ID]`
    List(Box<TypeExpression<'a>>),
}

impl<'a> TypeExpression<'a> {
    /// The named type inside all lists.
    pub fn named(&self) -> Name<'a> {
        match &self.base {
            BaseType::Named(name) => *name,
            BaseType::List(of) => of.named(),
        }
    }
}

/// `@include(if: true)`
#[derive(Debug)]
pub struct Directive<'a> {
    /// The name, without the at sign.
    pub name: Name<'a>,
    /// The arguments, in order.
    pub arguments: Vec<Argument<'a>>,
    /// Its byte offset.
    pub at: u32,
}

/// `id: "1"`: an argument, or a field of an input object.
#[derive(Debug)]
pub struct Argument<'a> {
    /// The name.
    pub name: Name<'a>,
    /// The value.
    pub value: Value<'a>,
}

/// An entry of a selection set.
#[derive(Debug)]
pub enum Selection<'a> {
    /// `alias: name(…) { … }`
    Field(Box<Field<'a>>),
    /// `...F`
    Spread(Box<FragmentSpread<'a>>),
    /// `... on User { … }`
    Inline(Box<InlineFragment<'a>>),
}

/// `alias: name(…) @directive { … }`
#[derive(Debug)]
pub struct Field<'a> {
    /// The alias, if there is one.
    pub alias: Option<Name<'a>>,
    /// The name in the schema.
    pub name: Name<'a>,
    /// The arguments, in order.
    pub arguments: Vec<Argument<'a>>,
    /// The directives of the field.
    pub directives: Vec<Directive<'a>>,
    /// The selections; empty for leaves.
    pub selections: Vec<Selection<'a>>,
}

impl<'a> Field<'a> {
    /// The name in the response.
    pub fn response_name(&self) -> Name<'a> {
        self.alias.unwrap_or(self.name)
    }
}

/// `...F @directive`
#[derive(Debug)]
pub struct FragmentSpread<'a> {
    /// The fragment's name.
    pub name: Name<'a>,
    /// The directives of the spread.
    pub directives: Vec<Directive<'a>>,
    /// Its byte offset.
    pub at: u32,
}

/// `... on User @directive { … }`
#[derive(Debug)]
pub struct InlineFragment<'a> {
    /// The type condition.
    pub on: Option<Name<'a>>,
    /// The directives of the fragment.
    pub directives: Vec<Directive<'a>>,
    /// The selections.
    pub selections: Vec<Selection<'a>>,
    /// Its byte offset.
    pub at: u32,
}

/// A value and its position.
#[derive(Debug)]
pub struct Value<'a> {
    /// Its byte offset.
    pub at: u32,
    /// The value.
    pub kind: ValueKind<'a>,
}

/// The kinds of values. Numbers are as written.
#[derive(Debug)]
pub enum ValueKind<'a> {
    /// `$name`
    Variable(&'a str),
    /// `1`
    Int(&'a str),
    /// `1.5`
    Float(&'a str),
    /// `"text"`, without quotes and escapes
    String(Cow<'a, str>),
    /// `true`
    Boolean(bool),
    /// `null`
    Null,
    /// `NAME`
    Enum(&'a str),
    /// `[…]`
    List(Vec<Value<'a>>),
    /// `{name: …}`
    Object(Vec<Argument<'a>>),
}
