//! Publications about film: reviews, essays, articles.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::{publication_tags, publication_titles, publications, publications_category, rating_totals, users};
use sea_orm::prelude::Json;
use sea_orm::sea_query::{Expr, Func};
use sea_orm::{
    ColumnTrait, Condition, DerivePartialModel, EntityTrait, JoinType, QueryFilter, QuerySelect, QueryTrait,
    RelationTrait, Select,
};

use crate::account::User;
use crate::comment::{Comment, CommentOrder, CommentsOfPublication};
use crate::error::{ApiError, ApiResult};
use crate::kit::{
    ByKey, ContextExt, Edge, Id, Page, PageArgs, PageOrder, SortKey, WideColumn, check_time, choice_name, json_strings,
    node, page,
};
use crate::rating::{self, Rated, UserRating};
use crate::tag::TagFilter;

/// A text about film, written by a user of the library.
#[derive(Clone, Debug, SimpleObject, DerivePartialModel)]
#[graphql(complex)]
#[sea_orm(entity = "publications::Entity")]
pub struct Publication {
    /// The opaque id, the same in every answer.
    pub id: Id<Publication>,
    /// The headline.
    title: String,
    /// When it was published.
    created_at: DateTime<Utc>,
    /// When it was last edited; the time of publication if never.
    changed_at: DateTime<Utc>,
    #[graphql(skip)]
    #[sea_orm(from_col = "author")]
    author_id: Id<User>,
    #[graphql(skip)]
    #[sea_orm(from_col = "category")]
    category_id: Id<PublicationCategory>,
    #[graphql(skip)]
    tags: Option<Json>,
}

/// A kind of publication, such as "Рецензия".
#[derive(Clone, Debug, SimpleObject, DerivePartialModel)]
#[sea_orm(entity = "publications_category::Entity")]
pub struct PublicationCategory {
    /// The opaque id, the same in every answer.
    pub id: Id<PublicationCategory>,
    /// The kind's name.
    title: String,
}

node!(Publication, publications);
node!(PublicationCategory, publications_category);

/// The text. It runs to hundreds of sentences: read only for those who select it.
pub struct Text;

impl WideColumn for Text {
    type Node = Publication;

    fn column() -> publications::Column {
        publications::Column::Text
    }
}

/// Characters of an excerpt at most.
const EXCERPT_LENGTH_MAX: i32 = 1_000;

/// The beginning of the text, cut by the database.
struct Beginning;

impl WideColumn for Beginning {
    type Node = Publication;

    fn column() -> publications::Column {
        publications::Column::Text
    }

    fn expr() -> Expr {
        // One character more tells whether the text goes on.
        let length = EXCERPT_LENGTH_MAX + 1;
        Func::cust("substr")
            .arg(Self::column().into_expr())
            .arg(Expr::cust("1"))
            .arg(Expr::cust(length.to_string()))
            .into()
    }
}

#[ComplexObject]
impl Publication {
    /// The whole text.
    async fn text(&self, ctx: &Context<'_>) -> ApiResult<String> {
        ctx.text::<Text>(self.id).await?.ok_or(ApiError::Gone)
    }

    /// The beginning of the text, cut between words, with "…" if the text goes on.
    async fn excerpt(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many characters at most, 1 to 1000.", default = 300)] length: i32,
    ) -> ApiResult<String> {
        let size = usize::try_from(length).ok().filter(|_| (1..=EXCERPT_LENGTH_MAX).contains(&length));
        let size = size.ok_or_else(|| {
            ApiError::bad_input("length", format!("{length} is out of range; ask for 1 to {EXCERPT_LENGTH_MAX}"))
        })?;
        let text = ctx.text::<Beginning>(self.id).await?.ok_or(ApiError::Gone)?;
        Ok(cut(&text, size))
    }

    /// What kind of publication it is.
    async fn category(&self, ctx: &Context<'_>) -> ApiResult<PublicationCategory> {
        ctx.load(self.category_id).await
    }

    /// The titles of its tags, such as "Драма".
    async fn tags(&self) -> Vec<&str> {
        json_strings(self.tags.as_ref())
    }

    /// Who wrote it; null when the account is gone.
    async fn author(&self, ctx: &Context<'_>) -> ApiResult<Option<User>> {
        ctx.find(self.author_id).await
    }

    /// What users gave the publication.
    async fn user_rating(&self, ctx: &Context<'_>) -> ApiResult<UserRating> {
        UserRating::load(ctx, Rated::Publication(self.id)).await
    }

    /// The comments that are no replies. What was replied stands under each.
    async fn comments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
        #[graphql(desc = "The order of the list. Its cursors are good for this order only.", default)]
        order_by: CommentOrder,
    ) -> ApiResult<Page<Comment>> {
        ctx.children(self.id.key(), CommentsOfPublication, order_by, PageArgs { first, after, last, before }).await
    }
}

/// At most `size` characters of `text`, the last of them "…" if something is left out.
fn cut(text: &str, size: usize) -> String {
    if text.chars().count() <= size {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(size.saturating_sub(1)).collect();
    let goes_on = text[kept.len()..].starts_with(|next: char| !next.is_whitespace());
    if goes_on && let Some(end) = kept.rfind(char::is_whitespace) {
        kept.truncate(end);
    }
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

/// `User.publications`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublicationsOfUser;

impl Edge for PublicationsOfUser {
    type Node = Publication;
    type Order = ByKey<Publication>;

    const LIST: &'static str = "User.publications";

    fn parent_column() -> publications::Column {
        publications::Column::Author
    }
}

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
    created_from: Option<DateTime<Utc>>,
    /// Only published before this time. A period that ends before it begins is refused.
    created_before: Option<DateTime<Utc>>,
}

impl PublicationFilter {
    fn condition(self) -> ApiResult<Condition> {
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

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct PublicationQuery;

#[Object]
impl PublicationQuery {
    /// The publication with this id, or null if there is none.
    async fn publication(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of a publication.")] id: ID,
    ) -> ApiResult<Option<Publication>> {
        ctx.find(Id::parse("id", &id)?).await
    }

    /// The publications of the library.
    #[expect(clippy::too_many_arguments, reason = "the four Relay arguments, a filter and an order")]
    async fn publications(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
        #[graphql(desc = "Which publications to list; all if left out.")] filter: Option<PublicationFilter>,
        #[graphql(desc = "The order of the list. Its cursors are good for this order only.", default)]
        order_by: PublicationOrder,
    ) -> ApiResult<Page<Publication>> {
        let rows = publications::Entity::find().filter(filter.unwrap_or_default().condition()?);
        page::load(ctx.db(), "publications", rows, order_by, PageArgs { first, after, last, before }).await
    }

    /// The kinds of publications.
    async fn publication_categories(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
    ) -> ApiResult<Page<PublicationCategory>> {
        page::load_all(ctx.db(), "publicationCategories", PageArgs { first, after, last, before }).await
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn excerpts_end_between_words() {
        assert_eq!(cut("Кино и мы", 9), "Кино и мы");
        assert_eq!(cut("Кино и мы", 8), "Кино и…");
        assert_eq!(cut("Кино и мы", 7), "Кино и…");
        assert_eq!(cut("Кино и мы", 6), "Кино…");
        assert_eq!(cut("Кинематограф", 5), "Кине…");
        assert_eq!(cut("Кино", 1), "…");
        assert_eq!(cut("", 1), "");
    }
}
