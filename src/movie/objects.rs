//! The movie, and the list of movies.

use async_graphql::Enum;
use entity::movies;
use graphql::{Context, Description, Object};
use sea_orm::prelude::Json;
use sea_orm::sea_query::StringLen;
use sea_orm::{DeriveActiveEnum, EnumIter};

use super::inputs::{MovieOrder, MoviesArguments};
use crate::award::AwardsOfMovie;
use crate::cinema::AvailabilityOfMovie;
use crate::comment::CommentsOfMovie;
use crate::error::ApiResult;
use crate::kit::rows::cell::choice_cells;
use crate::kit::rows::{ContextExt, KEY, ListSelect, RootList, RowObject, WideColumn, row};
use crate::kit::scalar::Money;
use crate::kit::{Id, json_strings};
use crate::rating::objects::{RatingTotals, ViewerRating};
use crate::staff::StaffOfMovie;

row! {
    /// A movie or a series in the catalogue.
    Movie of movies {
        id: Id<Movie>,
        isbn: Option<String>,
        title: String,
        original_title: Option<String> = title_original,
        country: Option<String>,
        year: Option<i16>,
        budget: Option<Money>,
        box_office: Option<Money> = boxoffice,
        rating: Option<i16>,
        duration_minutes: i32 = duration,
        age_rating: Option<AgeRating> = rars,
        tags: Option<Json>,
    }
}

/// The Russian age rating (RARS).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(12))")]
pub enum AgeRating {
    /// All ages (0+).
    #[sea_orm(string_value = "0+")]
    From0,
    /// Ages 6 and up (6+).
    #[sea_orm(string_value = "6+")]
    From6,
    /// Ages 12 and up (12+).
    #[sea_orm(string_value = "12+")]
    From12,
    /// Ages 16 and up (16+).
    #[sea_orm(string_value = "16+")]
    From16,
    /// Adults only (18+).
    #[sea_orm(string_value = "18+")]
    From18,
}

choice_cells!(AgeRating);
graphql::enum_leaves!(AgeRating);

/// The plot. It is read only if it is selected.
struct Plot;

impl WideColumn for Plot {
    type Row = Movie;

    fn column() -> movies::Column {
        movies::Column::Subject
    }
}

/// The types of this domain.
pub fn describe(description: &mut Description) {
    description.object(
        Object::<Movie>::new("A movie or a series in the catalogue.")
            .node()
            .column("isbn", "The registration number, at most 12 characters.", Movie::isbn)
            .column("title", "The title in Russian.", Movie::title)
            .column("originalTitle", "The title in the original language.", Movie::original_title)
            .column("country", "The country of production, in Russian.", Movie::country)
            .column("year", "The year of the premiere.", Movie::year)
            .column("budget", "The production budget, in roubles.", Movie::budget)
            .column("boxOffice", "The box-office revenue, in roubles.", Movie::box_office)
            .column("rating", "The rating in the catalogue, from 1 to 5.", Movie::rating)
            .column("durationMinutes", "The running time, in minutes.", Movie::duration_minutes)
            .column("ageRating", "The Russian age rating.", Movie::age_rating)
            .column_as("tags", "The titles of the movie's tags, such as \"Драма\".", Movie::tags, |tags| {
                json_strings(tags.as_ref()).into_iter().map(str::to_owned).collect::<Vec<_>>()
            })
            .text::<Plot>("plot", "A summary of the plot.")
            .costs(8)
            .batch::<RatingTotals>("userRating", "A summary of all users' ratings of the movie.")
            .needs(KEY)
            .batch::<ViewerRating>(
                "viewerRating",
                "The viewer's rating, from 1 to 5. Null if the viewer has not rated the movie or is not signed in.",
            )
            .needs(KEY)
            .personal()
            .edge::<StaffOfMovie>("staff", "The cast and crew, in the order of the credits.")
            .edge::<AwardsOfMovie>("awards", "The awards of the movie and of the people who made it.")
            .edge::<AvailabilityOfMovie>(
                "availability",
                "The online cinemas that offer the movie, oldest entries first.",
            )
            .edge::<CommentsOfMovie>("comments", "The top-level comments. Each comment has its `replies`."),
    );
}

/// `movies`.
#[derive(Debug)]
pub struct Movies;

impl RootList for Movies {
    type Row = Movie;
    type Arguments = MoviesArguments;
    type Order = MovieOrder;

    const LIST: &'static str = "movies";

    async fn rows(
        context: &Context,
        MoviesArguments { filter, order_by }: &MoviesArguments,
    ) -> ApiResult<ListSelect<Self>> {
        Ok((filter.clone().unwrap_or_default().rows(context.db()).await?, *order_by))
    }
}
