//! Mutations of movies.

use entity::{awards, movies, user_movie_orders};
use sea_orm::{ActiveEnum, DbErr};

use super::{AgeRating, Movie};
use crate::kit::Problems;
use crate::kit::edit::{Editable, References, editable};
use crate::kit::form::{Form, LONG_TEXT_LENGTH_MAX, line, money, text, whole};
use crate::kit::scalar::Money;
use crate::tag;

editable! {
    Movie as movie, fields MovieFields, mutations MovieMutation;
    /// Adds a movie or a series. For editors.
    create_movie(CreateMovieInput) -> CreateMoviePayload;
    /// Changes a movie or a series. For editors.
    update_movie(UpdateMovieInput) -> UpdateMoviePayload;
    /// Deletes a movie, with its staff entries, where it is shown, its comments and its ratings. One
    /// that has an award or was ordered is a `CONFLICT`. For editors.
    delete_movie(DeleteMovieInput) -> DeleteMoviePayload;
    required {
        /// The title in Russian, of 1 to 256 characters.
        title: String,
        /// How long it runs, in minutes.
        duration_minutes: i32,
    }
    optional {
        /// The number under which it is registered, of 1 to 12 characters.
        isbn: String,
        /// The title in the language of the original, of 1 to 256 characters.
        original_title: String,
        /// The country of production, in Russian, of 1 to 128 characters.
        country: String,
        /// The year of the première, 1880 to 2200.
        year: i32,
        /// What the production cost, in roubles.
        budget: Money,
        /// What it earned in cinemas, in roubles.
        box_office: Money,
        /// The catalogue's own rating, from 1 to 5.
        rating: i32,
        /// The age from which it may be watched.
        age_rating: AgeRating,
        /// The titles of its tags, 20 at most, just as `tags` lists them.
        tags: Vec<String>,
        /// What it is about, of 1 to 20,000 characters.
        plot: String,
    }
}

impl Editable for Movie {
    type Fields = MovieFields;

    const WHAT: &'static str = "movie";

    async fn fill(form: &mut Form<'_>, fields: MovieFields, row: &mut movies::ActiveModel) -> Result<(), DbErr> {
        form.must(&mut row.title, "title", fields.title, line(TITLE_LENGTH_MAX));
        form.must(&mut row.duration, "durationMinutes", fields.duration_minutes, whole(0..=i32::MAX));
        form.may(&mut row.isbn, "isbn", fields.isbn, line(12));
        form.may(&mut row.title_original, "originalTitle", fields.original_title, line(TITLE_LENGTH_MAX));
        form.may(&mut row.country, "country", fields.country, line(128));
        form.may(&mut row.year, "year", fields.year, whole(1880..=2200));
        form.may(&mut row.budget, "budget", fields.budget, money(13));
        form.may(&mut row.boxoffice, "boxOffice", fields.box_office, money(13));
        form.may(&mut row.rating, "rating", fields.rating, whole(1..=5));
        let mark = |_: &mut Problems, _: &str, rating: AgeRating| rating.to_value();
        form.may(&mut row.rars, "ageRating", fields.age_rating, mark);
        tag::service::fill(form, &mut row.tags, fields.tags).await?;
        form.may(&mut row.subject, "plot", fields.plot, text(LONG_TEXT_LENGTH_MAX));
        Ok(())
    }

    fn references(key: i32) -> Vec<References> {
        vec![
            References::new(awards::Column::MovieId, key, "award", "awards"),
            References::new(user_movie_orders::Column::MovieId, key, "order", "orders"),
        ]
    }
}

/// Characters of a title at most: an index holds them.
const TITLE_LENGTH_MAX: usize = 256;
