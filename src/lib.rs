//! Kinoteka: a GraphQL API server for an online film library.
//!
//! A request flows one way: [`http`] -> the engine in `crates/graphql` -> what [`library`] describes -> a domain's
//! reads or services -> `entity` -> PostgreSQL or SQLite. Nothing points back. What names no domain is a crate in `crates/`:
//!
//! - [`http`] is transport.
//! - [`kit`] is machinery: rows, lists, pages, mutations.
//! - [`feed`] tells listeners what happens to comments.
//! - [`db`] is connecting, and what the two databases spell differently.
//! - `request` is what all of them know of a request: [`viewer`] says who asks and [`policy`] who may do what, [`error`] has
//!   the failures that clients can see, [`quota`], [`rate`] and [`answer`] bound what clients take.
//! - [`telemetry`] logs by [`log`], [`metrics`] counts.
//!
//! Here is the library:
//!
//! - A domain ([`movie`], [`person`], [`staff`], [`award`], [`cinema`], [`publication`], [`comment`], [`rating`], [`order`],
//!   [`tag`], [`account`]) is everything about one thing: its objects, lists, inputs, mutations and rules. [`subject`],
//!   [`search`], [`audit`] and [`node`] join several.
//! - [`library`] collects the schema from the domains, and names all of them.
//! - [`app`] puts everything together, [`config`] holds every setting, [`health`] says whether the server can serve,
//!   [`status`] how the cluster, the servers and the database are, [`open_files`] bounds its files. [`stored_texts`] counts what is stored and would not be written now.
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

// The layers below, under the names that domains know them by.
pub use kinoteka_http as http;
pub use request::{answer, clock, error, executor, planted, policy, position, quota, rate, subscribe, viewer};
pub use telemetry::{log, metrics};
pub use {db, feed, kit, telemetry};
