//! The publication as API clients see it.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, SimpleObject};
use entity::{publications, publications_category};
use sea_orm::prelude::Json;
use sea_orm::sea_query::{Expr, Func};
use sea_orm::{ColumnTrait, DerivePartialModel};

use crate::account::User;
use crate::comment::{Comment, CommentOrder, CommentsOfPublication};
use crate::error::{ApiError, ApiResult};
use crate::kit::scalar::DateTime;
use crate::kit::{ByKey, ContextExt, Edge, Id, InPlace, Page, PageArgs, WideColumn, json_strings, node};
use crate::policy;
use crate::rating::{self, UserRating};
use crate::subject::SubjectId;

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
    created_at: DateTime,
    /// When it was last edited; the time of publication if never.
    changed_at: DateTime,
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
node!(PublicationCategory, publications_category, kept: true);

/// The text. It runs to hundreds of sentences: read only for those who select it.
pub struct Text;

impl WideColumn for Text {
    type Node = Publication;

    const TURNS: u32 = 6;

    fn column() -> publications::Column {
        publications::Column::Text
    }
}

/// Characters at the beginning of the text that snippets are made of.
pub const SEARCHED_LENGTH_MAX: usize = 50_000;

/// The part of the text that snippets are made of.
pub struct Searched;

impl WideColumn for Searched {
    type Node = Publication;

    const TURNS: u32 = 6;

    fn column() -> publications::Column {
        publications::Column::Text
    }

    fn expr() -> Expr {
        first_characters(SEARCHED_LENGTH_MAX)
    }
}

/// The beginning of the text, cut by the database.
fn first_characters(count: usize) -> Expr {
    Func::cust("substr")
        .arg(publications::Column::Text.into_expr())
        .arg(Expr::cust("1"))
        .arg(Expr::cust(count.to_string()))
        .into()
}

/// Characters of an excerpt at most.
const EXCERPT_LENGTH_MAX: i32 = 1_000;

/// The part of the text that excerpts are made of.
pub(super) struct Beginning;

impl WideColumn for Beginning {
    type Node = Publication;

    fn column() -> publications::Column {
        publications::Column::Text
    }

    fn expr() -> Expr {
        // One character more tells whether the text goes on.
        first_characters(EXCERPT_LENGTH_MAX.unsigned_abs() as usize + 1)
    }
}

#[ComplexObject]
impl Publication {
    /// The whole text.
    async fn text(&self, ctx: &Context<'_>) -> ApiResult<Arc<str>> {
        ctx.text::<Text>(self.id).await?.ok_or(ApiError::Gone)
    }

    /// The beginning of the text, cut between words, with "…" if the text goes on.
    async fn excerpt(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many characters at most, 1 to 1000.", default = 300)] length: i32,
    ) -> ApiResult<String> {
        let size = excerpt_size(length)?;
        let text = ctx.text::<Beginning>(self.id).await?.ok_or(ApiError::Gone)?;
        Ok(cut(&text, size))
    }

    /// What kind of publication it is.
    async fn category(&self, ctx: &Context<'_>) -> ApiResult<InPlace<PublicationCategory>> {
        ctx.load(self.category_id).await.map(InPlace)
    }

    /// The titles of its tags, such as "Драма".
    async fn tags(&self) -> Vec<&str> {
        json_strings(self.tags.as_ref())
    }

    /// Who wrote it; null when the account is gone.
    async fn author(&self, ctx: &Context<'_>) -> ApiResult<Option<InPlace<User>>> {
        Ok(ctx.find(self.author_id).await?.map(InPlace))
    }

    /// Whether the viewer may change and delete it.
    async fn can_edit(&self, ctx: &Context<'_>) -> ApiResult<bool> {
        policy::may("updatePublication", ctx.viewer(), Some(self.author_id.key()))
    }

    /// What users gave the publication.
    async fn user_rating(&self, ctx: &Context<'_>) -> ApiResult<UserRating> {
        UserRating::load(ctx, SubjectId::Publication(self.id)).await
    }

    /// What the viewer gave the publication, from 1 to 5; null if nothing, and for whoever is not signed in.
    async fn viewer_rating(&self, ctx: &Context<'_>) -> ApiResult<Option<i16>> {
        rating::of_viewer(ctx, SubjectId::Publication(self.id)).await
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

/// Characters of an excerpt.
pub(super) fn excerpt_size(length: i32) -> ApiResult<usize> {
    let size = usize::try_from(length).ok().filter(|_| (1..=EXCERPT_LENGTH_MAX).contains(&length));
    size.ok_or_else(|| {
        ApiError::bad_input("length", format!("{length} is out of range; ask for 1 to {EXCERPT_LENGTH_MAX}"))
    })
}

/// At most `size` characters of `text`, the last of them "…" if something is left out.
pub(super) fn cut(text: &str, size: usize) -> String {
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
