//! Film awards, their nominations, and who received them for what.

mod types;

pub use types::{AwardQuery, AwardsOfMovie, AwardsOfPerson, FilmAward, FilmAwardNomination, MovieAward};
