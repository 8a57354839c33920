//! Attacks on a running server, with limits on memory, the effect on honest clients, and losses.
//!
//! Every attack has its own server process, so that memory and processor time can be measured. Limits catch
//! hangs and leaks: they are at least five times the measured values. `KINOTEKA_LONG=1` runs larger attacks, as
//! `scripts/test --long` does.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at an unexpected error")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

#[path = "../support/nginx.rs"]
mod nginx;
#[path = "../support/process.rs"]
mod process;

mod answers;
mod ask;
mod costly;
mod disk;
mod documents;
mod honest;
mod keep_alive;
mod locks;
mod log;
mod log_ins;
mod open_files;
mod rollback;
mod rolling;
mod schema_changes;
mod shares;
mod site;
mod snippets;
mod stranger;
mod usage;
mod variables;
mod volume;
