//! The feed of comments on real databases: listeners get all events, and none is lost.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at an unexpected error")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod endings;
mod heavy;
mod instance;
mod joining;
mod listening;
mod node;
mod order;
mod plans;
mod promise;
mod rows;
mod sharing;
mod storm;
mod ticks;
