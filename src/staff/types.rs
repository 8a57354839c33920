//! Who made a movie: staff entries and the positions that people hold.

use async_graphql::{ComplexObject, Context, Object, SimpleObject};
use entity::{movie_staff_m2m, person_position};
use sea_orm::{ColumnTrait, DerivePartialModel, EntityTrait, QueryFilter, Select};

use crate::error::ApiResult;
use crate::kit::{ByKey, ContextExt, Edge, Id, InPlace, Page, PageArgs, node, page};
use crate::movie::Movie;
use crate::person::Person;

/// One person's part in making one movie.
#[derive(Clone, Debug, SimpleObject, DerivePartialModel)]
#[graphql(complex)]
#[sea_orm(entity = "movie_staff_m2m::Entity")]
pub struct StaffMember {
    /// The opaque id, the same in every answer.
    pub id: Id<StaffMember>,
    /// The role played; null for those who do not act.
    character: Option<String>,
    /// Whether the role is a leading one.
    #[sea_orm(from_col = "is_lead_role")]
    is_lead: bool,
    #[graphql(skip)]
    position_id: Id<PersonPosition>,
    #[graphql(skip)]
    person_id: Id<Person>,
    #[graphql(skip)]
    movie_id: Id<Movie>,
}

/// What a person does in a production: director, actor, composer.
#[derive(Clone, Debug, SimpleObject, DerivePartialModel)]
#[sea_orm(entity = "person_position::Entity")]
pub struct PersonPosition {
    /// The opaque id, the same in every answer.
    pub id: Id<PersonPosition>,
    /// The position's name in Russian, such as "Режиссёр".
    title: String,
}

#[ComplexObject]
impl StaffMember {
    /// The person.
    async fn person(&self, ctx: &Context<'_>) -> ApiResult<InPlace<Person>> {
        ctx.load(self.person_id).await.map(InPlace)
    }

    /// What the person did.
    async fn position(&self, ctx: &Context<'_>) -> ApiResult<InPlace<PersonPosition>> {
        ctx.load(self.position_id).await.map(InPlace)
    }

    /// The movie.
    async fn movie(&self, ctx: &Context<'_>) -> ApiResult<InPlace<Movie>> {
        ctx.load(self.movie_id).await.map(InPlace)
    }
}

node!(StaffMember, movie_staff_m2m);
node!(PersonPosition, person_position, kept: true);

/// `Movie.staff`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StaffOfMovie {
    /// Only this position.
    pub position: Option<Id<PersonPosition>>,
    /// Only leading roles.
    pub lead_only: bool,
}

impl Edge for StaffOfMovie {
    type Node = StaffMember;
    type Order = ByKey<StaffMember>;

    const LIST: &'static str = "Movie.staff";

    fn parent_column() -> movie_staff_m2m::Column {
        movie_staff_m2m::Column::MovieId
    }

    fn rows(&self) -> Select<movie_staff_m2m::Entity> {
        let mut rows = movie_staff_m2m::Entity::find();
        if let Some(position) = self.position {
            rows = rows.filter(movie_staff_m2m::Column::PositionId.eq(position.key()));
        }
        if self.lead_only {
            rows = rows.filter(movie_staff_m2m::Column::IsLeadRole.eq(true));
        }
        rows
    }
}

/// `Person.credits`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreditsOfPerson;

impl Edge for CreditsOfPerson {
    type Node = StaffMember;
    type Order = ByKey<StaffMember>;

    const LIST: &'static str = "Person.credits";

    fn parent_column() -> movie_staff_m2m::Column {
        movie_staff_m2m::Column::PersonId
    }
}

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct StaffQuery;

#[Object]
impl StaffQuery {
    /// What people do in productions.
    async fn person_positions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> ApiResult<Page<PersonPosition>> {
        page::load_all(ctx.db(), "personPositions", PageArgs { first, after, last, before }).await
    }
}
