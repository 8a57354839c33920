//! The people who make movies.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::{movie_staff_m2m, persons};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, DerivePartialModel, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select};

use crate::award::{AwardsOfPerson, MovieAward};
use crate::error::ApiResult;
use crate::kit::scalar::Date;
use crate::kit::{
    ByKey, ContextExt, Id, IntRange, Page, PageArgs, PageOrder, SortKey, WideColumn, check_text, node, page,
};
use crate::staff::{CreditsOfPerson, PersonPosition, StaffMember};

/// A person who had a part in making movies.
#[derive(Clone, Debug, SimpleObject, DerivePartialModel)]
#[graphql(complex)]
#[sea_orm(entity = "persons::Entity")]
pub struct Person {
    /// The opaque id, the same in every answer.
    pub id: Id<Person>,
    /// The given name.
    first_name: String,
    /// The family name.
    last_name: String,
    /// The patronymic, where there is one.
    mid_name: Option<String>,
    /// The country of origin, in Russian.
    country: String,
    /// The day of birth.
    birthday: Option<Date>,
}

node!(Person, persons);

/// The biography is read only for those who select it.
struct Bio;

impl WideColumn for Bio {
    type Node = Person;

    fn column() -> persons::Column {
        persons::Column::Bio
    }
}

#[ComplexObject]
impl Person {
    /// The biography.
    async fn bio(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        ctx.text::<Bio>(self.id).await
    }

    /// The person's parts in movies, in the order of their registration.
    async fn credits(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> ApiResult<Page<StaffMember>> {
        ctx.children(self.id.key(), CreditsOfPerson, ByKey::default(), PageArgs { first, after, last, before }).await
    }

    /// The awards that went to the person.
    async fn awards(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> ApiResult<Page<MovieAward>> {
        ctx.children(self.id.key(), AwardsOfPerson, ByKey::default(), PageArgs { first, after, last, before }).await
    }
}

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct PersonQuery;

#[Object]
impl PersonQuery {
    /// The person with this id, or null if there is none.
    async fn person(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of a person.")] id: ID,
    ) -> ApiResult<Option<Person>> {
        ctx.find(Id::parse("id", &id)?).await
    }

    /// The people in the catalogue.
    #[expect(clippy::too_many_arguments, reason = "the four Relay arguments, a filter and an order")]
    async fn persons(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
        #[graphql(desc = "Which people to list; all if left out.")] filter: Option<PersonFilter>,
        #[graphql(desc = "The order of the list. Its cursors are good for this order only.", default)]
        order_by: PersonOrder,
    ) -> ApiResult<Page<Person>> {
        page::load(
            ctx.db(),
            "persons",
            filter.unwrap_or_default().rows()?,
            order_by,
            PageArgs { first, after, last, before },
        )
        .await
    }
}

/// Which people to list. Conditions that are named must all hold; people who lack the value of
/// one do not fulfil it.
#[derive(Clone, Debug, Default, InputObject)]
pub struct PersonFilter {
    /// Only from this country, in Russian and just as written.
    country: Option<String>,
    /// Only born in these years.
    birth_year: Option<IntRange>,
    /// Only those who held this position in some movie.
    position_id: Option<ID>,
}

impl PersonFilter {
    fn rows(self) -> ApiResult<Select<persons::Entity>> {
        let country = self.country.map(|country| check_text("filter.country", country)).transpose()?;
        let (from, to) = match self.birth_year {
            Some(years) => years.days("filter.birthYear")?,
            None => (None, None),
        };
        let position = self.position_id.map(|id| Id::<PersonPosition>::parse("filter.positionId", &id)).transpose()?;
        let held = position.map(|position| {
            let entries = movie_staff_m2m::Entity::find()
                .select_only()
                .expr(Expr::cust("1"))
                .filter(movie_staff_m2m::Column::PositionId.eq(position.key()))
                .filter(movie_staff_m2m::Column::PersonId.into_expr().eq(persons::Column::Id.into_expr()));
            Expr::exists(entries.into_query())
        });
        Ok(persons::Entity::find().filter(
            Condition::all()
                .add_option(country.map(|country| persons::Column::Country.eq(country)))
                .add_option(from.map(|day| persons::Column::Birthday.gte(day)))
                .add_option(to.map(|day| persons::Column::Birthday.lte(day)))
                .add_option(held),
        ))
    }
}

/// The order of a list of people. Those whose birthday is not known come last in an order by
/// birthday. Equal ones come in the order of their registration, reversed in descending orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum PersonOrder {
    /// The latest registered first.
    #[default]
    Newest,
    /// The earliest registered first.
    Oldest,
    /// By birthday, the eldest first.
    Birthday,
    /// By birthday, the youngest first.
    BirthdayDesc,
}

impl PageOrder for PersonOrder {
    type Entity = persons::Entity;

    fn tag(self) -> &'static str {
        match self {
            Self::Newest => "NEWEST",
            Self::Oldest => "OLDEST",
            Self::Birthday => "BIRTHDAY",
            Self::BirthdayDesc => "BIRTHDAY_DESC",
        }
    }

    fn descending(self) -> bool {
        matches!(self, Self::Newest | Self::BirthdayDesc)
    }

    fn keys(self) -> Vec<SortKey> {
        let first = matches!(self, Self::Birthday | Self::BirthdayDesc).then_some(persons::Column::Birthday);
        first.into_iter().chain([persons::Column::Id]).map(SortKey::column).collect()
    }
}
