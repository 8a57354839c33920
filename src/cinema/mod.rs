//! Online cinemas, and which movies they show at what price.

mod mutation;
pub mod objects;
mod service;
mod types;

pub use mutation::{AvailabilityMutation, CinemaMutation};
pub use types::{
    Availability, AvailabilityInCinema, AvailabilityOfMovie, AvailabilityOrder, Cinema, CinemaFilter, CinemaOrder,
    CinemaQuery, student_price,
};
