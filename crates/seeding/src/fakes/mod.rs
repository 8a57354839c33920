//! Fake rows as pure functions of a [`World`] and a row's number.
//!
//! Nothing here reads a clock or a database. Rows come in groups (the staff of a movie, the comments on a subject),
//! each with its own dice, so that groups can be made in any order and with any number of threads. A module may
//! compute the traits of another module's rows, which is cheap, or a whole group (orders use the presences of a
//! movie): the result is always the same.

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
