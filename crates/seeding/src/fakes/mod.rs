//! Fake rows as pure functions of a [`World`] and a row's number.
//!
//! Nothing here reads a clock or a database. Rows come in groups (the staff of
//! a film, the comments on a subject), each group from dice of its own, so
//! that groups can be made in any order and by any number of threads. A module
//! may ask another for the traits of a row, which are cheap, or for a whole
//! group (orders ask for a film's presences): the answer is always the same.

pub mod accounts;
pub mod awards;
pub mod calendar;
pub mod comments;
pub mod dice;
pub mod movies;
pub mod orders;
pub mod persons;
pub mod presences;
pub mod publications;
pub mod ratings;
pub mod shares;
pub mod staff;
pub mod subject;
pub mod users;
pub mod world;

#[cfg(test)]
mod tests;

pub use world::World;
