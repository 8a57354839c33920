//! The hits as API clients see them, and the root field.

use std::net::IpAddr;
use std::num::NonZero;
use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use async_graphql::{Context, Object, Union};
use tokio::sync::OnceCell;

use super::find::{Hit, Kind, find_meant};
use super::snippet;
use super::terms::Terms;
use crate::cinema::Cinema;
use crate::error::{ApiError, ApiResult};
use crate::kit::{ContextExt, Id, InPlace, Page, PageArgs, page};
use crate::movie::Movie;
use crate::person::Person;
use crate::publication::{Publication, Searched};
use crate::quota::{Names, Quota};

/// What a search can find.
#[derive(Clone, Debug, Union)]
pub enum SearchResult {
    /// A movie or a series.
    Movie(InPlace<Movie>),
    /// Someone who takes part in productions.
    Person(InPlace<Person>),
    /// A publication.
    Publication(InPlace<Publication>),
    /// An online cinema.
    Cinema(InPlace<Cinema>),
}

/// Something that a search has found.
#[derive(Clone, Debug)]
pub struct SearchHit {
    hit: Hit,
    terms: Arc<Terms>,
    /// Made once, however often it is selected.
    snippet: Arc<OnceCell<Option<Arc<str>>>>,
}

/// Snippets that are made at the same time, each on a thread of its own.
static MADE_AT_ONCE: LazyLock<Arc<Quota>> = LazyLock::new(|| {
    // No flag: whoever waits is stopped by the time of the request.
    let names = Names { limit: "snippets", limit_per_client: "snippets", held: "are made", retry_after_s: "1" };
    let max = available_parallelism().map_or(1, NonZero::get) as u64;
    // Whoever is alone may have all.
    Quota::new(names, max, max)
});

/// Something that a search has found.
#[Object]
impl SearchHit {
    /// How well it meets the query, from 0 to 1. A title or a name with all that was asked for
    /// scores 0.5 or more; a text that only mentions it, or a name with typos, less.
    async fn score(&self) -> f64 {
        self.hit.score as f64 / 1e4
    }

    /// What was found; null if it was deleted since.
    async fn node(&self, ctx: &Context<'_>) -> ApiResult<Option<SearchResult>> {
        let key = self.hit.key;
        Ok(match self.hit.kind {
            Kind::Movie => ctx.find(Id::new(key)).await?.map(InPlace).map(SearchResult::Movie),
            Kind::Person => ctx.find(Id::new(key)).await?.map(InPlace).map(SearchResult::Person),
            Kind::Publication => ctx.find(Id::new(key)).await?.map(InPlace).map(SearchResult::Publication),
            Kind::Cinema => ctx.find(Id::new(key)).await?.map(InPlace).map(SearchResult::Cinema),
        })
    }

    /// For a publication, a stretch of its text with the words that were found, as HTML: these
    /// words stand in `<mark>`, everything else is escaped. Null if the words are not in the first 50,000
    /// characters of the text, and for other types.
    async fn snippet(&self, ctx: &Context<'_>) -> ApiResult<Option<Arc<str>>> {
        if self.hit.kind != Kind::Publication {
            return Ok(None);
        }
        self.snippet.get_or_try_init(|| self.make_snippet(ctx)).await.cloned()
    }
}

impl SearchHit {
    async fn make_snippet(&self, ctx: &Context<'_>) -> ApiResult<Option<Arc<str>>> {
        let Some(text) = ctx.text::<Searched>(Id::new(self.hit.key)).await? else { return Ok(None) };
        make_snippet(ctx.address(), &self.terms, text).await
    }
}

/// Looks through the text on another thread, so that requests that are not for it go on.
pub(super) async fn make_snippet(address: IpAddr, terms: &Arc<Terms>, text: Arc<str>) -> ApiResult<Option<Arc<str>>> {
    // Whoever is stopped meanwhile has not begun. Addresses get their turns in rotation.
    let _turn = MADE_AT_ONCE.wait(address).await;
    let terms = Arc::clone(terms);
    let made = tokio::task::spawn_blocking(move || snippet::cut(&terms, &text).map(Into::into)).await;
    made.map_err(|error| ApiError::Internal(format!("making a snippet: {error}")))
}

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct SearchQuery;

#[Object]
impl SearchQuery {
    /// What titles, names and texts say about some words, the best first: at most 200 hits.
    ///
    /// Every word must be found, in any case and with ё or е. In titles and names it may be a
    /// part of a word, in texts it may stand in any of its forms. "Words in quotes" are looked
    /// for together, -word leaves out what has it. Where nothing is found so, titles and names
    /// with typos are looked for, and what was typed on the keyboard of the other language. A
    /// query without any word finds nothing.
    #[expect(clippy::too_many_arguments, reason = "the four Relay arguments, a query and types")]
    async fn search(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to look for: at most 200 characters and 16 words.")] query: String,
        #[graphql(desc = "Only what is of one of these types; all if left out, nothing if empty.")] types: Option<
            Vec<Kind>,
        >,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> ApiResult<Page<SearchHit>> {
        let (terms, hits) = find_meant(ctx.db(), &query, types).await?;
        let rank = |hit: Hit| (hit.rank(), SearchHit { hit, terms: Arc::clone(&terms), snippet: Arc::default() });
        page::cut("search", hits.into_iter().map(rank).collect(), &PageArgs { first, after, last, before })
    }
}
