//! Inputs of the mutations of awards and nominations.

use async_graphql::ID;
use entity::awards;

use super::{FilmAward, FilmAwardNomination, MovieAward};
use crate::kit::Constraint;
use crate::kit::edit::{Editable, References, Unique, reference};
use crate::kit::fields::fields;
use crate::kit::form::{LONG_TEXT_LENGTH_MAX, line, text};
use crate::movie::Movie;
use crate::person::Person;

fields! {
    MovieAward: CreateMovieAwardInput, UpdateMovieAwardInput, DeleteMovieAwardInput;
    required {
        /// The id of the movie.
        movie_id: ID => reference::<Movie>(),
        /// The id of the award.
        award_id as film_award_id: ID => reference::<FilmAward>(),
        /// The id of the nomination. A movie can receive an award only once in each nomination.
        nomination_id: ID => reference::<FilmAwardNomination>(),
    }
    optional {
        /// The id of the person who received the award. Null if the award went to the whole movie.
        person_id: ID => reference::<Person>(),
    }
}

impl Editable for MovieAward {
    const WHAT: &'static str = "award of a movie";

    const UNIQUE: &'static [Unique<Self>] = &[Unique {
        columns: &[awards::Column::FilmAwardId, awards::Column::MovieId, awards::Column::NominationId],
        constraint: Constraint::unique(
            "award_nomination_unique_constraint",
            "awards.film_award_id, awards.movie_id, awards.nomination_id",
            "input.nominationId",
            "the movie already has this award in this nomination",
        ),
    }];
}

fields! {
    FilmAward: CreateFilmAwardInput, UpdateFilmAwardInput, DeleteFilmAwardInput;
    required {
        /// The name of the award, 1 to 128 characters.
        title: String => line(128),
    }
    optional {
        /// A description of the award and of the organisation behind it, 1 to 20,000 characters.
        description: String => text(LONG_TEXT_LENGTH_MAX),
    }
}

impl Editable for FilmAward {
    const WHAT: &'static str = "film award";

    fn references(key: i32) -> Vec<References> {
        vec![References::new(awards::Column::FilmAwardId, key, "award of a movie", "awards of movies")]
    }
}

fields! {
    FilmAwardNomination: CreateFilmAwardNominationInput, UpdateFilmAwardNominationInput, DeleteFilmAwardNominationInput;
    required {
        /// The name of the nomination, 1 to 128 characters.
        title: String => line(128),
    }
    optional {
        /// A description of what the jury judges, 1 to 20,000 characters.
        description: String => text(LONG_TEXT_LENGTH_MAX),
    }
}

impl Editable for FilmAwardNomination {
    const WHAT: &'static str = "nomination";

    fn references(key: i32) -> Vec<References> {
        vec![References::new(awards::Column::NominationId, key, "award of a movie", "awards of movies")]
    }
}
