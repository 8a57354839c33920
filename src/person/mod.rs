//! The people who make movies.

mod mutation;
pub mod objects;
mod types;

pub use mutation::PersonMutation;
pub use types::{Person, PersonFilter, PersonOrder, PersonQuery};
