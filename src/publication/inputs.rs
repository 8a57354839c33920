//! What clients give: filters and orders of publications, and what they publish.

use async_graphql::{Enum, ID, InputObject};
use entity::{publication_tags, publication_titles, publications, rating_totals, users};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, JoinType, QueryFilter, QuerySelect, QueryTrait, RelationTrait, Select,
};

use super::PublicationCategory;
use crate::account::User;
use crate::error::{ApiError, ApiResult};
use crate::kit::scalar::DateTime;
use crate::kit::{Id, PageOrder, SortKey, check_time, choice_name};
use crate::rating;
use crate::tag::TagFilter;

/// Which publications to list. Conditions that are named must all hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct PublicationFilter {
    /// Only of this kind.
    category_id: Option<ID>,
    /// Only with these tags.
    tags: Option<TagFilter>,
    /// Only by this user; none if the account is gone.
    author_id: Option<ID>,
    /// Only published at this time or later.
    created_from: Option<DateTime>,
    /// Only published before this time. A period that ends before it begins is refused.
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
            return Err(ApiError::bad_input("filter.createdBefore", "lies before `createdFrom`; swap the two"));
        }
        // What a removed user wrote stays, but nobody learns which it was.
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

/// The order of a list of publications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum PublicationOrder {
    /// The latest published first.
    #[default]
    Newest,
    /// The earliest published first.
    Oldest,
    /// By title, alphabetically: case makes no difference, and ё is е.
    Title,
    /// By title, in reverse alphabetical order.
    TitleDesc,
    /// By the average of users' ratings, the lowest first. Those without ratings come last.
    UserRating,
    /// By the average of users' ratings, the highest first. Those without ratings come last.
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
