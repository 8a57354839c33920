//! Inputs of publications: filters and orders, and those of mutations.

use async_graphql::{Enum, ID, InputObject};
use entity::{publication_tags, publication_titles, publications, publications_category, rating_totals, users};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, JoinType, QueryFilter, QuerySelect, QueryTrait, RelationTrait, Select,
};

use super::PublicationCategory;
use crate::account::User;
use crate::error::{ApiError, ApiResult};
use crate::kit::constraint::Constraint;
use crate::kit::edit::{Editable, References, Unique};
use crate::kit::fields::fields;
use crate::kit::form::{Omittable, line};
use crate::kit::scalar::DateTime;
use crate::kit::{Id, PageOrder, SortKey, check_time, choice_name};
use crate::rating;
use crate::tag::TagFilter;

/// A filter for publications. A publication must meet all conditions.
#[derive(Clone, Debug, Default, InputObject)]
pub struct PublicationFilter {
    /// Only publications in this category.
    category_id: Option<ID>,
    /// Only publications with these tags.
    tags: Option<TagFilter>,
    /// Only publications by this user. A deleted account matches nothing.
    author_id: Option<ID>,
    /// Only publications created at this time or later.
    created_from: Option<DateTime>,
    /// Only publications created before this time. Must not be before `createdFrom`.
    created_before: Option<DateTime>,
}

impl PublicationFilter {
    pub(super) fn condition(self) -> ApiResult<Condition> {
        let category =
            self.category_id.map(|id| Id::<PublicationCategory>::parse("filter.categoryId", &id)).transpose()?;
        let author = self.author_id.map(|id| Id::<User>::parse("filter.authorId", &id)).transpose()?;
        let from = self.created_from.map(|time| check_time("filter.createdFrom", time)).transpose()?;
        let before = self.created_before.map(|time| check_time("filter.createdBefore", time)).transpose()?;
        if from.zip(before).is_some_and(|(from, before)| from > before) {
            return Err(ApiError::bad_input("filter.createdBefore", "is before `createdFrom`; swap them"));
        }
        // A deleted user's publications remain, but nobody learns which they are.
        let by_author = author.map(|id| {
            let living = users::Entity::find()
                .select_only()
                .column(users::Column::Id)
                .filter(users::Column::Id.eq(id.key()))
                .filter(users::Column::DeletedAt.is_null());
            publications::Column::Author.in_subquery(living.into_query())
        });
        let tags = self.tags.map(|tags| {
            tags.condition::<publication_tags::Entity>(
                "filter.tags",
                publication_tags::Column::PublicationId,
                publication_tags::Column::Tag,
                publications::Column::Id,
            )
        });
        Ok(Condition::all()
            .add_option(tags.transpose()?)
            .add_option(category.map(|id| publications::Column::Category.eq(id.key())))
            .add_option(by_author)
            .add_option(from.map(|time| publications::Column::CreatedAt.gte(time)))
            .add_option(before.map(|time| publications::Column::CreatedAt.lt(time))))
    }
}

/// The sort order of a list of publications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum PublicationOrder {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
    /// By title, alphabetically. Case is ignored, and ё equals е.
    Title,
    /// By title, in reverse alphabetical order.
    TitleDesc,
    /// By average user rating, lowest first. Publications without ratings come last.
    UserRating,
    /// By average user rating, highest first. Publications without ratings come last.
    UserRatingDesc,
}

impl PageOrder for PublicationOrder {
    type Entity = publications::Entity;

    fn tag(self) -> &'static str {
        choice_name(self)
    }

    fn keys(self) -> Vec<SortKey> {
        match self {
            Self::Newest | Self::Oldest => {
                [publications::Column::CreatedAt, publications::Column::Id].map(SortKey::column).into()
            }
            Self::Title | Self::TitleDesc => {
                [publication_titles::Column::Title, publication_titles::Column::PublicationId]
                    .map(SortKey::column)
                    .into()
            }
            Self::UserRating | Self::UserRatingDesc => rating::order_keys(rating_totals::Column::PublicationId),
        }
    }

    fn join(self, rows: Select<publications::Entity>) -> Select<publications::Entity> {
        match self {
            Self::Newest | Self::Oldest => rows,
            Self::Title | Self::TitleDesc => {
                rows.join_rev(JoinType::InnerJoin, publication_titles::Relation::Publications.def())
            }
            Self::UserRating | Self::UserRatingDesc => {
                let publication = rating_totals::Relation::Publications.def();
                rating::join_totals(rows, publication, rating_totals::Column::PublicationId)
            }
        }
    }
}

/// A new publication.
#[derive(Clone, Debug, InputObject)]
pub struct CreatePublicationInput {
    /// The headline, 1 to 256 characters.
    pub(super) title: String,
    /// The text, 1 to 100,000 characters.
    pub(super) text: String,
    /// The id of the category.
    pub(super) category_id: ID,
    /// The titles of the tags, at most 20. They must match the titles in `tags` exactly.
    pub(super) tags: Omittable<Vec<String>>,
}

/// The changes to a publication. Omitted fields keep their values. If anything changes, `changedAt` is set to the
/// current time.
#[derive(Clone, Debug, InputObject)]
pub struct UpdatePublicationInput {
    /// The id of the publication.
    pub(super) id: ID,
    /// The `changedAt` that the client last read. If the publication has changed since then, the mutation fails with
    /// `CONFLICT`, and the payload contains the current publication. If omitted, this is not checked.
    pub(super) expected_changed_at: Option<DateTime>,
    /// The headline, 1 to 256 characters.
    pub(super) title: Omittable<String>,
    /// The text, 1 to 100,000 characters.
    pub(super) text: Omittable<String>,
    /// The id of the category.
    pub(super) category_id: Omittable<ID>,
    /// The titles of all tags, at most 20. They must match the titles in `tags` exactly. Null removes all tags.
    pub(super) tags: Omittable<Vec<String>>,
}

/// A publication to delete.
#[derive(Clone, Debug, InputObject)]
pub struct DeletePublicationInput {
    /// The id of the publication.
    pub(super) id: ID,
}

fields! {
    PublicationCategory: CreatePublicationCategoryInput, UpdatePublicationCategoryInput, DeletePublicationCategoryInput;
    required {
        /// The name of the category, 1 to 24 characters. Must be unique.
        title: String => line(24),
    }
}

impl Editable for PublicationCategory {
    const WHAT: &'static str = "publication category";

    const UNIQUE: &'static [Unique<Self>] = &[Unique {
        columns: &[publications_category::Column::Title],
        constraint: Constraint::unique(
            "publications_category_title_key",
            "publications_category.title",
            "input.title",
            "another category has this title; choose another",
        ),
    }];

    fn references(key: i32) -> Vec<References> {
        vec![References::new(publications::Column::Category, key, "publication", "publications")]
    }
}

/// The length of an excerpt.
#[derive(Debug, InputObject)]
pub struct ExcerptArguments {
    /// The maximum number of characters, 1 to 1000.
    #[graphql(default = 300)]
    pub(super) length: i32,
}

/// Which publications to list, and in which order.
#[derive(Debug, InputObject)]
pub struct PublicationsArguments {
    /// The filter. If omitted, all publications are listed.
    pub(super) filter: Option<PublicationFilter>,
    /// The sort order of the list. A cursor is valid only in the order that returned it.
    #[graphql(default)]
    pub(super) order_by: PublicationOrder,
}
