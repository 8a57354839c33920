//! Rules of tags: which exist, and which are in use.

use entity::{movie_tags, publication_tags, tags};
use sea_orm::prelude::Json;
use sea_orm::sea_query::{Expr, LockType};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, Set};

use super::inputs::{CreateTagInput, DeleteTagInput, UpdateTagInput};
use crate::kit::audit::{self, Changes};
use crate::kit::constraint::{Constraint, explain};
use crate::kit::edit::{References, refuse_if_used};
use crate::kit::form::{Check, Form, path};
use crate::kit::mutate::Work;
use crate::kit::problem::{Problems, Rejection, UserError};
use crate::kit::reason::UserErrorReason;
use crate::kit::spelling::{closest, spellings};

/// The maximum length of a title in characters.
const TITLE_LENGTH_MAX: usize = 56;

/// The maximum number of tags of one object.
const TAGS_MAX: usize = 20;

const TITLE: Constraint =
    Constraint::unique("tags_title_key", "tags.title", "input.title", "another tag has this title; choose another");
const NEW_TITLE: Constraint = Constraint { field: "input.newTitle", ..TITLE };

/// Checks that a field contains existing tags without duplicates, and locks them until the transaction ends.
#[derive(Clone, Copy, Debug)]
pub struct KnownTags;

impl Check<Vec<String>, Json> for KnownTags {
    async fn check(self, form: &mut Form<'_>, field: &str, titles: Vec<String>) -> Result<Option<Json>, DbErr> {
        let before = form.problems.count();
        let titles = check(form, field, &titles).await?;
        let tags = Json::Array(titles.into_iter().map(Json::String).collect());
        Ok((form.problems.count() == before).then_some(tags))
    }

    fn shown(tags: &Json) -> String {
        tags.to_string()
    }
}

/// Titles for a statement that looks them up as they are spelled. `None` if [`KnownTags`] has to report an error.
pub fn plain_titles(titles: &[String]) -> Option<Vec<String>> {
    let is_plain = |title: &String| !title.contains('\0');
    (titles.len() <= TAGS_MAX && titles.iter().all(is_plain)).then(|| titles.to_vec())
}

/// Checks that tags exist and have no duplicates, and locks them until the transaction ends. Returns their stored
/// titles.
async fn check(form: &mut Form<'_>, field: &str, titles: &[String]) -> Result<Vec<String>, DbErr> {
    if titles.len() > TAGS_MAX {
        let text = format!("has {} tags; the limit is {TAGS_MAX}", titles.len());
        #[expect(clippy::cast_precision_loss, reason = "it is small")]
        let reason = UserErrorReason::TooMany.within(None, TAGS_MAX as f64);
        form.problems.bad_input(field, reason, text);
        return Ok(Vec::new());
    }
    let known = find(form.work, titles, LockType::KeyShare).await?;
    let mut found: Vec<String> = Vec::new();
    for (place, title) in titles.iter().enumerate() {
        let field = format!("{field}.{place}");
        let spellings = spellings(title);
        let stored = known.iter().filter(|known| spellings.contains(known)).collect();
        match closest(title, stored, |stored: &&String| stored) {
            None => form.problems.add(UserError::not_found(field, "tag")),
            Some(stored) if found.contains(stored) => {
                form.problems.bad_input(field, UserErrorReason::Duplicate, "repeats a tag; list each tag once");
            }
            Some(stored) => found.push(stored.clone()),
        }
    }
    Ok(found)
}

/// The stored titles that are spellings of these.
async fn find(work: &Work, titles: &[String], lock: LockType) -> Result<Vec<String>, DbErr> {
    // PostgreSQL does not accept NUL, and no tag contains one.
    let titles = titles.iter().filter(|title| !title.contains('\0'));
    let rows = tags::Entity::find().select_only().column(tags::Column::Title);
    let rows = rows.filter(tags::Column::Title.is_in(titles.flat_map(|title| spellings(title)))).lock(lock);
    rows.into_tuple().all(work.txn()).await
}

/// Creates a tag.
///
/// # Errors
/// `Invalid` if the title is invalid or exists already.
pub async fn create(work: &Work, input: &CreateTagInput) -> Result<String, Rejection> {
    let title = check_title("title", &input.title)?;
    if !find(work, std::slice::from_ref(&title), LockType::KeyShare).await?.is_empty() {
        return Err(TITLE.problem().into());
    }
    let row = tags::ActiveModel { title: Set(title.clone()) };
    tags::Entity::insert(row).exec_without_returning(work.txn()).await.map_err(explain(&[TITLE]))?;
    record(work, None, Some(&title)).await?;
    Ok(title)
}

/// Renames an unused tag.
///
/// # Errors
/// `Invalid` if the tag does not exist or is in use, or if the new title is invalid.
pub async fn rename(work: &Work, input: &UpdateTagInput) -> Result<String, Rejection> {
    let mut problems = Problems::new();
    let title = problems.take(check_title("newTitle", &input.new_title))?;
    let before = problems.take(find_unused(work, &input.title).await)?;
    problems.check()?;
    let (before, title) = (before.unwrap_or_default(), title.unwrap_or_default());
    let others = find(work, std::slice::from_ref(&title), LockType::KeyShare).await?;
    if others.iter().any(|other| *other != before) {
        return Err(NEW_TITLE.problem().into());
    }
    tags::Entity::update_many()
        .col_expr(tags::Column::Title, Expr::value(title.as_str()))
        .filter(tags::Column::Title.eq(&before))
        .exec(work.txn())
        .await
        .map_err(explain(&[NEW_TITLE]))?;
    record(work, Some(&before), Some(&title)).await?;
    Ok(title)
}

/// Deletes an unused tag.
///
/// # Errors
/// `Invalid` if the tag does not exist or is in use.
pub async fn delete(work: &Work, input: &DeleteTagInput) -> Result<String, Rejection> {
    let title = find_unused(work, &input.title).await?;
    tags::Entity::delete_by_id(title.as_str()).exec(work.txn()).await?;
    record(work, Some(&title), None).await?;
    Ok(title)
}

/// The audit log identifies a tag by its previous title.
async fn record(work: &Work, before: Option<&String>, after: Option<&String>) -> Result<(), Rejection> {
    let name = before.or(after).map_or("", String::as_str);
    audit::record(work, audit::AuditSubject::named("Tag", name), Changes::new().field("title", before, after)).await
}

fn check_title(field: &str, given: &str) -> Result<String, Rejection> {
    let mut problems = Problems::new();
    let title = problems.line(&path(field), given, 1, TITLE_LENGTH_MAX);
    problems.check()?;
    Ok(title)
}

/// The stored title of an unused tag, which stays unused until the transaction ends.
async fn find_unused(work: &Work, title: &String) -> Result<String, Rejection> {
    let found = find(work, std::slice::from_ref(title), LockType::Update).await?;
    let Some(stored) = closest(title, found, |found| found) else {
        return Err(UserError::not_found(path("title"), "tag").into());
    };
    let used = vec![
        References::new(movie_tags::Column::Tag, stored.as_str(), "movie", "movies"),
        References::new(publication_tags::Column::Tag, stored.as_str(), "publication", "publications"),
    ];
    refuse_if_used(work.txn(), "title", used).await?;
    Ok(stored)
}
