//! Kinoteka: a GraphQL API server for an online film library.
//!
//! A request flows in one direction: [`http`] -> the engine in `crates/graphql` -> the fields that [`library`]
//! describes -> a domain's reads or services -> `entity` -> PostgreSQL or SQLite. Nothing points back. Code that names
//! no domain is a crate in `crates/`:
//!
//! - [`http`] is the transport.
//! - [`kit`] is the machinery: rows, lists, pages, mutations.
//! - [`feed`] notifies listeners of changes to comments.
//! - [`db`] has the connections, and the SQL in which the two databases differ.
//! - `request` is what all of them know about a request: [`viewer`] identifies the sender, [`policy`] says who may do
//!   what, [`error`] has the failures that clients can see, and [`quota`], [`rate`] and [`budget`] limit what clients
//!   use.
//! - [`telemetry`] logs with [`log`], and [`metrics`] counts.
//!
//! This crate is the library:
//!
//! - A domain ([`movie`], [`person`], [`staff`], [`award`], [`cinema`], [`publication`], [`comment`], [`rating`],
//!   [`order`], [`tag`], [`account`]) contains everything about one thing: objects, lists, inputs, mutations and rules.
//!   [`subject`], [`search`], [`audit`] and [`node`] combine several.
//! - [`library`] collects the schema from the domains, and names all of them.
//! - [`app`] assembles everything, [`config`] has every setting, [`health`] says whether the server can serve,
//!   [`status`] shows the cluster, the servers and the database, and [`open_files`] limits the server's files.
//!   [`stored_texts`] counts stored texts that the API would reject today.
//!
//! `docs/ARCHITECTURE.md` has the map and the invariants.

pub mod account;
pub mod app;
pub mod audit;
pub mod award;
pub mod cinema;
pub mod comment;
pub mod config;
pub mod health;
pub mod library;
pub mod movie;
pub mod node;
pub mod open_files;
pub mod order;
pub mod person;
pub mod publication;
pub mod rating;
pub mod search;
pub mod staff;
mod start;
pub mod status;
pub mod stored_texts;
pub mod subject;
pub mod tag;

// The layers below, with the names that domains use.
pub use kinoteka_http as http;
pub use request::{budget, clock, error, executor, planted, policy, position, quota, rate, subscribe, viewer};
pub use telemetry::{log, metrics};
pub use {db, feed, kit, telemetry};
