//! The people who make movies.

use async_graphql::{ComplexObject, Context, ID, Object, SimpleObject};
use entity::persons;
use sea_orm::DerivePartialModel;

use crate::award::{AwardsOfPerson, MovieAward};
use crate::error::ApiResult;
use crate::kit::scalar::Date;
use crate::kit::{ByKey, ContextExt, Id, Page, PageArgs, WideColumn, node};
use crate::staff::{CreditsOfPerson, StaffMember};

/// A person who had a part in making movies.
#[derive(Clone, Debug, SimpleObject, DerivePartialModel)]
#[graphql(complex)]
#[sea_orm(entity = "persons::Entity")]
pub struct Person {
    /// The opaque id, the same in every answer.
    id: Id<Person>,
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
}
