//! The filter and the orders of the list of movies.

use async_graphql::{Enum, ID, InputObject};
use entity::{awards, cinema_online_movie_presence as presence, movie_staff_m2m, movies};
use sea_orm::sea_query::{Expr, ExprTrait, IntoCondition};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select};

use super::AgeRating;
use crate::award::FilmAward;
use crate::cinema::Cinema;
use crate::error::ApiResult;
use crate::kit::scalar::Money;
use crate::kit::{Id, IntRange, PageOrder, SortKey, check_text};
use crate::person::Person;

/// Which movies to list. Conditions that are named must all hold; movies that lack the value
/// of one do not fulfil it.
#[derive(Clone, Debug, Default, InputObject)]
pub struct MovieFilter {
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

impl MovieFilter {
    /// The rows that the filter leaves.
    pub(super) fn rows(self) -> ApiResult<Select<movies::Entity>> {
        let ranges = [
            (self.year, "filter.year", movies::Column::Year),
            (self.rating, "filter.rating", movies::Column::Rating),
            (self.duration_minutes, "filter.durationMinutes", movies::Column::Duration),
        ];
        let mut condition = Condition::all();
        for (range, field, column) in ranges {
            condition = condition.add_option(range.map(|range| range.condition(field, column)).transpose()?);
        }
        let country = self.country.map(|country| check_text("filter.country", country)).transpose()?;
        let person = self.person_id.map(|id| Id::<Person>::parse("filter.personId", &id)).transpose()?;
        let award = self.award_id.map(|id| Id::<FilmAward>::parse("filter.awardId", &id)).transpose()?;
        let cinema = self.cinema_id.map(|id| Id::<Cinema>::parse("filter.cinemaId", &id)).transpose()?;
        let shown = (cinema.is_some() || self.max_price.is_some()).then(|| {
            Condition::all()
                .add_option(cinema.map(|id| presence::Column::CinemaId.eq(id.key())))
                .add_option(self.max_price.map(|price| presence::Column::Price.lte(price.0)))
        });
        Ok(movies::Entity::find().filter(
            condition
                .add_option(country.map(|country| movies::Column::Country.eq(country)))
                .add_option(self.age_rating.map(|marks| movies::Column::Rars.is_in(marks)))
                .add_option(person.map(|id| {
                    has_movie::<movie_staff_m2m::Entity>(
                        movie_staff_m2m::Column::MovieId,
                        movie_staff_m2m::Column::PersonId.eq(id.key()),
                    )
                }))
                .add_option(award.map(|id| {
                    has_movie::<awards::Entity>(awards::Column::MovieId, awards::Column::FilmAwardId.eq(id.key()))
                }))
                .add_option(shown.map(|terms| has_movie::<presence::Entity>(presence::Column::MovieId, terms))),
        ))
    }
}

/// A row of another table belongs to the movie and fulfils `terms`.
fn has_movie<E: EntityTrait>(movie_id: E::Column, terms: impl IntoCondition) -> Expr {
    let rows = E::find()
        .select_only()
        .expr(Expr::cust("1"))
        .filter(movie_id.into_expr().eq(movies::Column::Id.into_expr()))
        .filter(terms);
    Expr::exists(rows.into_query())
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
    /// By year of the première, the earliest first.
    Year,
    /// By year of the première, the latest first.
    YearDesc,
    /// By the catalogue's own rating, the lowest first.
    Rating,
    /// By the catalogue's own rating, the highest first.
    RatingDesc,
    /// By earnings in cinemas, the lowest first.
    BoxOffice,
    /// By earnings in cinemas, the highest first.
    BoxOfficeDesc,
}

impl PageOrder for MovieOrder {
    type Entity = movies::Entity;

    fn tag(self) -> &'static str {
        match self {
            Self::Newest => "NEWEST",
            Self::Oldest => "OLDEST",
            Self::Year => "YEAR",
            Self::YearDesc => "YEAR_DESC",
            Self::Rating => "RATING",
            Self::RatingDesc => "RATING_DESC",
            Self::BoxOffice => "BOX_OFFICE",
            Self::BoxOfficeDesc => "BOX_OFFICE_DESC",
        }
    }

    fn descending(self) -> bool {
        matches!(self, Self::Newest | Self::YearDesc | Self::RatingDesc | Self::BoxOfficeDesc)
    }

    fn keys(self) -> Vec<SortKey> {
        let first = match self {
            Self::Newest | Self::Oldest => None,
            Self::Year | Self::YearDesc => Some(movies::Column::Year),
            Self::Rating | Self::RatingDesc => Some(movies::Column::Rating),
            Self::BoxOffice | Self::BoxOfficeDesc => Some(movies::Column::Boxoffice),
        };
        first.into_iter().chain([movies::Column::Id]).map(SortKey::column).collect()
    }
}
