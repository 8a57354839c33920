//! A GraphQL engine: documents are read, judged against a schema, compiled once, and executed breadth-first.
//!
//! It follows the specification of September 2025. It names no table and no HTTP. `docs/engine.md` has an overview.
//!
//! - [`document`] turns text into a syntax tree, within [`DocumentLimits`].
//! - [`schema`] is the type system, from a builder or from the schema definition language.
//! - [`validation`] applies the specification's rules to a document.
//! - [`input`] coerces variables and arguments.
//! - [`describe`] builds a schema from Rust types, and the resolvers of its fields.
//! - `plan` compiles an operation; [`execution`] resolves it, place by place, and writes the answer.
//! - [`engine`] goes the whole way: queries and mutations one at a time, subscriptions for several events at once. It
//!   caches documents and plans.
//!
//! async-graphql gives the derives of inputs and the [`Registry`], which prints the schema and answers introspection. It
//! executes nothing else.
//!
//! ```
//! use graphql::{DocumentLimits, Schema, parse, validate};
//!
//! let schema = Schema::from_sdl("type Query { movie(id: ID!): Movie } type Movie { title: String! }")?;
//! let limits = DocumentLimits::default();
//! let document = parse("{ movie { title } }", limits)?;
//! let invalid = validate(&schema, &document, &limits).unwrap_err();
//! assert_eq!(invalid.to_string(), "`movie` requires the argument `id`.");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod describe;
pub mod document;
pub mod engine;
pub mod error;
pub mod execution;
pub mod input;
mod plan;
pub mod schema;
pub mod validation;

pub use async_graphql::registry::Registry;
pub use describe::{
    Abstract, ArgumentTypes, Arguments, Batch, Call, Columns, Describe, Description, Introspection, Maybe, NoArguments,
    Object, One, Output, Resolve, Root, Row, TypeName, argument,
};
pub use document::{Document, OperationKind, parse};
pub use engine::{Answer, CostLimit, Engine, EngineRefusal, EngineSettings, Executed, Prepared, Request, SharingKey};
pub use error::{DocumentLimits, Limit, LimitExceeded, ParseError, SourcePosition};
pub use execution::batch::{Batches, FoundRows, SharedRows};
pub use execution::column::{Cell, Cells, Column, Leaves, Part, Rows, index};
pub use execution::leaf::{Leaf, Out};
pub use execution::{Context, FieldError, FieldSelection};
pub use input::Inputs;
pub use plan::{Cost, PageSizes};
pub use schema::{Schema, SchemaError};
pub use validation::validate;
