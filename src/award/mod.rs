//! Film awards, their nominations, and who received them for what.

mod inputs;
pub mod mutations;
pub mod objects;

pub use objects::{AwardsOfMovie, AwardsOfPerson, FilmAward, FilmAwardNomination, MovieAward};
