//! Tags, and the list of all.

use async_graphql::ID;
use entity::tags;
use graphql::{Context, Description, NoArguments, Object};
use sea_orm::EntityTrait;

use crate::error::ApiResult;
use crate::kit::rows::{ListSelect, RootList, RowObject, row};
use crate::kit::{PageOrder, SortKey, id};

row! {
    /// A tag of movies and publications. Its title identifies it.
    Tag of tags [key: none] {
        title: String,
    }
}

/// The types of this domain.
pub fn describe(description: &mut Description) {
    description.object(
        Object::<Tag>::new("A tag of movies and publications. Its title identifies it.")
            .column_as(
                "id",
                "An opaque id for client caches. It changes with the title. `node` does not accept it.",
                Tag::title,
                |title| ID(id::encode_name("Tag", title)),
            )
            .column("title", "The title of the tag, such as \"Драма\".", Tag::title),
    );
}

/// By title, in the order of Unicode code points.
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

/// `tags`.
#[derive(Debug)]
pub struct Tags;

impl RootList for Tags {
    type Row = Tag;
    type Arguments = NoArguments;
    type Order = ByTitle;

    const LIST: &'static str = "tags";

    async fn rows(_: &Context, NoArguments: &NoArguments) -> ApiResult<ListSelect<Self>> {
        Ok((tags::Entity::find(), ByTitle))
    }
}
