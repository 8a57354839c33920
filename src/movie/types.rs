//! The movie as API clients see it.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, Enum, ID, SimpleObject};
use entity::movies;
use sea_orm::prelude::Json;
use sea_orm::sea_query::StringLen;
use sea_orm::{DeriveActiveEnum, DerivePartialModel, EnumIter};

use crate::award::{AwardsOfMovie, MovieAward};
use crate::cinema::{Availability, AvailabilityOfMovie};
use crate::comment::{Comment, CommentOrder, CommentsOfMovie};
use crate::error::ApiResult;
use crate::kit::scalar::Money;
use crate::kit::{ByKey, ContextExt, Id, Page, PageArgs, WideColumn, json_strings, node};
use crate::rating::{self, UserRating};
use crate::staff::{StaffMember, StaffOfMovie};
use crate::subject::SubjectId;

/// A movie or a series of the catalogue.
#[derive(Clone, Debug, SimpleObject, DerivePartialModel)]
#[graphql(complex)]
#[sea_orm(entity = "movies::Entity")]
pub struct Movie {
    /// The opaque id, the same in every answer.
    pub id: Id<Movie>,
    /// The number under which the movie is registered, at most 12 characters.
    isbn: Option<String>,
    /// The title in Russian.
    title: String,
    /// The title in the language of the original.
    #[sea_orm(from_col = "title_original")]
    original_title: Option<String>,
    /// The country of production, in Russian.
    country: Option<String>,
    /// The year of the première.
    year: Option<i16>,
    /// What the production cost, in roubles.
    budget: Option<Money>,
    /// What the movie earned in cinemas, in roubles.
    #[sea_orm(from_col = "boxoffice")]
    box_office: Option<Money>,
    /// The catalogue's own rating, from 1 to 5.
    rating: Option<i16>,
    /// How long the movie runs, in minutes.
    #[sea_orm(from_col = "duration")]
    duration_minutes: i32,
    /// The age from which it may be watched.
    #[sea_orm(from_col = "rars")]
    age_rating: Option<AgeRating>,
    #[graphql(skip)]
    tags: Option<Json>,
}

/// The Russian age classification of information products (RARS).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(12))")]
pub enum AgeRating {
    /// For every age: 0+.
    #[sea_orm(string_value = "0+")]
    From0,
    /// From six years: 6+.
    #[sea_orm(string_value = "6+")]
    From6,
    /// From twelve years: 12+.
    #[sea_orm(string_value = "12+")]
    From12,
    /// From sixteen years: 16+.
    #[sea_orm(string_value = "16+")]
    From16,
    /// For adults: 18+.
    #[sea_orm(string_value = "18+")]
    From18,
}

node!(Movie, movies);

/// The plot is read only for those who select it.
pub(super) struct Plot;

impl WideColumn for Plot {
    type Node = Movie;

    fn column() -> movies::Column {
        movies::Column::Subject
    }
}

#[ComplexObject]
impl Movie {
    /// The titles of the movie's tags, such as "Драма".
    async fn tags(&self) -> Vec<&str> {
        json_strings(self.tags.as_ref())
    }

    /// What the movie is about.
    async fn plot(&self, ctx: &Context<'_>) -> ApiResult<Option<Arc<str>>> {
        ctx.text::<Plot>(self.id).await
    }

    /// What users gave the movie.
    async fn user_rating(&self, ctx: &Context<'_>) -> ApiResult<UserRating> {
        UserRating::load(ctx, SubjectId::Movie(self.id)).await
    }

    /// What the viewer gave the movie, from 1 to 5; null if nothing, and for whoever is not signed in.
    async fn viewer_rating(&self, ctx: &Context<'_>) -> ApiResult<Option<i16>> {
        rating::of_viewer(ctx, SubjectId::Movie(self.id)).await
    }

    /// Who made the movie, in the order of the credits.
    #[expect(clippy::too_many_arguments, reason = "the four Relay arguments and a filter")]
    async fn staff(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only those who held this position.")] position_id: Option<ID>,
        #[graphql(desc = "Only leading roles.", default = false)] lead_only: bool,
    ) -> ApiResult<Page<StaffMember>> {
        let edge =
            StaffOfMovie { position: position_id.map(|id| Id::parse("positionId", &id)).transpose()?, lead_only };
        ctx.children(self.id.key(), edge, ByKey::default(), PageArgs { first, after, last, before }).await
    }

    /// The awards that the movie and its makers received for it.
    async fn awards(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> ApiResult<Page<MovieAward>> {
        ctx.children(self.id.key(), AwardsOfMovie, ByKey::default(), PageArgs { first, after, last, before }).await
    }

    /// The online cinemas that show the movie, at what price, in the order of arrival.
    #[expect(clippy::too_many_arguments, reason = "the four Relay arguments and a filter")]
    async fn availability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only in this cinema.")] cinema_id: Option<ID>,
        #[graphql(desc = "Only where the price without discounts is at most this, in roubles.")] max_price: Option<
            Money,
        >,
    ) -> ApiResult<Page<Availability>> {
        let edge = AvailabilityOfMovie {
            cinema: cinema_id.map(|id| Id::parse("cinemaId", &id)).transpose()?,
            price_max: max_price,
        };
        ctx.children(self.id.key(), edge, ByKey::default(), PageArgs { first, after, last, before }).await
    }

    /// The comments that are no replies. What was replied stands under each.
    async fn comments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
        #[graphql(desc = "The order of the list. Its cursors are good for this order only.", default)]
        order_by: CommentOrder,
    ) -> ApiResult<Page<Comment>> {
        ctx.children(self.id.key(), CommentsOfMovie, order_by, PageArgs { first, after, last, before }).await
    }
}
