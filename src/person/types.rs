//! The people who make movies.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::{movie_staff_m2m, person_names, persons};
use sea_orm::{
    ColumnTrait, Condition, DerivePartialModel, EntityTrait, JoinType, QueryFilter, QuerySelect, RelationTrait, Select,
};

use crate::award::{AwardsOfPerson, MovieAward};
use crate::db::ReadPool;
use crate::error::ApiResult;
use crate::kit::scalar::Date;
use crate::kit::{
    ByKey, ContextExt, FoldedTexts, Id, InPlace, IntRange, Page, PageArgs, PageOrder, SortKey, WideColumn, check_text,
    choice_name, has_row, has_text, node, page,
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
pub(super) struct Bio;

impl WideColumn for Bio {
    type Node = Person;

    fn column() -> persons::Column {
        persons::Column::Bio
    }
}

#[ComplexObject]
impl Person {
    /// The biography.
    async fn bio(&self, ctx: &Context<'_>) -> ApiResult<Option<Arc<str>>> {
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
    ) -> ApiResult<Option<InPlace<Person>>> {
        Ok(ctx.find(Id::parse("id", &id)?).await?.map(InPlace))
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
            filter.unwrap_or_default().rows(ctx.db()).await?,
            order_by,
            PageArgs { first, after, last, before },
        )
        .await
    }
}

/// Which people to list. All conditions must hold. A person without a value never matches a condition on it.
#[derive(Clone, Debug, Default, InputObject)]
pub struct PersonFilter {
    /// Only people whose last, first and middle name together contain every word of this text, in any order.
    /// Case does not matter, and ё equals е. A text of one or two letters must start the last name. A blank text is
    /// ignored.
    name: Option<String>,
    /// Only people from this country, in Russian, exactly as the catalogue spells it.
    country: Option<String>,
    /// Only people born in these years.
    birth_year: Option<IntRange>,
    /// Only people who held this position in some movie.
    position_id: Option<ID>,
}

/// Where folded names stand.
const NAMES: FoldedTexts<person_names::Entity> =
    FoldedTexts { owner: person_names::Column::PersonId, texts: &[person_names::Column::Name], by_words: true };

impl PersonFilter {
    pub(super) async fn rows(self, db: &ReadPool) -> ApiResult<Select<persons::Entity>> {
        let name = has_text(db, persons::Column::Id, NAMES, "filter.name", self.name).await?;
        let country = self.country.map(|country| check_text("filter.country", country)).transpose()?;
        let (from, to) = match self.birth_year {
            Some(years) => years.days("filter.birthYear")?,
            None => (None, None),
        };
        let position = self.position_id.map(|id| Id::<PersonPosition>::parse("filter.positionId", &id)).transpose()?;
        let held = position.map(|position| {
            has_row::<movie_staff_m2m::Entity>(
                movie_staff_m2m::Column::PersonId,
                persons::Column::Id,
                movie_staff_m2m::Column::PositionId.eq(position.key()),
            )
        });
        Ok(persons::Entity::find().filter(
            Condition::all()
                .add_option(name)
                .add_option(country.map(|country| persons::Column::Country.eq(country)))
                .add_option(from.map(|day| persons::Column::Birthday.gte(day)))
                .add_option(to.map(|day| persons::Column::Birthday.lte(day)))
                .add_option(held),
        ))
    }
}

/// The order of a list of people. People without a birthday come last in an order by birthday. Equal people are
/// sorted by registration: the earliest first, in descending orders the latest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum PersonOrder {
    /// The most recently registered first.
    #[default]
    Newest,
    /// The earliest registered first.
    Oldest,
    /// Alphabetically by last, first and middle name. Case does not matter, and ё equals е.
    Name,
    /// In reverse alphabetical order by last, first and middle name.
    NameDesc,
    /// The oldest first.
    Birthday,
    /// The youngest first.
    BirthdayDesc,
}

impl PageOrder for PersonOrder {
    type Entity = persons::Entity;

    fn tag(self) -> &'static str {
        choice_name(self)
    }

    fn keys(self) -> Vec<SortKey> {
        match self {
            Self::Newest | Self::Oldest => vec![SortKey::column(persons::Column::Id)],
            Self::Name | Self::NameDesc => {
                [person_names::Column::Name, person_names::Column::PersonId].map(SortKey::column).into()
            }
            Self::Birthday | Self::BirthdayDesc => {
                [persons::Column::Birthday, persons::Column::Id].map(SortKey::column).into()
            }
        }
    }

    fn join(self, rows: Select<persons::Entity>) -> Select<persons::Entity> {
        match self {
            Self::Name | Self::NameDesc => rows.join_rev(JoinType::InnerJoin, person_names::Relation::Persons.def()),
            _ => rows,
        }
    }
}
