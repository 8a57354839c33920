//! Movies and series: the catalogue's centre.
//!
//! What hangs on a movie is a domain of its own: [`staff`](crate::staff),
//! [`award`](crate::award), [`cinema`](crate::cinema).

mod inputs;
pub mod mutations;
pub mod objects;

pub use inputs::{MovieFilter, MovieOrder};
pub use objects::{AgeRating, Movie};
