//! The API over real HTTP, on SQLite and on PostgreSQL: one file per domain, and the
//! invariants that hold for all of them.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at an unexpected error")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

#[path = "../support/nginx.rs"]
mod nginx;
#[path = "../support/patroni.rs"]
mod patroni;
#[path = "../support/socket.rs"]
mod socket;

mod account;
mod account_input;
mod answers;
mod app;
mod availability;
mod bad_input;
mod behind_nginx;
mod catalogue;
mod catalogue_conflicts;
mod client_limits;
mod comment;
mod community;
mod conformance;
mod connections;
mod errors;
mod events;
mod filters;
mod http;
mod ide;
mod idempotency;
mod inputs;
mod limits;
mod listening;
mod movie;
mod node;
mod order;
mod paging;
mod plan;
mod plans;
mod policy;
mod proxy;
mod publication;
mod rating;
mod reasons;
mod registries;
mod requests;
mod results;
mod retries;
mod rights;
mod role;
mod schema;
mod search;
mod seed;
mod session;
mod session_cache;
mod single;
mod slow;
mod sockets;
mod spelling;
mod statements;
mod status;
mod transport;
mod unwritable;
mod uploads;
mod variables;
mod viewer_fields;
mod worked_queries;
