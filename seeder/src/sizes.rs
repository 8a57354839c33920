//! How many rows of each kind a seed makes.

/// Row counts. The fixed lists come on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Films.
    pub movies: u32,
    /// Persons of the film trade.
    pub persons: u32,
    /// Users.
    pub users: u32,
    /// Entries of film staff.
    pub staff: u32,
    /// Awards given.
    pub awards: u32,
    /// Films present at online cinemas.
    pub presences: u32,
    /// Orders of films by users.
    pub orders: u32,
    /// Publications.
    pub publications: u32,
    /// The fewest sentences of a publication.
    pub sentences_min: u32,
    /// The most sentences of a publication.
    pub sentences_max: u32,
    /// Comments on films and publications.
    pub comments: u32,
    /// Ratings of films and publications.
    pub ratings: u32,
}

impl Sizes {
    /// The small library that a first start shows.
    pub const fn demo() -> Self {
        Self {
            movies: 500,
            persons: 1_500,
            users: 300,
            staff: 5_000,
            awards: 250,
            presences: 2_000,
            orders: 1_500,
            publications: 200,
            sentences_min: 10,
            sentences_max: 25,
            comments: 5_000,
            ratings: 6_000,
        }
    }
}
