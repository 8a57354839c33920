//! Mutations of awards, and of the registries of awards and nominations.

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
    MovieAward as award, fields MovieAwardFields, mutations MovieAwardMutation;
    /// Adds that a movie received an award. For editors.
    create_movie_award(CreateMovieAwardInput) -> CreateMovieAwardPayload;
    /// Changes which movie received which award. For editors.
    update_movie_award(UpdateMovieAwardInput) -> UpdateMovieAwardPayload;
    /// Deletes that a movie received an award. For editors.
    delete_movie_award(DeleteMovieAwardInput) -> DeleteMovieAwardPayload;
    required {
        /// The movie.
        movie_id: ID,
        /// The award.
        award_id: ID,
        /// The nomination. A movie receives an award in a nomination once.
        nomination_id: ID,
    }
    optional {
        /// Who received it; null when it went to the movie as a whole.
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
    FilmAward as film_award, fields FilmAwardFields, mutations FilmAwardMutation;
    /// Adds an award that movies can receive. For editors.
    create_film_award(CreateFilmAwardInput) -> CreateFilmAwardPayload;
    /// Changes an award that movies can receive. For editors.
    update_film_award(UpdateFilmAwardInput) -> UpdateFilmAwardPayload;
    /// Deletes an award. One that a movie has received is a `CONFLICT`. For editors.
    delete_film_award(DeleteFilmAwardInput) -> DeleteFilmAwardPayload;
    required {
        /// Its name, of 1 to 128 characters.
        title: String,
    }
    optional {
        /// What the award is and who gives it, of 1 to 20,000 characters.
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
    FilmAwardNomination as nomination, fields NominationFields, mutations NominationMutation;
    /// Adds a nomination in which awards are given. For editors.
    create_film_award_nomination(CreateFilmAwardNominationInput) -> CreateFilmAwardNominationPayload;
    /// Changes a nomination in which awards are given. For editors.
    update_film_award_nomination(UpdateFilmAwardNominationInput) -> UpdateFilmAwardNominationPayload;
    /// Deletes a nomination. One in which a movie has received an award is a `CONFLICT`. For editors.
    delete_film_award_nomination(DeleteFilmAwardNominationInput) -> DeleteFilmAwardNominationPayload;
    required {
        /// Its name, of 1 to 128 characters.
        title: String,
    }
    optional {
        /// What is judged in it, of 1 to 20,000 characters.
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
