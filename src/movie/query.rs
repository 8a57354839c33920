//! Root fields that read movies.

use super::{Movie, MovieFilter, MovieOrder};
use crate::error::ApiResult;
use crate::kit::{ContextExt, Id, InPlace, Page, PageArgs, page};
use async_graphql::{Context, ID, Object};

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct MovieQuery;

#[Object]
impl MovieQuery {
    /// The movie with this id, or null if there is none.
    async fn movie(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of a movie.")] id: ID,
    ) -> ApiResult<Option<InPlace<Movie>>> {
        Ok(ctx.find(Id::parse("id", &id)?).await?.map(InPlace))
    }

    /// The movies of the catalogue.
    #[expect(clippy::too_many_arguments, reason = "the four Relay arguments, a filter and an order")]
    async fn movies(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
        #[graphql(desc = "Which movies to list; all if left out.")] filter: Option<MovieFilter>,
        #[graphql(desc = "The order of the list. Its cursors are good for this order only.", default)]
        order_by: MovieOrder,
    ) -> ApiResult<Page<Movie>> {
        page::load(
            ctx.db(),
            "movies",
            filter.unwrap_or_default().rows(ctx.db()).await?,
            order_by,
            PageArgs { first, after, last, before },
        )
        .await
    }
}
