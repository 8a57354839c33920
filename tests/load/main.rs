//! `seeder load` against running servers, both as real processes.

#![expect(clippy::unwrap_used, reason = "a test stops at an unexpected error")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

#[path = "../feed/node.rs"]
#[expect(dead_code, reason = "the feed's tests use the rest")]
mod node;

mod closed;
mod history;
mod nonsense;
#[cfg(feature = "planted-faults")]
mod planted;
#[cfg(feature = "planted-faults")]
#[path = "../support/process.rs"]
mod process;
mod program;
mod refused;
mod shown;
mod verified;
