//! Kinoteka: a GraphQL API server for an online film library.
//!
//! A request flows one way: [`http`] -> the engine in `crates/graphql` -> what [`library`] describes -> a domain's
//! reads or services -> `entity` -> PostgreSQL or SQLite. Nothing points back:
//!
//! - [`http`] is transport and names no domain.
//! - [`library`] collects the schema from the domains, and names all of them.
//! - A domain ([`movie`], [`person`], [`staff`], [`award`], [`cinema`], [`publication`], [`comment`], [`rating`], [`order`],
//!   [`tag`], [`account`]) is everything about one thing: its objects, lists, inputs, mutations and rules. [`subject`] and
//!   [`search`] join several.
//! - [`kit`] is machinery (rows, lists, pages, mutations) and names no domain.
//! - [`feed`] tells listeners what happens to comments, and names no domain.
//! - [`db`] is connecting, and what the two databases spell differently.
//!
//! Across them: [`viewer`] says who asks and [`policy`] who may do what, [`audit`] records changes, [`idempotency`]
//! recognises mutations that are sent again, [`error`] has the failures that clients can see. [`quota`], [`rate`],
//! [`answer`] and [`open_files`] bound what clients take. [`telemetry`] logs by [`log`], [`metrics`] counts. [`app`] puts
//! everything together, [`config`] holds every setting, [`upkeep`] is what the server does by itself, [`clock`] the
//! time. [`stored_texts`] counts what is stored and would not be written now.
//!
//! `docs/ARCHITECTURE.md` has the map and the invariants.

pub mod account;
pub mod answer;
pub mod app;
pub mod audit;
pub mod award;
pub mod cinema;
pub mod clock;
pub mod comment;
pub mod config;
pub mod db;
pub mod error;
pub mod feed;
pub mod http;
pub mod idempotency;
pub mod kit;
pub mod library;
pub mod log;
pub mod metrics;
pub mod movie;
pub mod open_files;
pub mod order;
pub mod person;
pub mod policy;
pub mod publication;
pub mod quota;
pub mod rate;
pub mod rating;
pub mod search;
pub mod staff;
pub mod stored_texts;
pub mod subject;
pub mod tag;
pub mod telemetry;
pub mod upkeep;
pub mod viewer;
