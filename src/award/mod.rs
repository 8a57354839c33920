//! Film awards, their nominations, and who received them for what.

mod mutation;
pub mod objects;
mod types;

pub use mutation::{FilmAwardMutation, MovieAwardMutation, NominationMutation};
pub use types::{AwardQuery, AwardsOfMovie, AwardsOfPerson, FilmAward, FilmAwardNomination, MovieAward};
