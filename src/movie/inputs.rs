//! Inputs of movies: the filter and the orders of the list, and the inputs of mutations.

use async_graphql::{Enum, ID, InputObject};
use entity::{
    awards, cinema_online_movie_presence as presence, movie_staff_m2m, movie_tags, movie_titles, movies, rating_totals,
    user_movie_orders,
};
use sea_orm::{
    ActiveEnum, ColumnTrait, Condition, EntityTrait, JoinType, QueryFilter, QuerySelect, RelationTrait, Select,
};

use super::{AgeRating, Movie};
use crate::award::FilmAward;
use crate::cinema::Cinema;
use crate::db::ReadPool;
use crate::error::ApiResult;
use crate::kit::edit::{Editable, References};
use crate::kit::fields::fields;
use crate::kit::form::{LONG_TEXT_LENGTH_MAX, line, money, text, whole};
use crate::kit::scalar::Money;
use crate::kit::{FoldedTexts, Id, IntRange, PageOrder, Problems, SortKey, check_text, choice_name, has_row, has_text};
use crate::person::Person;
use crate::rating;
use crate::tag::TagFilter;
use crate::tag::service::KnownTags;

/// A filter for movies. A movie must meet all conditions. A movie without a value never meets a condition on it.
#[derive(Clone, Debug, Default, InputObject)]
pub struct MovieFilter {
    /// Only movies whose title or original title contains this text. Case is ignored, and ё equals е. A text of one or
    /// two letters matches only the beginning of a title. Blank text is ignored.
    title: Option<String>,
    /// Only movies from these years.
    year: Option<IntRange>,
    /// Only movies from this country, in Russian. The name must match the catalogue's spelling exactly.
    country: Option<String>,
    /// Only movies with a catalogue rating in this range.
    rating: Option<IntRange>,
    /// Only movies with a running time in this range.
    duration_minutes: Option<IntRange>,
    /// Only movies with one of these age ratings. An empty list matches nothing.
    age_rating: Option<Vec<AgeRating>>,
    /// Only movies with these tags.
    tags: Option<TagFilter>,
    /// Only movies that this person worked on.
    person_id: Option<ID>,
    /// Only movies that received this award.
    award_id: Option<ID>,
    /// Only movies that this cinema offers.
    cinema_id: Option<ID>,
    /// Only movies that a cinema offers at this full price or less, in roubles. If `cinemaId` is set, it must be that
    /// cinema.
    max_price: Option<Money>,
}

/// Where folded titles are stored.
const TITLES: FoldedTexts<movie_titles::Entity> = FoldedTexts {
    owner: movie_titles::Column::MovieId,
    texts: &[movie_titles::Column::Title, movie_titles::Column::Original],
    by_words: false,
};

impl MovieFilter {
    /// The rows that match the filter.
    pub(super) async fn rows(self, db: &ReadPool) -> ApiResult<Select<movies::Entity>> {
        let ranges = [
            (self.year, "filter.year", movies::Column::Year),
            (self.rating, "filter.rating", movies::Column::Rating),
            (self.duration_minutes, "filter.durationMinutes", movies::Column::Duration),
        ];
        let mut condition = Condition::all();
        for (range, field, column) in ranges {
            condition = condition.add_option(range.map(|range| range.condition(field, column)).transpose()?);
        }
        let title = has_text(db, movies::Column::Id, TITLES, "filter.title", self.title).await?;
        let country = self.country.map(|country| check_text("filter.country", country)).transpose()?;
        let person = self.person_id.map(|id| Id::<Person>::parse("filter.personId", &id)).transpose()?;
        let award = self.award_id.map(|id| Id::<FilmAward>::parse("filter.awardId", &id)).transpose()?;
        let cinema = self.cinema_id.map(|id| Id::<Cinema>::parse("filter.cinemaId", &id)).transpose()?;
        let tags = self.tags.map(|tags| {
            tags.condition::<movie_tags::Entity>(
                "filter.tags",
                movie_tags::Column::MovieId,
                movie_tags::Column::Tag,
                movies::Column::Id,
            )
        });
        let shown = (cinema.is_some() || self.max_price.is_some()).then(|| {
            Condition::all()
                .add_option(cinema.map(|id| presence::Column::CinemaId.eq(id.key())))
                .add_option(self.max_price.map(|price| presence::Column::Price.lte(price.0)))
        });
        Ok(movies::Entity::find().filter(
            condition
                .add_option(title)
                .add_option(country.map(|country| movies::Column::Country.eq(country)))
                .add_option(self.age_rating.map(|marks| movies::Column::Rars.is_in(marks)))
                .add_option(person.map(|id| {
                    has_row::<movie_staff_m2m::Entity>(
                        movie_staff_m2m::Column::MovieId,
                        movies::Column::Id,
                        movie_staff_m2m::Column::PersonId.eq(id.key()),
                    )
                }))
                .add_option(award.map(|id| {
                    let terms = awards::Column::FilmAwardId.eq(id.key());
                    has_row::<awards::Entity>(awards::Column::MovieId, movies::Column::Id, terms)
                }))
                .add_option(
                    shown
                        .map(|terms| has_row::<presence::Entity>(presence::Column::MovieId, movies::Column::Id, terms)),
                )
                .add_option(tags.transpose()?),
        ))
    }
}

