//! Rules of publications: what they contain, and who may change them.

use std::sync::LazyLock;

use entity::{comments, publications, users_rating};
use sea_orm::prelude::Json;
use sea_orm::sea_query::{Alias, Expr, LockType, Query, UnionType};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Set, Unchanged,
};

use super::inputs::{CreatePublicationInput, DeletePublicationInput, UpdatePublicationInput};
use super::objects::{PublicationText, find_shown};
use super::{Publication, PublicationCategory};
use crate::account::User;
use crate::kit::edit::reference;
use crate::kit::form::{Form, InputId, field, line, path, text as lines};
use crate::kit::mutate::Work;
use crate::kit::problem::{Problems, Rejection, UserError};
use crate::kit::rows::Returning;
use crate::kit::single::{SingleCall, SingleSql, SingleStatement};
use crate::kit::upkeep::BATCH;
use crate::kit::{Id, UserErrorReason};
use crate::tag::service::{KnownTags, plain_titles};

/// The maximum length of a headline in characters.
const TITLE_LENGTH_MAX: usize = 256;

/// The maximum length of a text in characters. PostgreSQL's full-text search accepts a megabyte of different words,
/// which this length cannot reach.
const TEXT_LENGTH_MAX: usize = 100_000;

fn title_rule() -> impl FnOnce(&mut Problems, &str, String) -> String + Send {
    line(TITLE_LENGTH_MAX)
}

fn text_rule() -> impl FnOnce(&mut Problems, &str, String) -> String + Send {
    lines(TEXT_LENGTH_MAX)
}

/// Creates a publication of the viewer.
///
/// # Errors
/// `Invalid` with all errors of the input.
pub async fn create(work: &Work, input: &CreatePublicationInput) -> Result<Id<Publication>, Rejection> {
    let CreatePublicationInput { title, text, category_id, tags } = input.clone();
    let mut form = Form::new(work);
    let now = work.now().fixed_offset();
    let mut row = publications::ActiveModel {
        author: Set(work.viewer()?.user),
        created_at: Set(now),
        changed_at: Set(now),
        ..Default::default()
    };
    form.must(&mut row.title, field!(title).required(), title_rule()).await?;
    form.must(&mut row.text, field!(text).required(), text_rule()).await?;
    form.must(&mut row.category, field!(category_id).required(), reference::<PublicationCategory>()).await?;
    form.may(&mut row.tags, field!(tags), KnownTags).await?;
    form.check()?;
    let inserted = publications::Entity::insert(row).exec(work.txn()).await?;
    Ok(Id::new(inserted.last_insert_id))
}

/// The category and the tags are locked until the statement ends. Only [`create`] finds a tag whose spelling differs
/// from the stored one.
static CREATE: LazyLock<SingleSql> = LazyLock::new(|| {
    let insert = "known AS (
            SELECT title FROM tags WHERE title = ANY ($6) FOR KEY SHARE
        ), done AS (
            INSERT INTO publications (category, author, title, text, created_at, changed_at, tags)
            SELECT id, $2, $3, $4, $5, $5, $7 FROM publications_category
            WHERE id = $1 AND {is_new} AND cardinality($6) = (SELECT count(*) FROM known)
            FOR KEY SHARE
            RETURNING *
        )";
    SingleSql::new(insert, Returning::with::<User, _>("author", &Publication::author_id))
});

/// The statement of [`create`].
pub fn create_single(call: SingleCall, input: &CreatePublicationInput) -> Option<SingleStatement> {
    let mut problems = Problems::new();
    let title = title_rule()(&mut problems, &path("title"), input.title.clone());
    let text = text_rule()(&mut problems, &path("text"), input.text.clone());
    problems.check().ok()?;
    let category = Id::<PublicationCategory>::parse("", &input.category_id).ok()?;
    let tags = input.tags.as_opt_ref().flatten();
    let titles = plain_titles(tags.map_or(&[], Vec::as_slice))?;
    let statement = CREATE.bind([
        category.key().into(),
        call.viewer.user.into(),
        title.into(),
        text.as_str().into(),
        call.now.fixed_offset().into(),
        titles.into(),
        tags.map(|tags| Json::from(tags.as_slice())).into(),
    ]);
    Some(statement.with_text::<PublicationText>(&text))
}

/// Changes a publication. Its `changed_at` increases, unless nothing changes.
///
/// # Errors
/// `Stale` if it has changed since the client read it, `Invalid` with all errors of the input, `Forbidden` if another
/// user wrote it.
pub async fn update(work: &Work, input: &UpdatePublicationInput) -> Result<Id<Publication>, Rejection> {
    let UpdatePublicationInput { id, expected_changed_at, title, text, category_id, tags } = input.clone();
    let row = find(work, &id, LockType::NoKeyUpdate).await?;
    let id = Id::new(row.id);
    if expected_changed_at.is_some_and(|expected| expected.0 != row.changed_at) {
        let told = "the publication has changed since then; review the current version and send its `changedAt`";
        let error = UserError::conflict(path("expectedChangedAt"), UserErrorReason::Changed, told);
        return Err(Rejection::stale(error, id));
    }
    let mut form = Form::new(work);
    let changed_at = work.later_than(row.changed_at);
    let mut changed = row.into_active_model();
    form.must(&mut changed.title, field!(title), title_rule()).await?;
    form.must(&mut changed.text, field!(text), text_rule()).await?;
    form.must(&mut changed.category, field!(category_id), reference::<PublicationCategory>()).await?;
    form.may(&mut changed.tags, field!(tags), KnownTags).await?;
    let changes = form.check()?;
    if !changes.is_empty() {
        changed.changed_at = Set(changed_at);
        publications::Entity::update(changed).exec_without_returning(work.txn()).await?;
    }
    Ok(id)
}

