//! The GraphQL language: documents are read, judged against a schema, and their inputs coerced.
//!
//! It follows the specification of September 2025. It names no table and no HTTP.
//!
//! - [`document`] turns text into a syntax tree, within [`Limits`].
//! - [`schema`] is the type system, from a builder or from the schema definition language.
//! - [`validation`] applies the specification's rules to a document.
//! - [`input`] coerces variables and arguments.
//!
//! ```
//! use graphql::{Limits, Schema, parse, validate};
//!
//! let schema = Schema::from_sdl("type Query { movie(id: ID!): Movie } type Movie { title: String! }")?;
//! let limits = Limits::default();
//! let document = parse("{ movie { title } }", limits)?;
//! let invalid = validate(&schema, &document, &limits).unwrap_err();
//! assert_eq!(invalid.to_string(), "`movie` needs the argument `id`.");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod document;
pub mod error;
pub mod input;
pub mod schema;
pub mod validation;

pub use document::{Document, parse};
pub use error::{Limit, LimitExceeded, Limits, ParseError, Position};
pub use schema::Schema;
pub use validation::validate;
