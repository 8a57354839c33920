//! Inputs of the mutations of awards and nominations.

use async_graphql::ID;
use entity::{awards, film_award_nominations_registry as nominations, film_award_registry};
use sea_orm::DbErr;

use super::{FilmAward, FilmAwardNomination, MovieAward};
use crate::kit::Constraint;
use crate::kit::edit::{Editable, References, Unique, editable};
use crate::kit::form::{Form, LONG_TEXT_LENGTH_MAX, line, text};
use crate::movie::Movie;
use crate::person::Person;

editable! {
    MovieAward, fields MovieAwardFields, inputs CreateMovieAwardInput, UpdateMovieAwardInput, DeleteMovieAwardInput;
    required {
        /// The movie.
        movie_id: ID,
        /// The award.
        award_id: ID,
        /// The nomination. A movie can receive an award only once in each nomination.
        nomination_id: ID,
    }
    optional {
        /// The person who received it; null if it went to the whole movie.
        person_id: ID,
    }
}

impl Editable for MovieAward {
    type Fields = MovieAwardFields;

    const WHAT: &'static str = "award of a movie";

    const UNIQUE: &'static [Unique<Self>] = &[Unique {
        columns: &[awards::Column::FilmAwardId, awards::Column::MovieId, awards::Column::NominationId],
        constraint: Constraint::unique(
            "award_nomination_unique_constraint",
            "awards.film_award_id, awards.movie_id, awards.nomination_id",
            "input.nominationId",
            "the movie has this award in this nomination already",
        ),
    }];

    async fn fill(form: &mut Form<'_>, fields: MovieAwardFields, row: &mut awards::ActiveModel) -> Result<(), DbErr> {
        form.must_refer::<Movie>(&mut row.movie_id, "movieId", fields.movie_id, "movie").await?;
        form.must_refer::<FilmAward>(&mut row.film_award_id, "awardId", fields.award_id, "film award").await?;
        let nomination = fields.nomination_id;
        form.must_refer::<FilmAwardNomination>(&mut row.nomination_id, "nominationId", nomination, "nomination")
            .await?;
        form.may_refer::<Person>(&mut row.person_id, "personId", fields.person_id, "person").await
    }
}

editable! {
    FilmAward, fields FilmAwardFields, inputs CreateFilmAwardInput, UpdateFilmAwardInput, DeleteFilmAwardInput;
    required {
        /// The award's name, 1 to 128 characters.
        title: String,
    }
    optional {
        /// What the award is and who gives it, 1 to 20,000 characters.
        description: String,
    }
}

impl Editable for FilmAward {
    type Fields = FilmAwardFields;

    const WHAT: &'static str = "film award";

    async fn fill(
        form: &mut Form<'_>,
        fields: FilmAwardFields,
        row: &mut film_award_registry::ActiveModel,
    ) -> Result<(), DbErr> {
        form.must(&mut row.title, "title", fields.title, line(128));
        form.may(&mut row.description, "description", fields.description, text(LONG_TEXT_LENGTH_MAX));
        Ok(())
    }

    fn references(key: i32) -> Vec<References> {
        vec![References::new(awards::Column::FilmAwardId, key, "award of a movie", "awards of movies")]
    }
}

editable! {
    FilmAwardNomination, fields NominationFields, inputs CreateFilmAwardNominationInput, UpdateFilmAwardNominationInput, DeleteFilmAwardNominationInput;
    required {
        /// The nomination's name, 1 to 128 characters.
        title: String,
    }
    optional {
        /// What the jury judges, 1 to 20,000 characters.
        description: String,
    }
}

impl Editable for FilmAwardNomination {
    type Fields = NominationFields;

    const WHAT: &'static str = "nomination";

    async fn fill(
        form: &mut Form<'_>,
        fields: NominationFields,
        row: &mut nominations::ActiveModel,
    ) -> Result<(), DbErr> {
        form.must(&mut row.title, "title", fields.title, line(128));
        form.may(&mut row.description, "description", fields.description, text(LONG_TEXT_LENGTH_MAX));
        Ok(())
    }

    fn references(key: i32) -> Vec<References> {
        vec![References::new(awards::Column::NominationId, key, "award of a movie", "awards of movies")]
    }
}
