//! What users gave movies and publications.

mod loaders;
mod mutation;
pub mod objects;
mod reads;
mod service;
mod types;

pub use mutation::RatingMutation;
pub use types::{Rating, RatingsOfUser, UserRating, join_totals, of_viewer, order_keys};
