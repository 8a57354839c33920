//! The people who make movies.

mod inputs;
pub mod mutations;
pub mod objects;

pub use inputs::{PersonFilter, PersonOrder};
pub use objects::Person;
