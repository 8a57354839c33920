//! The program as users run it: real processes, their output and exit status.

#![expect(clippy::unwrap_used, reason = "a test stops at an unexpected error")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod listen;
mod log;
mod metrics;
mod migrate;
#[path = "../support/patroni.rs"]
mod patroni;
mod pooler;
#[path = "../support/process.rs"]
mod process;
mod restore;
mod serve;
mod settings;
mod start;
mod status;
mod typed_client;
mod unread;
