//! Inputs of searches.

use async_graphql::{Enum, InputObject};

/// The types of objects that a search can find. Equally good hits are sorted in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enum)]
#[graphql(name = "SearchType")]
pub enum SearchType {
    /// Movies and series, by title and original title.
    Movie,
    /// People, by name.
    Person,
    /// Publications, by title and text.
    Publication,
    /// Online cinemas, by title.
    Cinema,
}

impl SearchType {
    /// All types.
    pub const ALL: [Self; 4] = [Self::Movie, Self::Person, Self::Publication, Self::Cinema];

    /// The table of folded texts, its key, and its text columns.
    pub fn table(self) -> (&'static str, &'static str, &'static [&'static str]) {
        match self {
            Self::Movie => ("movie_titles", "movie_id", &["title", "original"]),
            Self::Person => ("person_names", "person_id", &["name"]),
            Self::Publication => ("publication_titles", "publication_id", &["title"]),
            Self::Cinema => ("cinema_titles", "cinema_id", &["title"]),
        }
    }
}

/// What to search for.
#[derive(Debug, InputObject)]
pub struct SearchArguments {
    /// The search terms, at most 200 characters and 16 words.
    pub(super) query: String,
    /// Only objects of these types. If omitted, all types are searched. An empty list finds nothing.
    pub(super) types: Option<Vec<SearchType>>,
}
