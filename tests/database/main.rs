//! The schema on real databases: the DDL against the facts, its checks, migrating, entities.

mod entities;
#[path = "../support/mod.rs"]
mod support;
