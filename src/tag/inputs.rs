//! Inputs of tags: those of mutations, and filters by tags.

use async_graphql::InputObject;
use sea_orm::{ColumnTrait, Condition, EntityTrait};

use crate::error::{ApiError, ApiResult};
use crate::kit::spelling::spellings;
use crate::kit::{check_text, has_row};

/// A tag to create.
#[derive(Clone, Debug, InputObject)]
pub struct CreateTagInput {
    /// The title, 1 to 56 characters. Must be unique.
    pub(super) title: String,
}

/// A tag to rename.
#[derive(Clone, Debug, InputObject)]
pub struct UpdateTagInput {
    /// The current title.
    pub(super) title: String,
    /// The new title, 1 to 56 characters. Must be unique.
    pub(super) new_title: String,
}

/// A tag to delete.
#[derive(Clone, Debug, InputObject)]
pub struct DeleteTagInput {
    /// The title of the tag.
    pub(super) title: String,
}

/// The maximum number of titles in a list of a filter.
const TITLES_MAX: usize = 20;

/// A filter by tags. Each list has at most 20 titles. They must match the titles in `tags` exactly. A tag that does not
/// exist matches nothing.
#[derive(Clone, Debug, Default, InputObject)]
pub struct TagFilter {
    /// Only objects with all of these tags. An empty list is ignored.
    all: Option<Vec<String>>,
    /// Only objects with at least one of these tags. An empty list matches nothing.
    any: Option<Vec<String>>,
}

impl TagFilter {
    /// The row with the key `own` has the tags that the input `field` requires. `E` is a table of tags with their
    /// owners.
    ///
    /// # Errors
    /// `BadInput` for too many titles, or for one that a database does not accept.
    pub fn condition<E: EntityTrait>(
        self,
        field: &str,
        owner: E::Column,
        tag: E::Column,
        own: impl ColumnTrait,
    ) -> ApiResult<Condition> {
        let all = check_titles(&format!("{field}.all"), self.all.unwrap_or_default())?;
        let any = self.any.map(|titles| check_titles(&format!("{field}.any"), titles)).transpose()?;
        let each = all.iter().map(|title| has_row::<E>(owner, own, tag.is_in(spellings(title))));
        Ok(each.fold(Condition::all(), Condition::add).add_option(
            any.map(|titles| has_row::<E>(owner, own, tag.is_in(titles.iter().flat_map(|title| spellings(title))))),
        ))
    }
}

fn check_titles(field: &str, mut titles: Vec<String>) -> ApiResult<Vec<String>> {
    if titles.len() > TITLES_MAX {
        let text = format!("has {} titles; the limit is {TITLES_MAX}", titles.len());
        return Err(ApiError::bad_input(field, text));
    }
    titles.sort_unstable();
    titles.dedup();
    titles.into_iter().map(|title| check_text(field, title)).collect()
}
