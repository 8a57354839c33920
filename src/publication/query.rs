//! Root query fields about publications.

use async_graphql::{Context, ID, Object};
use entity::publications;
use sea_orm::{EntityTrait, QueryFilter};

use super::{Publication, PublicationCategory, PublicationFilter, PublicationOrder};
use crate::error::ApiResult;
use crate::kit::{ContextExt, Id, InPlace, Page, PageArgs, page};

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct PublicationQuery;

#[Object]
impl PublicationQuery {
    /// The publication with this id, or null if there is none.
    async fn publication(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of a publication.")] id: ID,
    ) -> ApiResult<Option<InPlace<Publication>>> {
        Ok(ctx.find(Id::parse("id", &id)?).await?.map(InPlace))
    }

    /// The publications of the library.
    #[expect(clippy::too_many_arguments, reason = "the four Relay arguments, a filter and an order")]
    async fn publications(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
        #[graphql(desc = "Which publications to list; all if left out.")] filter: Option<PublicationFilter>,
        #[graphql(desc = "The order of the list. Its cursors are good for this order only.", default)]
        order_by: PublicationOrder,
    ) -> ApiResult<Page<Publication>> {
        let rows = publications::Entity::find().filter(filter.unwrap_or_default().condition()?);
        page::load(ctx.db(), "publications", rows, order_by, PageArgs { first, after, last, before }).await
    }

    /// The kinds of publications.
    async fn publication_categories(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> ApiResult<Page<PublicationCategory>> {
        page::load_all(ctx.db(), "publicationCategories", PageArgs { first, after, last, before }).await
    }
}
