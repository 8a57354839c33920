//! The people who make movies.

mod types;

pub use types::{Person, PersonFilter, PersonOrder, PersonQuery};
