//! Tags of movies and publications: the list of them, and filters by them.

mod mutation;
pub mod objects;
pub mod service;
mod types;

pub use mutation::TagMutation;
pub use types::{Tag, TagFilter, TagQuery};
