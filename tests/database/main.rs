//! The schema on real databases: the DDL compared with the facts, its checks, migrations, entities.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at an unexpected error")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod accepts;
mod catalogue;
mod checks;
mod comment_feed;
mod entities;
mod facts;
mod fixture;
mod forms;
mod migrate;
mod pools;
mod schema;
mod side_tables;
mod steps;
mod transactions;
mod turns;
