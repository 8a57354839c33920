//! Online cinemas, and which movies they show at what price.

mod types;

pub use types::{Availability, AvailabilityInCinema, AvailabilityOfMovie, Cinema, CinemaFilter, CinemaOrder, CinemaQuery, AvailabilityOrder};
