//! The server with a primary and a standby that are killed, frozen, paused or promoted. Real processes.

#![expect(clippy::unwrap_used, reason = "a test stops at an unexpected error")]

#[expect(unused_macros, reason = "the tests' support has one for tests on both databases")]
#[path = "../support/mod.rs"]
mod support;

mod commits;
mod fresh;
mod front;
mod leader;
mod mutations;
mod pair;
#[path = "../support/process.rs"]
mod process;
mod replica;
mod start;
