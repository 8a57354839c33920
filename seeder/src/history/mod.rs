//! The history of a load: one JSON object a line, which `seeder check` judges without the server.
//!
//! - `line`: the lines. docs/consistency.md describes them for those who read or write them by other programs.
//! - `file`: writing a history and its seal, and reading it.
//! - `check`: judges the lines, one after the other.

pub mod check;
pub mod file;
pub mod line;