/// The sort order of a list of movies. Movies without the value come last. Ties are sorted by registration: earliest
/// first, or latest first in a descending order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum MovieOrder {
    /// Most recently registered first.
    #[default]
    Newest,
    /// Earliest registered first.
    Oldest,
    /// By title, alphabetically. Case is ignored, and ё equals е.
    Title,
    /// By title, in reverse alphabetical order.
    TitleDesc,
    /// By year of the premiere, earliest first.
    Year,
    /// By year of the premiere, latest first.
    YearDesc,
    /// By rating in the catalogue, lowest first.
    Rating,
    /// By rating in the catalogue, highest first.
    RatingDesc,
    /// By average user rating, lowest first.
    UserRating,
    /// By average user rating, highest first.
    UserRatingDesc,
    /// By box-office revenue, lowest first.
    BoxOffice,
    /// By box-office revenue, highest first.
    BoxOfficeDesc,
}

impl PageOrder for MovieOrder {
    type Entity = movies::Entity;

    fn tag(self) -> &'static str {
        choice_name(self)
    }

    fn keys(self) -> Vec<SortKey> {
        let first = match self {
            Self::Title | Self::TitleDesc => {
                return [movie_titles::Column::Title, movie_titles::Column::MovieId].map(SortKey::column).into();
            }
            Self::UserRating | Self::UserRatingDesc => {
                return rating::order_keys(rating_totals::Column::MovieId);
            }
            Self::Newest | Self::Oldest => None,
            Self::Year | Self::YearDesc => Some(movies::Column::Year),
            Self::Rating | Self::RatingDesc => Some(movies::Column::Rating),
            Self::BoxOffice | Self::BoxOfficeDesc => Some(movies::Column::Boxoffice),
        };
        first.into_iter().chain([movies::Column::Id]).map(SortKey::column).collect()
    }

    fn join(self, rows: Select<movies::Entity>) -> Select<movies::Entity> {
        match self {
            Self::Title | Self::TitleDesc => rows.join_rev(JoinType::InnerJoin, movie_titles::Relation::Movies.def()),
            Self::UserRating | Self::UserRatingDesc => {
                rating::join_totals(rows, rating_totals::Relation::Movies.def(), rating_totals::Column::MovieId)
            }
            _ => rows,
        }
    }
}

/// The maximum length of a title in characters. Titles are in an index, which limits their length.
const TITLE_LENGTH_MAX: usize = 256;

fields! {
    Movie: CreateMovieInput, UpdateMovieInput, DeleteMovieInput;
    required {
        /// The title in Russian, 1 to 256 characters.
        title: String => line(TITLE_LENGTH_MAX),
        /// The running time, in minutes.
        duration_minutes as duration: i32 => whole(0..=i32::MAX),
    }
    optional {
        /// The registration number, 1 to 12 characters.
        isbn: String => line(12),
        /// The title in the original language, 1 to 256 characters.
        original_title as title_original: String => line(TITLE_LENGTH_MAX),
        /// The country of production, in Russian, 1 to 128 characters.
        country: String => line(128),
        /// The year of the premiere, 1880 to 2200.
        year: i32 => whole(1880..=2200),
        /// The production budget, in roubles.
        budget: Money => money(13),
        /// The box-office revenue, in roubles.
        box_office as boxoffice: Money => money(13),
        /// The rating in the catalogue, from 1 to 5.
        rating: i32 => whole(1..=5),
        /// The Russian age rating.
        age_rating as rars: AgeRating => check_age_rating,
        /// The titles of the movie's tags, at most 20. They must match the titles in `tags` exactly.
        tags: Vec<String> => KnownTags,
        /// A summary of the plot, 1 to 20,000 characters.
        plot as subject: String => text(LONG_TEXT_LENGTH_MAX),
    }
}

fn check_age_rating(_: &mut Problems, _: &str, rating: AgeRating) -> String {
    rating.to_value()
}

impl Editable for Movie {
    const WHAT: &'static str = "movie";

    fn references(key: i32) -> Vec<References> {
        vec![
            References::new(awards::Column::MovieId, key, "award", "awards"),
            References::new(user_movie_orders::Column::MovieId, key, "order", "orders"),
        ]
    }
}

/// Which movies to list, and in which order.
#[derive(Debug, InputObject)]
pub struct MoviesArguments {
    /// The filter. If omitted, all movies are listed.
    pub(super) filter: Option<MovieFilter>,
    /// The sort order of the list. A cursor is valid only in the order that returned it.
    #[graphql(default)]
    pub(super) order_by: MovieOrder,
}
