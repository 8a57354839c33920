//! The history of a load: one JSON object per line. `seeder check` checks it without the server.
//!
//! - `line`: the lines. docs/consistency.md describes them for other programs.
//! - `file`: writes a history and its seal, and reads it.
//! - `check`: checks the lines one after the other.

pub mod check;
pub mod file;
pub mod line;
