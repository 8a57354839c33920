//! Kinoteka: a GraphQL API server for an online film library.
//!
//! A request flows one way: [`http`] -> [`schema`] -> a domain's types -> loaders or
//! services -> `entity` -> PostgreSQL or SQLite. Nothing points back:
//!
//! - [`http`] is transport and names no domain;
//! - [`kit`] is machinery (ids, pages, batched reads) and names no domain;
//! - a domain ([`movie`], [`person`], [`staff`], [`award`], [`cinema`], [`publication`],
//!   [`comment`], [`rating`], [`order`], [`tag`], [`account`]) is everything about one thing: its GraphQL types,
//!   inputs, root fields and reads; [`subject`], [`node`] and [`search`] join several;
//! - [`feed`] tells listeners what happens to comments;
//! - [`db`] is connecting and what the two databases spell differently.
//!
//! [`app`] puts them together, [`config`] holds every setting, [`error`] the failures that
//! clients can see, [`document`] is what transport and engine share of a document, [`complete`] makes
//! results what the GraphQL specification says, [`answer`] bounds their size, [`telemetry`] logs by [`log`],
//! [`metrics`] counts, [`quota`] shares among clients what is bounded, [`rate`] counts what they may do so many
//! times in a while, [`open_files`] leaves the database its files.

pub mod account;
pub mod answer;
pub mod app;
pub mod audit;
pub mod award;
pub mod cinema;
pub mod clock;
pub mod comment;
pub mod complete;
pub mod config;
pub mod db;
pub mod document;
pub mod error;
pub mod feed;
pub mod http;
pub mod idempotency;
pub mod kit;
pub mod library;
pub mod log;
pub mod metrics;
pub mod movie;
pub mod node;
pub mod open_files;
pub mod order;
pub mod person;
pub mod policy;
pub mod publication;
pub mod quota;
pub mod rate;
pub mod rating;
pub mod schema;
pub mod search;
pub mod staff;
pub mod subject;
pub mod tag;
pub mod telemetry;
pub mod upkeep;
pub mod viewer;
