//! Movies and series: the catalogue's centre.
//!
//! What hangs on a movie is a domain of its own: [`staff`](crate::staff),
//! [`award`](crate::award), [`cinema`](crate::cinema).

mod inputs;
mod mutation;
pub mod objects;
mod query;
mod types;

pub use inputs::{MovieFilter, MovieOrder};
pub use mutation::MovieMutation;
pub use query::MovieQuery;
pub use types::{AgeRating, Movie};
