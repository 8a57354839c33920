//! Online cinemas, and which movies they show at what price.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::{cinema_online, cinema_online_movie_presence as presence, cinema_titles};
use rust_decimal::Decimal;
use sea_orm::{
    ColumnTrait, Condition, DerivePartialModel, EntityTrait, JoinType, QueryFilter, QuerySelect, RelationTrait, Select,
};

use crate::db::ReadPool;
use crate::error::ApiResult;
use crate::kit::scalar::{BigInt, DateTime, Money};
use crate::kit::{
    ByKey, ContextExt, Edge, FoldedTexts, Id, InPlace, Page, PageArgs, PageOrder, SortKey, choice_name, has_text, node,
    page,
};
use crate::movie::Movie;

/// An online cinema.
#[derive(Clone, Debug, SimpleObject, DerivePartialModel)]
#[graphql(complex)]
#[sea_orm(entity = "cinema_online::Entity")]
pub struct Cinema {
    /// The opaque id, the same in every answer.
    pub id: Id<Cinema>,
    /// The cinema's name.
    title: String,
    /// The address of its site.
    url: String,
}

/// That a movie can be watched in an online cinema, and on what terms.
#[derive(Clone, Debug, SimpleObject, DerivePartialModel)]
#[graphql(complex)]
#[sea_orm(entity = "presence::Entity")]
pub struct Availability {
    /// The opaque id, the same in every answer.
    pub id: Id<Availability>,
    /// The price in roubles, without discounts.
    price: Money,
    /// The discount for students, in per cent from 0 to 100.
    #[sea_orm(from_col = "discount")]
    discount_percent: i16,
    /// The rating that the cinema gives the movie, from 1 to 5.
    rating: i32,
    /// How often the movie was watched there; null when the cinema does not tell.
    view_count: Option<BigInt>,
    /// When these terms were last looked up.
    #[sea_orm(from_col = "last_update")]
    updated_at: Option<DateTime>,
    #[graphql(skip)]
    movie_id: Id<Movie>,
    #[graphql(skip)]
    cinema_id: Id<Cinema>,
}

#[ComplexObject]
impl Cinema {
    /// The movies that the cinema shows, in the order of arrival.
    async fn movies(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> ApiResult<Page<Availability>> {
        ctx.children(self.id.key(), AvailabilityInCinema, ByKey::default(), PageArgs { first, after, last, before })
            .await
    }
}

#[ComplexObject]
impl Availability {
    /// The price for students in roubles: the price less the discount, rounded to kopecks.
    async fn student_price(&self) -> Money {
        student_price(self.price, self.discount_percent)
    }

    /// The cinema.
    async fn cinema(&self, ctx: &Context<'_>) -> ApiResult<InPlace<Cinema>> {
        ctx.load(self.cinema_id).await.map(InPlace)
    }

    /// The movie.
    async fn movie(&self, ctx: &Context<'_>) -> ApiResult<InPlace<Movie>> {
        ctx.load(self.movie_id).await.map(InPlace)
    }
}

/// What students pay: the price less so many per cent.
pub fn student_price(price: Money, discount_percent: i16) -> Money {
    let share = Decimal::new(100 - i64::from(discount_percent), 2);
    Money::round(price.0 * share)
}

node!(Cinema, cinema_online, kept: true);
node!(Availability, presence);

/// `Movie.availability`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AvailabilityOfMovie {
    /// Only in this cinema.
    pub cinema: Option<Id<Cinema>>,
    /// Only at this price or less.
    pub price_max: Option<Money>,
}

impl Edge for AvailabilityOfMovie {
    type Node = Availability;
    type Order = ByKey<Availability>;

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
}

/// `Cinema.movies`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AvailabilityInCinema;

impl Edge for AvailabilityInCinema {
    type Node = Availability;
    type Order = ByKey<Availability>;

    const LIST: &'static str = "Cinema.movies";

    fn parent_column() -> presence::Column {
        presence::Column::CinemaId
    }
}

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct CinemaQuery;

#[Object]
impl CinemaQuery {
    /// The online cinema with this id, or null if there is none.
    async fn cinema(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of an online cinema.")] id: ID,
    ) -> ApiResult<Option<InPlace<Cinema>>> {
        Ok(ctx.find(Id::parse("id", &id)?).await?.map(InPlace))
    }

    /// The online cinemas.
    #[expect(clippy::too_many_arguments, reason = "the four Relay arguments, a filter and an order")]
    async fn cinemas(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
        #[graphql(desc = "Which cinemas to list; all if left out.")] filter: Option<CinemaFilter>,
        #[graphql(desc = "The order of the list. Its cursors are good for this order only.", default)]
        order_by: CinemaOrder,
    ) -> ApiResult<Page<Cinema>> {
        let rows = filter.unwrap_or_default().rows(ctx.db()).await?;
        page::load(ctx.db(), "cinemas", rows, order_by, PageArgs { first, after, last, before }).await
    }

    /// Which movies can be watched where, over all movies and cinemas.
    async fn availabilities(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
        #[graphql(desc = "The order of the list. Its cursors are good for this order only.", default)]
        order_by: AvailabilityOrder,
    ) -> ApiResult<Page<Availability>> {
        let args = PageArgs { first, after, last, before };
        page::load(ctx.db(), "availabilities", presence::Entity::find(), order_by, args).await
    }
}

/// Which online cinemas to list.
#[derive(Clone, Debug, Default, InputObject)]
pub struct CinemaFilter {
    /// Only cinemas whose title contains this text. Case does not matter, and ё equals е. A text of one or two
    /// letters must start the title. A blank text is ignored.
    title: Option<String>,
}

/// Where folded titles stand.
const TITLES: FoldedTexts<cinema_titles::Entity> =
    FoldedTexts { owner: cinema_titles::Column::CinemaId, texts: &[cinema_titles::Column::Title], by_words: false };

impl CinemaFilter {
    pub(super) async fn rows(self, db: &ReadPool) -> ApiResult<Select<cinema_online::Entity>> {
        let title = has_text(db, cinema_online::Column::Id, TITLES, "filter.title", self.title).await?;
        Ok(cinema_online::Entity::find().filter(Condition::all().add_option(title)))
    }
}

/// The order of a list of online cinemas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum CinemaOrder {
    /// Alphabetically by title. Case does not matter, and ё equals е.
    #[default]
    Title,
    /// In reverse alphabetical order by title.
    TitleDesc,
}

impl PageOrder for CinemaOrder {
    type Entity = cinema_online::Entity;

    fn tag(self) -> &'static str {
        choice_name(self)
    }

    fn keys(self) -> Vec<SortKey> {
        [cinema_titles::Column::Title, cinema_titles::Column::CinemaId].map(SortKey::column).into()
    }

    fn join(self, rows: Select<cinema_online::Entity>) -> Select<cinema_online::Entity> {
        rows.join_rev(JoinType::InnerJoin, cinema_titles::Relation::CinemaOnline.def())
    }
}

/// The order of a list of availabilities. Those whose terms were never checked come last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum AvailabilityOrder {
    /// The least recently checked first.
    #[default]
    UpdatedAt,
    /// The most recently checked first.
    UpdatedAtDesc,
}

impl PageOrder for AvailabilityOrder {
    type Entity = presence::Entity;

    fn tag(self) -> &'static str {
        choice_name(self)
    }

    fn keys(self) -> Vec<SortKey> {
        vec![SortKey::column(presence::Column::LastUpdate), SortKey::column(presence::Column::Id)]
    }
}
