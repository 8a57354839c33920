//! Ratings of movies and publications by users.

mod inputs;
pub mod mutations;
pub mod objects;
mod reads;
mod service;

pub use inputs::{join_totals, order_keys};
pub use objects::{Rating, RatingsOfUser, UserRating};
