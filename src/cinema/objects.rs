//! Online cinemas and availabilities, and the lists of them.

use entity::{cinema_online, cinema_online_movie_presence as presence};
use graphql::{Context, Description, NoArguments, Object};
use rust_decimal::Decimal;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select};

use super::inputs::{AvailabilitiesArguments, AvailabilityArguments, AvailabilityOrder, CinemaOrder, CinemasArguments};
use crate::error::ApiResult;
use crate::kit::rows::{ContextExt, List, ListSelect, RootList, RowObject, row};
use crate::kit::scalar::{BigInt, DateTime, Money};
use crate::kit::{ByKey, Id};
use crate::movie::Movie;

row! {
    /// An online cinema.
    Cinema of cinema_online [registry: true] {
        id: Id<Cinema>,
        title: String,
        url: String,
    }
}

row! {
    /// A movie that an online cinema offers, with its price and terms.
    Availability of presence {
        id: Id<Availability>,
        price: Money,
        discount_percent: i16 = discount,
        rating: i32,
        view_count: Option<BigInt>,
        updated_at: Option<DateTime> = last_update,
        movie_id: Id<Movie>,
        cinema_id: Id<Cinema>,
    }
}

/// The types of this domain.
pub fn describe(description: &mut Description) {
    description.object(
        Object::<Cinema>::new("An online cinema.")
            .node()
            .column("title", "The name of the cinema.", Cinema::title)
            .column("url", "The URL of the cinema's website.", Cinema::url)
            .edge::<AvailabilityInCinema>("movies", "The movies that the cinema offers, oldest entries first."),
    );
    description.object(
        Object::<Availability>::new("A movie that an online cinema offers, with its price and terms.")
            .node()
            .column("price", "The full price, in roubles.", Availability::price)
            .column(
                "discountPercent",
                "The student discount in per cent, from 0 to 100.",
                Availability::discount_percent,
            )
            .column("rating", "The cinema's rating of the movie, from 1 to 5.", Availability::rating)
            .column(
                "viewCount",
                "The number of times that the movie was watched at the cinema. Null if unknown.",
                Availability::view_count,
            )
            .column("updatedAt", "When the terms were last checked. Null if never.", Availability::updated_at)
            .columns_as(
                "studentPrice",
                "The price for students, in roubles: `price` minus the discount, rounded to kopecks.",
                (Availability::price, Availability::discount_percent),
                |price, discount| student_price(*price, *discount),
            )
            .link("cinema", "The cinema.", Availability::cinema_id)
            .link("movie", "The movie.", Availability::movie_id),
    );
}

/// The price for students: the price minus the discount in per cent.
pub fn student_price(price: Money, discount_percent: i16) -> Money {
    let share = Decimal::new(100 - i64::from(discount_percent), 2);
    Money::round(price.0 * share)
}

/// `Movie.availability`.
#[derive(Clone, Debug)]
pub struct AvailabilityOfMovie {
    /// Only this cinema.
    cinema: Option<Id<Cinema>>,
    /// Only offers at this full price or less.
    price_max: Option<Money>,
}

impl List for AvailabilityOfMovie {
    type Parent = Movie;
    type Row = Availability;
    type Order = ByKey<Availability>;
    type Arguments = AvailabilityArguments;

    const LIST: &'static str = "Movie.availability";

    fn parent_column() -> presence::Column {
        presence::Column::MovieId
    }

    fn rows(&self) -> Select<presence::Entity> {
        let mut rows = presence::Entity::find();
        if let Some(cinema) = self.cinema {
            rows = rows.filter(presence::Column::CinemaId.eq(cinema.key()));
        }
        if let Some(price) = self.price_max {
            rows = rows.filter(presence::Column::Price.lte(price.0));
        }
        rows
    }

    fn new(
        _: &Context,
        AvailabilityArguments { cinema_id, max_price }: &AvailabilityArguments,
    ) -> ApiResult<(Self, Self::Order)> {
        let cinema = cinema_id.as_ref().map(|id| Id::parse("cinemaId", id)).transpose()?;
        Ok((Self { cinema, price_max: *max_price }, ByKey::default()))
    }
}

/// `Cinema.movies`.
#[derive(Clone, Debug)]
pub struct AvailabilityInCinema;

impl List for AvailabilityInCinema {
    type Parent = Cinema;
    type Row = Availability;
    type Order = ByKey<Availability>;
    type Arguments = NoArguments;

    const LIST: &'static str = "Cinema.movies";

    fn parent_column() -> presence::Column {
        presence::Column::CinemaId
    }

    fn new(_: &Context, NoArguments: &NoArguments) -> ApiResult<(Self, Self::Order)> {
        Ok((Self, ByKey::default()))
    }
}

/// `cinemas`.
#[derive(Debug)]
pub struct Cinemas;

impl RootList for Cinemas {
    type Row = Cinema;
    type Arguments = CinemasArguments;
    type Order = CinemaOrder;

    const LIST: &'static str = "cinemas";

    async fn rows(
        context: &Context,
        CinemasArguments { filter, order_by }: &CinemasArguments,
    ) -> ApiResult<ListSelect<Self>> {
        Ok((filter.clone().unwrap_or_default().rows(context.db()).await?, *order_by))
    }
}

/// `availabilities`.
#[derive(Debug)]
pub struct Availabilities;

impl RootList for Availabilities {
    type Row = Availability;
    type Arguments = AvailabilitiesArguments;
    type Order = AvailabilityOrder;

    const LIST: &'static str = "availabilities";

    async fn rows(
        _: &Context,
        AvailabilitiesArguments { order_by }: &AvailabilitiesArguments,
    ) -> ApiResult<ListSelect<Self>> {
        Ok((presence::Entity::find(), *order_by))
    }
}
