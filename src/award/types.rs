//! Film awards, their nominations, and who received them for what.

use async_graphql::{ComplexObject, Context, Object, SimpleObject};
use entity::{awards, film_award_nominations_registry, film_award_registry};
use sea_orm::DerivePartialModel;

use crate::error::ApiResult;
use crate::kit::{ByKey, ContextExt, Edge, Id, InPlace, Page, PageArgs, node, page};
use crate::movie::Movie;
use crate::person::Person;

/// An award that a movie received in one nomination.
#[derive(Clone, Debug, SimpleObject, DerivePartialModel)]
#[graphql(complex)]
#[sea_orm(entity = "awards::Entity")]
pub struct MovieAward {
    /// The opaque id, the same in every answer.
    pub id: Id<MovieAward>,
    #[graphql(skip)]
    film_award_id: Id<FilmAward>,
    #[graphql(skip)]
    nomination_id: Id<FilmAwardNomination>,
    #[graphql(skip)]
    person_id: Option<Id<Person>>,
    #[graphql(skip)]
    movie_id: Id<Movie>,
}

/// An award that exists, such as "Ника".
#[derive(Clone, Debug, SimpleObject, DerivePartialModel)]
#[sea_orm(entity = "film_award_registry::Entity")]
pub struct FilmAward {
    /// The opaque id, the same in every answer.
    pub id: Id<FilmAward>,
    /// The award's name.
    title: String,
    /// What the award is and who gives it.
    description: Option<String>,
}

/// A nomination in which awards are given, such as "Лучший сценарий".
#[derive(Clone, Debug, SimpleObject, DerivePartialModel)]
#[sea_orm(entity = "film_award_nominations_registry::Entity")]
pub struct FilmAwardNomination {
    /// The opaque id, the same in every answer.
    pub id: Id<FilmAwardNomination>,
    /// The nomination's name.
    title: String,
    /// What is judged in it.
    description: Option<String>,
}

#[ComplexObject]
impl MovieAward {
    /// The award.
    async fn award(&self, ctx: &Context<'_>) -> ApiResult<InPlace<FilmAward>> {
        ctx.load(self.film_award_id).await.map(InPlace)
    }

    /// The nomination.
    async fn nomination(&self, ctx: &Context<'_>) -> ApiResult<InPlace<FilmAwardNomination>> {
        ctx.load(self.nomination_id).await.map(InPlace)
    }

    /// Who received it; null when it went to the movie as a whole.
    async fn person(&self, ctx: &Context<'_>) -> ApiResult<Option<InPlace<Person>>> {
        match self.person_id {
            Some(id) => ctx.load(id).await.map(InPlace).map(Some),
            None => Ok(None),
        }
    }

    /// The movie.
    async fn movie(&self, ctx: &Context<'_>) -> ApiResult<InPlace<Movie>> {
        ctx.load(self.movie_id).await.map(InPlace)
    }
}

node!(MovieAward, awards);
node!(FilmAward, film_award_registry, kept: true);

node!(FilmAwardNomination, film_award_nominations_registry, kept: true);

/// `Movie.awards`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AwardsOfMovie;

impl Edge for AwardsOfMovie {
    type Node = MovieAward;
    type Order = ByKey<MovieAward>;

    const LIST: &'static str = "Movie.awards";

    fn parent_column() -> awards::Column {
        awards::Column::MovieId
    }
}

/// `Person.awards`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AwardsOfPerson;

impl Edge for AwardsOfPerson {
    type Node = MovieAward;
    type Order = ByKey<MovieAward>;

    const LIST: &'static str = "Person.awards";

    fn parent_column() -> awards::Column {
        awards::Column::PersonId
    }
}

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct AwardQuery;

#[Object]
impl AwardQuery {
    /// The awards that exist.
    async fn film_awards(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> ApiResult<Page<FilmAward>> {
        page::load_all(ctx.db(), "filmAwards", PageArgs { first, after, last, before }).await
    }

    /// The nominations in which awards are given.
    async fn film_award_nominations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> ApiResult<Page<FilmAwardNomination>> {
        page::load_all(ctx.db(), "filmAwardNominations", PageArgs { first, after, last, before }).await
    }
}
