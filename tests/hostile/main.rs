//! Attacks on a running server, each with its bounds: memory, what honest clients feel, and what is lost.
//!
//! Every attack runs against a process of its own, so that its memory and processor time can be read. Bounds
//! catch hangs and leaks: they are at least five times what was measured. `KINOTEKA_LONG=1` runs the attacks
//! larger, as `scripts/test --long` does.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at what it did not expect")]

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
