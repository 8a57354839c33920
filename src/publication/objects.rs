//! Publications, for the engine.

use async_graphql::InputObject;
use entity::{publications, publications_category};
use graphql::{Batch, Call, Context, Description, FieldError, NoArguments, Object};
use sea_orm::prelude::Json;
use sea_orm::{EntityTrait, QueryFilter};

use super::types::{Beginning, Text, cut, excerpt_size};
use super::{PublicationFilter, PublicationOrder, PublicationsOfUser};
use crate::account::objects::User;
use crate::comment::CommentsOfPublication;
use crate::error::{ApiError, ApiResult};
use crate::kit::rows::text::texts_as;
use crate::kit::rows::{ContextExt, KEY, List, Ordered, RootList, RowObject, Table, row};
use crate::kit::scalar::DateTime;
use crate::kit::{ByKey, Id, json_strings};
use crate::policy;
use crate::rating::objects::{RatingTotals, ViewerRating};

row! {
    /// A text about film by a user of the library.
    Publication of publications {
        id: Id<Publication>,
        title: String,
        created_at: DateTime,
        changed_at: DateTime,
        author_id: Id<User> = author,
        category_id: Id<PublicationCategory> = category,
        tags: Option<Json>,
    }
}

row! {
    /// A kind of publication.
    PublicationCategory of publications_category [registry: true] {
        id: Id<PublicationCategory>,
        title: String,
    }
}

/// The types of this domain.
pub fn describe(description: &mut Description) {
    description.object(
        Object::<Publication>::new("A text about film by a user of the library.")
            .node()
            .column("title", "The headline.", Publication::title)
            .column("createdAt", "The time of publication.", Publication::created_at)
            .column(
                "changedAt",
                "The time of the last edit; the time of publication if never edited.",
                Publication::changed_at,
            )
            .required_text::<Text>("text", "The full text.")
            .costs(200)
            .batch::<Excerpt>(
                "excerpt",
                "The beginning of the text, cut between words; ends with \"…\" if the text continues.",
            )
            .needs(KEY)
            .costs(4)
            .link("category", "The kind of publication.", Publication::category_id)
            .column_as(
                "tags",
                "The titles of the publication's tags, such as \"Драма\".",
                Publication::tags,
                |tags| json_strings(tags.as_ref()).into_iter().map(str::to_owned).collect::<Vec<_>>(),
            )
            .nullable_link("author", "The author; null if the account is deleted.", Publication::author_id)
            .derive("canEdit", "Whether the viewer can edit and delete the publication.", can_edit)
            .needs(Publication::author_id.columns())
            .personal()
            .batch::<RatingTotals>("userRating", "The ratings of the publication by all users.")
            .needs(KEY)
            .batch::<ViewerRating>(
                "viewerRating",
                "The viewer's rating of the publication, from 1 to 5; null if the viewer has not rated it or is not\n\
                 signed in.",
            )
            .needs(KEY)
            .personal()
            .edge::<CommentsOfPublication>(
                "comments",
                "The comments that are not replies. Each comment has its replies.",
            ),
    );
    description.object(
        Object::<PublicationCategory>::new("A kind of publication, such as \"Рецензия\".").node().column(
            "title",
            "The name of the kind.",
            PublicationCategory::title,
        ),
    );
}

fn can_edit(context: &Context, publication: &Publication) -> Result<bool, FieldError> {
    Ok(policy::may("updatePublication", context.viewer(), Some(publication.author_id.key()))?)
}

/// How long an excerpt is.
#[derive(Debug, InputObject)]
pub struct ExcerptArguments {
    /// The maximum number of characters, 1 to 1000.
    #[graphql(default = 300)]
    length: i32,
}

struct Excerpt;

impl Batch<Publication> for Excerpt {
    type Arguments = ExcerptArguments;
    type Value = Result<String, FieldError>;

    async fn find(call: Call<'_, Publication, ExcerptArguments>) -> Result<Vec<Self::Value>, FieldError> {
        let ExcerptArguments { length } = *call.arguments;
        let size = excerpt_size(length)?;
        let keys: Vec<_> = call.iter().map(Publication::key).collect();
        let found = texts_as::<Beginning, _>(call.context, &keys, |text| cut(text, size)).await?;
        Ok(found.into_iter().map(|text| text.ok_or_else(|| ApiError::Gone.into())).collect())
    }
}

/// Which publications to list, and in which order.
#[derive(Debug, InputObject)]
pub struct PublicationsArguments {
    /// Which publications to list; all if omitted.
    filter: Option<PublicationFilter>,
    /// The order of the list. A cursor is valid only for the order that returned it.
    #[graphql(default)]
    order_by: PublicationOrder,
}

/// `publications`.
#[derive(Debug)]
pub struct Publications;

impl RootList for Publications {
    type Row = Publication;
    type Arguments = PublicationsArguments;
    type Order = PublicationOrder;

    const LIST: &'static str = "publications";

    async fn rows(
        _: &Context,
        PublicationsArguments { filter, order_by }: &PublicationsArguments,
    ) -> ApiResult<Ordered<Self>> {
        let filter = filter.clone().unwrap_or_default();
        Ok((publications::Entity::find().filter(filter.condition()?), *order_by))
    }
}

/// `publicationCategories`.
#[derive(Debug)]
pub struct PublicationCategories;

impl RootList for PublicationCategories {
    type Row = PublicationCategory;
    type Arguments = NoArguments;
    type Order = ByKey<super::PublicationCategory>;

    const LIST: &'static str = "publicationCategories";

    async fn rows(_: &Context, NoArguments: &NoArguments) -> ApiResult<Ordered<Self>> {
        Ok((publications_category::Entity::find(), ByKey::default()))
    }
}

impl List for PublicationsOfUser {
    type Parent = User;
    type Row = Publication;
    type Arguments = NoArguments;

    fn new(_: &Context, NoArguments: &NoArguments) -> ApiResult<(Self, Self::Order)> {
        Ok((Self, ByKey::default()))
    }
}
