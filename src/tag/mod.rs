//! Tags of movies and publications: their list, and filters by them.

mod inputs;
pub mod mutations;
pub mod objects;
pub mod service;

pub use inputs::TagFilter;
pub use objects::Tag;
