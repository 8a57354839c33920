//! The filter and the orders of the list of movies.

use async_graphql::{Enum, ID, InputObject};
use entity::{
    awards, cinema_online_movie_presence as presence, movie_staff_m2m, movie_tags, movie_titles, movies, rating_totals,
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, JoinType, QueryFilter, QuerySelect, RelationTrait, Select};

use super::AgeRating;
use crate::award::FilmAward;
use crate::cinema::Cinema;
use crate::db::ReadPool;
use crate::error::ApiResult;
use crate::kit::scalar::Money;
use crate::kit::{FoldedTexts, Id, IntRange, PageOrder, SortKey, check_text, choice_name, has_row, has_text};
use crate::person::Person;
use crate::rating;
use crate::tag::TagFilter;

/// Which movies to list. Conditions that are named must all hold; movies that lack the value
/// of one do not fulfil it.
#[derive(Clone, Debug, Default, InputObject)]
pub struct MovieFilter {
    /// Only those whose title or original title holds this text, whatever the case, ё or е; a
    /// text of one or two letters must stand at its beginning. A blank one asks for nothing.
    title: Option<String>,
    /// Only of these years.
    year: Option<IntRange>,
    /// Only from this country, in Russian and just as written.
    country: Option<String>,
    /// Only with this rating of the catalogue.
    rating: Option<IntRange>,
    /// Only of this length.
    duration_minutes: Option<IntRange>,
    /// Only with one of these age ratings; none if the list is empty.
    age_rating: Option<Vec<AgeRating>>,
    /// Only with these tags.
    tags: Option<TagFilter>,
    /// Only those that this person had a part in.
    person_id: Option<ID>,
    /// Only those that received this award.
    award_id: Option<ID>,
    /// Only those that this cinema shows.
    cinema_id: Option<ID>,
    /// Only those that a cinema shows, `cinemaId` if named, at this price or less, in roubles
    /// without discounts.
    max_price: Option<Money>,
}

/// Where folded titles stand.
const TITLES: FoldedTexts<movie_titles::Entity> = FoldedTexts {
    owner: movie_titles::Column::MovieId,
    texts: &[movie_titles::Column::Title, movie_titles::Column::Original],
    by_words: false,
};

impl MovieFilter {
    /// The rows that the filter leaves.
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

/// The order of a list of movies. Movies without the value come last in either direction.
/// Equal ones come in the order of their registration, reversed in descending orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum MovieOrder {
    /// The latest registered first.
    #[default]
    Newest,
    /// The earliest registered first.
    Oldest,
    /// By title, alphabetically: case makes no difference, and ё is е.
    Title,
    /// By title, in reverse alphabetical order.
    TitleDesc,
    /// By year of the première, the earliest first.
    Year,
    /// By year of the première, the latest first.
    YearDesc,
    /// By the catalogue's own rating, the lowest first.
    Rating,
    /// By the catalogue's own rating, the highest first.
    RatingDesc,
    /// By the average of users' ratings, the lowest first.
    UserRating,
    /// By the average of users' ratings, the highest first.
    UserRatingDesc,
    /// By earnings in cinemas, the lowest first.
    BoxOffice,
    /// By earnings in cinemas, the highest first.
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
