//! `seeder` as users start it, on both databases.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[macro_use]
#[path = "../../../tests/support/mod.rs"]
mod support;

mod accounts;
mod command_line;
mod content;
mod deferred;
mod interrupted;
mod program;
mod reference;
mod signals;
mod together;
mod unread;
