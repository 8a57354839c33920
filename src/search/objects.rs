//! The hits of a search, and the root field.

use std::net::IpAddr;
use std::num::NonZero;
use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use futures_util::future::join_all;
use graphql::{
    Abstract, Call, Cell, Cells, Column, Context, Description, FieldError, Leaf, NoArguments, Object, Registry,
    Resolve, Root, Row, TypeName, index,
};
use tokio::sync::OnceCell;

use super::find::find_meant;
use super::inputs::{SearchArguments, SearchType};
use super::score::Hit;
use super::snippet;
use super::terms::Terms;
use crate::cinema::Cinema;
use crate::error::{ApiError, ApiResult};
use crate::kit::NodeType;
use crate::kit::rows::ContextExt;
use crate::kit::rows::connection::{Connection, connection};
use crate::kit::rows::list::{PageArguments, RelayLast, cut};
use crate::kit::rows::text::text_of;
use crate::movie::Movie;
use crate::node;
use crate::person::Person;
use crate::publication::{Publication, SearchText};
use crate::quota::{Quota, QuotaNames};

/// Something that a search has found.
#[derive(Debug)]
struct SearchHit {
    hit: Hit,
    terms: Arc<Terms>,
    /// Made once, however often it is selected.
    snippet: OnceCell<Option<Arc<str>>>,
}

impl Row for SearchHit {
    fn type_name() -> TypeName {
        "SearchHit".into()
    }
}

/// The types of this domain.
pub fn describe(description: &mut Description) {
    let members = SearchType::ALL.map(|kind| type_of(kind).into());
    description.union("SearchResult", Abstract::union("What a search can find.", members.to_vec()));
    description.object(
        Object::<SearchHit>::new("Something that a search has found.")
            .value(
                "score",
                "How well the hit matches the query, from 0 to 1. A title or a name with all of the query's words\n\
                 scores 0.5 or more. A text with these words, or a name with typos, scores less.",
                |hit| hit.hit.score as f64 / 1e4,
            )
            .resolve::<NodeOfHit>("node", "The object that was found. Null if it was deleted meanwhile.")
            .resolve::<SnippetOfHit>(
                "snippet",
                "A part of a publication's text with the words of the query, as HTML: these words are in `<mark>`,\n\
                 everything else is escaped. Null if the first 50,000 characters of the text have none of the words,\n\
                 and for other types.",
            )
            .costs(20),
    );
}

fn type_of(kind: SearchType) -> &'static str {
    match kind {
        SearchType::Movie => Movie::TYPE,
        SearchType::Person => Person::TYPE,
        SearchType::Publication => Publication::TYPE,
        SearchType::Cinema => Cinema::TYPE,
    }
}

/// `SearchHit.node`.
struct NodeOfHit;

impl Resolve<SearchHit> for NodeOfHit {
    type Arguments = NoArguments;

    fn type_name(_: &mut Registry) -> String {
        "SearchResult".to_owned()
    }

    async fn resolve(call: Call<'_, SearchHit>) -> Column {
        let keys: Vec<_> = call.iter().map(|hit| Some((type_of(hit.hit.kind), hit.hit.key))).collect();
        node::find_any(&call, &keys).await.into()
    }
}

/// `SearchHit.snippet`.
struct SnippetOfHit;

impl Resolve<SearchHit> for SnippetOfHit {
    type Arguments = NoArguments;

    fn type_name(registry: &mut Registry) -> String {
        <Option<Arc<str>>>::type_name(registry)
    }

    async fn resolve(call: Call<'_, SearchHit>) -> Column {
        let (mut snippets, mut errors) = (Vec::new(), Vec::new());
        // Texts that are asked for at once are read together.
        let made = join_all(call.iter().map(|hit| hit.snippet(call.context))).await;
        let cells = made.into_iter().map(|made| match made {
            Ok(snippet) => {
                snippets.push(snippet);
                Cell::Leaf(index(snippets.len() - 1))
            }
            Err(error) => {
                errors.push(error);
                Cell::Error(index(errors.len() - 1))
            }
        });
        let cells = cells.collect();
        Column::Cells(Cells { cells, leaves: Some(Box::new(snippets)), errors, ..Cells::default() })
    }
}

impl SearchHit {
    async fn snippet(&self, context: &Context) -> Result<Option<Arc<str>>, FieldError> {
        if self.hit.kind != SearchType::Publication {
            return Ok(None);
        }
        let make = async || {
            let Some(text) = text_of::<SearchText>(context, self.hit.key).await? else { return Ok(None) };
            Ok::<_, FieldError>(make_snippet(context.address(), &self.terms, text).await?)
        };
        self.snippet.get_or_try_init(make).await.cloned()
    }
}

/// Snippets that are made at the same time, each on a thread of its own.
static MADE_AT_ONCE: LazyLock<Arc<Quota>> = LazyLock::new(|| {
    // No flag: a request that waits too long is stopped by its timeout.
    let names = QuotaNames { limit: "snippets", limit_per_client: "snippets", held: "are made", retry_after_s: 1 };
    let max = available_parallelism().map_or(1, NonZero::get) as u64;
    // A single client may have all.
    Quota::new(names, max, max)
});

/// Makes a snippet on another thread, so that it does not delay other requests.
async fn make_snippet(address: IpAddr, terms: &Arc<Terms>, text: Arc<str>) -> ApiResult<Option<Arc<str>>> {
    // A request that is stopped while it waits has made nothing. Addresses take turns.
    let _turn = MADE_AT_ONCE.wait(address).await;
    let terms = Arc::clone(terms);
    let made = tokio::task::spawn_blocking(move || snippet::cut(&terms, &text).map(Into::into)).await;
    made.map_err(|error| ApiError::Internal(format!("making a snippet: {error}")))
}

/// Adds the field to the query root.
pub fn add_to_query(query: Object<Root>) -> Object<Root> {
    query
        .resolve_by::<RelayLast<SearchArguments>>(
            "search",
            "Searches titles, names and texts, the best hits first: at most 200.\n\n\
             Every word must be found, in any case and with ё or е. A title or a name may have it as a part of a\n\
             word, a text in any of its forms. \"Words in quotes\" must stand together, -word excludes what has the\n\
             word. If nothing is found, titles and names are searched for typos, and for what the same keys type on\n\
             a keyboard of the other language. A query without words finds nothing.",
            |_: &mut Registry| format!("{}!", Connection::<SearchHit>::type_name()),
            |call| Box::pin(async move { search(&call).await.into() }),
        )
        .with(|description| description.object_once(connection::<SearchHit>))
}

async fn search(call: &Call<'_, Root, RelayLast<SearchArguments>>) -> Result<Column, FieldError> {
    let RelayLast(PageArguments { page, list: SearchArguments { query, types } }) = &*call.arguments;
    let (terms, hits) = find_meant(call.context.db(), query, types.clone()).await?;
    let rank = |hit: Hit| (hit.rank(), SearchHit { hit, terms: Arc::clone(&terms), snippet: OnceCell::new() });
    let page = cut("search", hits.into_iter().map(rank).collect(), page)?;
    Ok(Connection::column(vec![page]))
}
