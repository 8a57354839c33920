//! Online cinemas, and the movies that they offer at which price.

mod inputs;
pub mod mutations;
pub mod objects;
mod service;

pub use inputs::{AvailabilityOrder, CinemaFilter, CinemaOrder};
pub use objects::{Availability, AvailabilityInCinema, AvailabilityOfMovie, Cinema, student_price};
