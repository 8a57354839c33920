//! Publications and their categories.

use entity::{publications, publications_category};
use graphql::{Batch, Call, Context, Description, FieldError, NoArguments, Object};
use sea_orm::prelude::Json;
use sea_orm::sea_query::{Expr, Func};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select};

use super::inputs::{ExcerptArguments, PublicationOrder, PublicationsArguments};
use super::mutations::EDIT;
use crate::account::User;
use crate::comment::CommentsOfPublication;
use crate::error::{ApiError, ApiResult};
use crate::kit::rows::text::texts_as;
use crate::kit::rows::{ContextExt, KEY, List, ListSelect, RootList, RowObject, Table, WideColumn, row};
use crate::kit::scalar::DateTime;
use crate::kit::{ByKey, Id, json_strings};
use crate::rating::objects::{RatingTotals, ViewerRating};

row! {
    /// An article about film, written by a user.
    Publication of publications [hidden: deleted_at] {
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
        Object::<Publication>::new("An article about film, written by a user.")
            .node()
            .column("title", "The headline.", Publication::title)
            .column("createdAt", "When the publication was created.", Publication::created_at)
            .column(
                "changedAt",
                "When the publication was last edited. Equal to `createdAt` if never.",
                Publication::changed_at,
            )
            .required_text::<PublicationText>("text", "The full text.")
            .costs(200)
            .batch::<Excerpt>(
                "excerpt",
                "The beginning of the text, cut between words. Ends with \"…\" if the text continues.",
            )
            .needs(KEY)
            .costs(4)
            .link("category", "The category.", Publication::category_id)
            .column_as(
                "tags",
                "The titles of the publication's tags, such as \"Драма\".",
                Publication::tags,
                |tags| json_strings(tags.as_ref()).into_iter().map(str::to_owned).collect::<Vec<_>>(),
            )
            .nullable_link("author", "The author. Null if the account was deleted.", Publication::author_id)
            .derive("canEdit", "Whether the viewer can edit and delete the publication.", can_edit)
            .needs(Publication::author_id.columns())
            .personal()
            .batch::<RatingTotals>("userRating", "A summary of all users' ratings of the publication.")
            .needs(KEY)
            .batch::<ViewerRating>(
                "viewerRating",
                "The viewer's rating, from 1 to 5. Null if the viewer has not rated the publication or is not \
                 signed in.",
            )
            .needs(KEY)
            .personal()
            .edge::<CommentsOfPublication>("comments", "The top-level comments. Each comment has its `replies`."),
    );
    description.object(
        Object::<PublicationCategory>::new("A category of publications, such as \"Рецензия\".").node().column(
            "title",
            "The name of the category.",
            PublicationCategory::title,
        ),
    );
}

fn can_edit(context: &Context, publication: &Publication) -> bool {
    EDIT.permits(context.viewer(), Some(publication.author_id.key()))
}

/// The text. It may be very long, so it is read only if it is selected.
pub(super) struct PublicationText;

impl WideColumn for PublicationText {
    type Row = Publication;

    const TURNS: u32 = 6;

    fn column() -> publications::Column {
        publications::Column::Text
    }
}

/// The number of characters of the text that snippets are made from.
pub const SEARCHED_LENGTH_MAX: usize = 50_000;

/// The part of the text that snippets are made from.
#[derive(Debug)]
pub struct SearchText;

impl WideColumn for SearchText {
    type Row = Publication;

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

/// The maximum length of an excerpt in characters.
const EXCERPT_LENGTH_MAX: i32 = 1_000;

/// The part of the text that excerpts are made from.
struct ExcerptText;

impl WideColumn for ExcerptText {
    type Row = Publication;

    fn column() -> publications::Column {
        publications::Column::Text
    }

    fn expr() -> Expr {
        // One extra character shows whether the text continues.
        first_characters(EXCERPT_LENGTH_MAX.unsigned_abs() as usize + 1)
    }
}

struct Excerpt;

impl Batch<Publication> for Excerpt {
    type Arguments = ExcerptArguments;
    type Value = Result<String, FieldError>;

    async fn find(call: Call<'_, Publication, ExcerptArguments>) -> Result<Vec<Self::Value>, FieldError> {
        let ExcerptArguments { length } = *call.arguments;
        let size = excerpt_size(length)?;
        let keys: Vec<_> = call.iter().map(Publication::key).collect();
        let found = texts_as::<ExcerptText, _>(call.context, &keys, |text| cut(text, size)).await?;
        Ok(found.into_iter().map(|text| text.ok_or_else(|| ApiError::Gone.into())).collect())
    }
}

/// The length of an excerpt.
fn excerpt_size(length: i32) -> ApiResult<usize> {
    let size = usize::try_from(length).ok().filter(|_| (1..=EXCERPT_LENGTH_MAX).contains(&length));
    size.ok_or_else(|| {
        ApiError::bad_input("length", format!("{length} is out of range; use 1 to {EXCERPT_LENGTH_MAX}"))
    })
}

/// At most `size` characters of `text`. The last one is "…" if the text continues.
fn cut(text: &str, size: usize) -> String {
    if text.chars().count() <= size {
        return text.to_owned();
    }
    let mut beginning: String = text.chars().take(size.saturating_sub(1)).collect();
    let splits_word = text[beginning.len()..].starts_with(|next: char| !next.is_whitespace());
    if splits_word && let Some(end) = beginning.rfind(char::is_whitespace) {
        beginning.truncate(end);
    }
    beginning.truncate(beginning.trim_end().len());
    beginning.push('…');
    beginning
}

/// The publications that are not being deleted.
pub fn find_shown() -> Select<publications::Entity> {
    publications::Entity::find().filter(publications::Column::DeletedAt.is_null())
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
    ) -> ApiResult<ListSelect<Self>> {
        let filter = filter.clone().unwrap_or_default();
        Ok((find_shown().filter(filter.condition()?), *order_by))
    }
}

/// `publicationCategories`.
#[derive(Debug)]
pub struct PublicationCategories;

impl RootList for PublicationCategories {
    type Row = PublicationCategory;
    type Arguments = NoArguments;
    type Order = ByKey<PublicationCategory>;

    const LIST: &'static str = "publicationCategories";

    async fn rows(_: &Context, NoArguments: &NoArguments) -> ApiResult<ListSelect<Self>> {
        Ok((publications_category::Entity::find(), ByKey::default()))
    }
}

/// `User.publications`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublicationsOfUser;

impl List for PublicationsOfUser {
    type Parent = User;
    type Row = Publication;
    type Order = ByKey<Publication>;
    type Arguments = NoArguments;

    const LIST: &'static str = "User.publications";

    fn parent_column() -> publications::Column {
        publications::Column::Author
    }

    fn rows(&self) -> Select<publications::Entity> {
        find_shown()
    }

    fn new(_: &Context, NoArguments: &NoArguments) -> ApiResult<(Self, Self::Order)> {
        Ok((Self, ByKey::default()))
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
