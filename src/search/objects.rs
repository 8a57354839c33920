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

/// An object that a search found.
#[derive(Debug)]
struct SearchHit {
    hit: Hit,
    terms: Arc<Terms>,
    /// Made once, even if it is selected several times.
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
    description.union("SearchResult", Abstract::union("An object that a search can find.", members.to_vec()));
    description.object(
        Object::<SearchHit>::new("An object that a search found.")
            .value(
                "score",
                "How well the hit matches the query, from 0 to 1. A title or a name with all words of the query \
                 scores 0.5 or more. A text with these words, or a name with typos, scores less.",
                |hit| hit.hit.score as f64 / 1e4,
            )
            .resolve::<NodeOfHit>("node", "The object. Null if it has since been deleted.")
            .resolve::<SnippetOfHit>(
                "snippet",
                "An excerpt of a publication's text around the words of the query, as HTML. These words are in \
                 `<mark>`, and everything else is escaped. Null if the first 50,000 characters of the text contain \
                 none of the words. Always null for other types.",
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
        // Snippets for the same field are made concurrently.
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

/// The limit of concurrent snippets, each on its own thread.
static MADE_AT_ONCE: LazyLock<Arc<Quota>> = LazyLock::new(|| {
    // It has no flag: a request that waits too long times out.
    let names = QuotaNames { limit: "snippets", limit_per_client: "snippets", held: "are made", retry_after_s: 1 };
    let max = available_parallelism().map_or(1, NonZero::get) as u64;
    // A single client may have all.
    Quota::new(names, max, max)
});

/// Makes a snippet on another thread, so that it does not delay other requests.
async fn make_snippet(address: IpAddr, terms: &Arc<Terms>, text: Arc<str>) -> ApiResult<Option<Arc<str>>> {
    // A request that is stopped while it waits has done no work. Addresses take turns.
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
            "Searches titles, names and texts. Returns at most 200 hits, best first.\n\n\
             Every word must match. Case is ignored, and ё equals е. In a title or a name, a word can match a part of\n\
             a word. In a text, it matches all its grammatical forms. \"Words in quotes\" must stand together. -word\n\
             excludes texts with the word. If nothing is found, titles and names are searched for typos and for text\n\
             typed in the wrong keyboard layout. A query without words finds nothing.",
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
