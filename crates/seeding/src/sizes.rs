//! The number of rows of each kind.

use serde::{Deserialize, Serialize};

/// The numbers of rows, without the fixed lists.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Movies.
    pub movies: u32,
    /// Persons who make movies.
    pub persons: u32,
    /// Users.
    pub users: u32,
    /// Staff entries.
    pub staff: u32,
    /// Awards.
    pub awards: u32,
    /// Movies available at online cinemas.
    pub presences: u32,
    /// Orders of movies.
    pub orders: u32,
    /// Publications.
    pub publications: u32,
    /// Minimum number of sentences in a publication.
    pub sentences_min: u32,
    /// Maximum number of sentences in a publication.
    pub sentences_max: u32,
    /// Comments on movies and publications.
    pub comments: u32,
    /// Ratings of movies and publications.
    pub ratings: u32,
}

impl Sizes {
    /// Maximum of any number: ids are `integer`, and shares are computed in `u32`.
    pub const MAX: u32 = 500_000_000;

    /// The small catalogue of a first start.
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

    /// A hundredth of the original.
    pub const fn small() -> Self {
        Self::original_by(100)
    }

    /// A tenth of the original.
    pub const fn medium() -> Self {
        Self::original_by(10)
    }

    /// The size of the original service.
    pub const fn original() -> Self {
        Self::original_by(1)
    }

    /// A fraction of the original: fewer rows, texts of the same length.
    const fn original_by(divisor: u32) -> Self {
        Self {
            movies: 100_000 / divisor,
            persons: 500_000 / divisor,
            users: 5_000_000 / divisor,
            staff: 1_000_000 / divisor,
            awards: 50_000 / divisor,
            presences: 400_000 / divisor,
            orders: 1_000_000 / divisor,
            publications: 5_000 / divisor,
            sentences_min: 450,
            sentences_max: 550,
            comments: 2_000_000 / divisor,
            ratings: 5_000_000 / divisor,
        }
    }

    /// Refuses numbers that contradict each other, and names the flag to change.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn check(&self) -> Result<(), String> {
        let needs = [
            (self.staff > 0, self.movies, "--staff", "--movies"),
            (self.staff > 0, self.persons, "--staff", "--persons"),
            (self.awards > 0, self.movies, "--awards", "--movies"),
            (self.awards > 0, self.staff, "--awards", "--staff"),
            (self.presences > 0, self.movies, "--presences", "--movies"),
            (self.orders > 0, self.presences, "--orders", "--presences"),
            (self.orders > 0, self.users, "--orders", "--users"),
            (self.publications > 0, self.movies, "--publications", "--movies"),
            (self.publications > 0, self.users, "--publications", "--users"),
            (self.comments > 0, self.movies + self.publications, "--comments", "--movies"),
            (self.comments > 0, self.users, "--comments", "--users"),
            (self.ratings > 0, self.movies + self.publications, "--ratings", "--movies"),
            (self.ratings > 0, self.users, "--ratings", "--users"),
        ];
        if let Some((_, _, flag, other)) = needs.into_iter().find(|(wanted, there, ..)| *wanted && *there == 0) {
            return Err(format!("{flag} needs {other}: set {other} to at least 1, or {flag} to 0"));
        }
        if self.sentences_min > self.sentences_max || self.sentences_max == 0 {
            return Err("--sentences-max must be at least 1 and at least --sentences-min".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;
    use crate::fakes::World;

    #[test]
    fn sizes_are_in_proportion() {
        let (original, medium, small) = (Sizes::original(), Sizes::medium(), Sizes::small());
        assert_eq!((original.movies, original.persons, original.users), (100_000, 500_000, 5_000_000));
        assert_eq!((medium.movies, medium.comments), (10_000, 200_000));
        assert_eq!((small.movies, small.ratings), (1_000, 50_000));
        assert!([original, medium, small, Sizes::demo()].iter().all(|sizes| sizes.check().is_ok()));
        for sizes in [medium, small, Sizes::demo()] {
            assert_eq!(World::new(1, sizes).check(), Ok(()));
        }
    }

    #[test]
    fn default_numbers_are_lowered_to_what_fits() {
        for (requested, named) in [
            (Sizes { movies: 10, ..Sizes::demo() }, "movies"),
            (Sizes { movies: 0, ..Sizes::demo() }, "movies"),
            (Sizes { users: 1, ..Sizes::demo() }, "users"),
            (Sizes { users: 0, ..Sizes::demo() }, "users"),
            (Sizes { persons: 0, ..Sizes::demo() }, "persons"),
            (Sizes { sentences_min: 30, ..Sizes::demo() }, "sentences-min"),
            (Sizes { sentences_max: 3, ..Sizes::demo() }, "sentences-max"),
        ] {
            let fitting = World::lower(1, requested, &[named]);
            assert_eq!((fitting.check(), World::new(1, fitting).check()), (Ok(()), Ok(())), "{named}: {fitting:?}");
        }
        let requested = Sizes { movies: 10, presences: 2_000, ..Sizes::demo() };
        let named = World::lower(1, requested, &["movies", "presences"]);
        assert_eq!(named.presences, 2_000);
        assert!(World::new(1, named).check().is_err());
        assert_eq!(World::lower(1, Sizes::demo(), &[]), Sizes::demo());
    }

    #[test]
    fn numbers_that_need_others_are_refused() {
        let refused = Sizes { users: 0, ..Sizes::demo() }.check().unwrap_err();
        assert!(refused.contains("--users"), "{refused}");
        let nobody = Sizes { users: 0, orders: 0, publications: 0, ratings: 0, ..Sizes::demo() };
        assert!(nobody.check().unwrap_err().starts_with("--comments needs --users"));
        assert!(Sizes { sentences_min: 30, ..Sizes::demo() }.check().is_err());
        assert!(Sizes { sentences_min: 25, ..Sizes::demo() }.check().is_ok());
    }
}
