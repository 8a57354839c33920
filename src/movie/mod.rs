//! Movies and series: the catalogue's centre.
//!
//! The parts of a movie are separate domains: [`staff`](crate::staff), [`award`](crate::award),
//! [`cinema`](crate::cinema).

mod inputs;
pub mod mutations;
pub mod objects;

pub use inputs::{MovieFilter, MovieOrder};
pub use objects::{AgeRating, Movie};
