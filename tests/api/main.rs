//! The API over real HTTP, on SQLite and on PostgreSQL: one file per domain, and the
//! invariants that hold for all of them.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at what it did not expect")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod app;
mod community;
mod conformance;
mod errors;
mod events;
mod filters;
mod http;
mod ide;
mod limits;
mod movie;
mod node;
mod paging;
mod plans;
mod requests;
mod results;
mod schema;
mod search;
mod seed;
mod slow;
mod sockets;
mod statements;
mod transport;
mod worked_queries;
