//! Tags of movies and publications: the list of them, and filters by them.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use entity::tags;
use sea_orm::{ColumnTrait, Condition, DerivePartialModel, EntityTrait};

use crate::error::{ApiError, ApiResult};
use crate::kit::{ContextExt, Page, PageArgs, PageOrder, Row, SortKey, check_text, has_row, page};

/// A tag that movies and publications may carry. Its title is its identity.
#[derive(Clone, Debug, SimpleObject, DerivePartialModel)]
#[sea_orm(entity = "tags::Entity")]
pub struct Tag {
    /// What it says, such as "Драма".
    title: String,
}

impl Row for Tag {
    type Entity = tags::Entity;
}

/// By title, as Unicode numbers its letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ByTitle;

impl PageOrder for ByTitle {
    type Entity = tags::Entity;

    fn tag(self) -> &'static str {
        "TITLE"
    }

    fn keys(self) -> Vec<SortKey> {
        vec![SortKey::column(tags::Column::Title)]
    }
}

/// Titles in a filter at most.
const TITLES_MAX: usize = 20;

/// Which tags an object must have: titles exactly as `tags` lists them, at most 20 in each list. A tag that does not
/// exist matches nothing.
#[derive(Clone, Debug, Default, InputObject)]
pub struct TagFilter {
    /// Only objects with all of these tags. An empty list is ignored.
    all: Option<Vec<String>>,
    /// Only objects with at least one of these tags. An empty list matches nothing.
    any: Option<Vec<String>>,
}

impl TagFilter {
    /// The row whose key is `own` has the tags that the input `field` asks for, by a table `E` of
    /// tags with their owners.
    ///
    /// # Errors
    /// `BadInput` for too many titles and for one that no database takes.
    pub fn condition<E: EntityTrait>(
        self,
        field: &str,
        owner: E::Column,
        tag: E::Column,
        own: impl ColumnTrait,
    ) -> ApiResult<Condition> {
        let all = check_titles(&format!("{field}.all"), self.all.unwrap_or_default())?;
        let any = self.any.map(|titles| check_titles(&format!("{field}.any"), titles)).transpose()?;
        let each = all.into_iter().map(|title| has_row::<E>(owner, own, tag.eq(title)));
        Ok(each
            .fold(Condition::all(), Condition::add)
            .add_option(any.map(|titles| has_row::<E>(owner, own, tag.is_in(titles)))))
    }
}

fn check_titles(field: &str, mut titles: Vec<String>) -> ApiResult<Vec<String>> {
    if titles.len() > TITLES_MAX {
        let text = format!("{} titles are too many; name {TITLES_MAX} at most", titles.len());
        return Err(ApiError::bad_input(field, text));
    }
    titles.sort_unstable();
    titles.dedup();
    titles.into_iter().map(|title| check_text(field, title)).collect()
}

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct TagQuery;

#[Object]
impl TagQuery {
    /// The tags that movies and publications may carry, in the order of their titles.
    async fn tags(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> ApiResult<Page<Tag>> {
        page::load(ctx.db(), "tags", tags::Entity::find(), ByTitle, PageArgs { first, after, last, before }).await
    }
}
