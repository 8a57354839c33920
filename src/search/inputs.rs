//! What a search is asked.

use async_graphql::InputObject;

use super::find::Kind;

/// What to search for.
#[derive(Debug, InputObject)]
pub struct SearchArguments {
    /// What to look for: at most 200 characters and 16 words.
    pub(super) query: String,
    /// Find only objects of these types. All types if left out, nothing if empty.
    pub(super) types: Option<Vec<Kind>>,
}
