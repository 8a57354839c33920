//! A GraphQL engine: parses documents, validates them against a schema, compiles them once, and executes them
//! breadth-first.
//!
//! It follows the specification of September 2025. It does not know tables or HTTP. `docs/engine.md` has an overview.
//!
//! - [`document`] parses text into a syntax tree, within [`DocumentLimits`].
//! - [`schema`] is the type system, from a builder or from the schema definition language.
//! - [`validation`] applies the specification's rules to a document.
//! - [`input`] coerces variables and arguments.
//! - [`describe`] builds a schema from Rust types, and the resolvers of its fields.
//! - `plan` compiles an operation; [`execution`] resolves it position by position, and writes the response.
//! - [`engine`] combines the steps: queries and mutations one at a time, subscriptions for several events at once. It
//!   caches documents and plans.
//!
//! async-graphql provides the derives of inputs and the [`Registry`], which prints the schema and executes
//! introspection. It executes nothing else.
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
pub use engine::{
    CostLimit, Engine, EngineRefusal, EngineResponse, EngineSettings, ExecutedOperation, PreparedOperation, Request,
    SharingKey,
};
pub use error::{DocumentLimits, Limit, LimitExceeded, ParseError, SourcePosition};
pub use execution::batch::{Batches, FoundRows, SharedRows};
pub use execution::column::{Cell, Cells, Column, Leaves, Part, Rows, index};
pub use execution::leaf::{Leaf, Out};
pub use execution::{Context, FieldError, FieldSelection};
pub use input::Inputs;
pub use plan::{Cost, PageSizes};
pub use schema::{Schema, SchemaError};
pub use validation::validate;