/// The maximum number of comments and ratings that are deleted in the same transaction as their publication. A
/// publication with more is hidden, and emptied so that no search finds it; [`remove_deleted`] removes the rest.
const DELETED_AT_ONCE_MAX: u64 = BATCH;

/// Deletes a publication with its ratings and its comments, including their threads.
///
/// # Errors
/// `Invalid` if it does not exist, `Forbidden` if another user wrote it.
pub async fn delete(work: &Work, input: &DeletePublicationInput) -> Result<Id<Publication>, Rejection> {
    let row = find(work, &input.id, LockType::Update).await?;
    if count_some(work, row.id).await? <= DELETED_AT_ONCE_MAX {
        publications::Entity::delete_by_id(row.id).exec(work.txn()).await?;
        return Ok(Id::new(row.id));
    }
    let hidden = publications::ActiveModel {
        id: Unchanged(row.id),
        title: Set(String::new()),
        text: Set(String::new()),
        tags: Set(None),
        deleted_at: Set(Some(work.now().fixed_offset())),
        ..Default::default()
    };
    publications::Entity::update(hidden).exec_without_returning(work.txn()).await?;
    Ok(Id::new(row.id))
}

/// The number of comments and ratings, counted up to one more than are deleted in one transaction.
async fn count_some(work: &Work, publication: i32) -> Result<u64, DbErr> {
    let ratings = Query::select()
        .expr(Expr::val(1))
        .from(users_rating::Entity)
        .and_where(users_rating::Column::PublicationId.eq(publication))
        .take();
    let some = Query::select()
        .expr(Expr::val(1))
        .from(comments::Entity)
        .and_where(comments::Column::PublicationId.eq(publication))
        .union(UnionType::All, ratings)
        .limit(DELETED_AT_ONCE_MAX + 1)
        .take();
    let count = Query::select().expr(Expr::cust("count(*)")).from_subquery(some, Alias::new("some")).take();
    let count = work.txn().query_one(&count).await?.map(|row| row.try_get_by_index::<i64>(0)).transpose()?;
    Ok(count.unwrap_or_default().unsigned_abs())
}

/// Deletes a batch of the rows that belong to publications that are being deleted, and finally the publications.
/// Returns the number of rows. Several instances may run it simultaneously, and any may continue after another: each
/// statement is independent.
///
/// # Errors
/// The database failed.
pub async fn remove_deleted(db: &DatabaseConnection) -> Result<u64, DbErr> {
    let deleted = publications::Entity::find().filter(publications::Column::DeletedAt.is_not_null());
    let deleted = deleted.select_only().column(publications::Column::Id).order_by_asc(publications::Column::Id);
    let Some(id) = deleted.limit(1).into_tuple::<i32>().one(db).await? else { return Ok(0) };
    let comments = || comments::Entity::find().filter(comments::Column::PublicationId.eq(id));
    let ratings = || users_rating::Entity::find().filter(users_rating::Column::PublicationId.eq(id));

    // Replies before their parents, which have lower ids.
    let batch = comments().select_only().column(comments::Column::Id).order_by_desc(comments::Column::Id).limit(BATCH);
    let rows = comments::Entity::delete_many().filter(comments::Column::Id.in_subquery(batch.into_query()));
    let removed = rows.exec(db).await?.rows_affected;
    if removed > 0 {
        return Ok(removed);
    }
    let batch = ratings().select_only().column(users_rating::Column::Id).limit(BATCH);
    let rows = users_rating::Entity::delete_many().filter(users_rating::Column::Id.in_subquery(batch.into_query()));
    let removed = rows.exec(db).await?.rows_affected;
    if removed > 0 {
        return Ok(removed);
    }
    // Skips rows that another instance is deleting.
    let row = publications::Entity::delete_many()
        .filter(publications::Column::Id.eq(id))
        .filter(Expr::not_exists(comments().into_query()))
        .filter(Expr::not_exists(ratings().into_query()));
    Ok(row.exec(db).await?.rows_affected)
}

/// A publication that the viewer may change. It is locked until the transaction ends.
async fn find(work: &Work, id: &InputId, lock: LockType) -> Result<publications::Model, Rejection> {
    let id = Id::<Publication>::parse(&path("id"), id)?;
    let row = find_shown().filter(publications::Column::Id.eq(id.key())).lock(lock).one(work.txn()).await?;
    let row = row.ok_or_else(|| UserError::not_found(path("id"), "publication"))?;
    work.may_change(Some(row.author))?;
    Ok(row)
}
