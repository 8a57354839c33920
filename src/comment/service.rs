//! Rules of comments: where one may be added, who may change it, and what remains of a deleted one that has replies.
//!
//! A deletion locks the comment's row, and so does a reply to it, so that no reply is added to a comment that is being
//! deleted. Of several rows, a reply is locked before its parent, so that two deletions never deadlock.

use std::sync::LazyLock;

use entity::{comment_tombstones, comments};
use sea_orm::sea_query::{
    Alias, CommonTableExpression, Expr, ExprTrait, JoinType, LockType, Query, UnionType, WithClause,
};
use sea_orm::{ActiveValue, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, Set};

use super::inputs::{AddCommentInput, DeleteCommentInput, EditCommentInput, HideCommentInput};
use super::{Comment, DEPTH_MAX};
use crate::account::User;
use crate::kit::form::{InputId, path};
use crate::kit::mutate::Work;
use crate::kit::problem::{Problems, Rejection, UserError};
use crate::kit::rows::{Returning, shows_with};
use crate::kit::single::{SingleCall, SingleSql, SingleStatement};
use crate::kit::{Id, UserErrorReason};
use crate::subject::{SHOWS, SubjectId, SubjectSql};

/// The maximum length of a comment in characters.
const TEXT_LENGTH_MAX: usize = 10_000;

/// What [`add`] adds.
struct NewComment {
    text: String,
    subject: Option<SubjectId>,
    parent: Option<Id<Comment>>,
}

impl NewComment {
    fn parse(input: &AddCommentInput, problems: &mut Problems) -> Result<Self, Rejection> {
        let text = parse_text(&input.text, problems);
        let subject = input.subject_id.as_ref().map(|id| SubjectId::parse(&path("subjectId"), id));
        let subject = problems.take(subject.transpose())?.flatten();
        let parent = input.parent_id.as_ref().and_then(|id| problems.id(&path("parentId"), id));
        if input.subject_id.is_none() && input.parent_id.is_none() {
            let message = "is required; pass the id of a movie or a publication, or a comment in `parentId`";
            problems.bad_input(path("subjectId"), UserErrorReason::Required, message);
        }
        Ok(Self { text, subject, parent })
    }
}

fn parse_text(text: &str, problems: &mut Problems) -> String {
    problems.text(&path("text"), text, 1, TEXT_LENGTH_MAX)
}

/// Adds a comment to a movie or a publication, or a reply to a comment.
///
/// # Errors
/// `Invalid` with all errors of the input.
pub async fn add(work: &Work, input: &AddCommentInput) -> Result<Id<Comment>, Rejection> {
    let mut problems = Problems::new();
    let NewComment { text, subject, parent } = NewComment::parse(input, &mut problems)?;
    let subject = match parent {
        Some(parent) => problems.take(answer(work, parent, subject).await)?,
        None => subject,
    };
    problems.check()?;
    let gone = || UserError::not_found(path("subjectId"), "movie or publication");
    let Some(subject) = subject else { return Err(gone().into()) };
    let mut values = vec![
        (comments::Column::UserId, Expr::value(work.viewer()?.user)),
        (comments::Column::Comment, Expr::value(text)),
        (comments::Column::CreatedAt, Expr::value(work.now().fixed_offset())),
    ];
    values.extend(parent.map(|parent| (comments::Column::ParentId, Expr::value(parent.key()))));
    let (own, _) = subject.column(comments::Column::MovieId, comments::Column::PublicationId);
    let insert = subject.insert::<comments::Entity>(own, values).returning_col(comments::Column::Id).to_owned();
    let row = work.txn().query_one(&insert).await?.ok_or_else(gone)?;
    Ok(Id::new(row.try_get_by_index(0)?))
}

/// The subject is locked until the statement ends.
static ADD: LazyLock<SubjectSql> = LazyLock::new(|| {
    let insert = "done AS (
            INSERT INTO comments ({column}, user_id, comment, created_at)
            SELECT id, $2, $3, $4 FROM {table} WHERE id = $1 AND {is_shown} AND {is_new}
            FOR KEY SHARE
            RETURNING *
        )";
    SubjectSql::new(insert, with_author)
});

/// If the statement waited for the parent's lock, the parent's text shows whether it was deleted meanwhile: a deletion
/// empties it. Its depth never changes. The publication is locked too: its deletion may begin meanwhile and leave the
/// parent unchanged for a while.
static REPLY: LazyLock<SingleSql> = LazyLock::new(|| {
    let insert = "parent AS (
            SELECT id, movie_id, publication_id FROM comments
            WHERE id = $1 AND comment <> '' AND {is_new}
                AND NOT EXISTS (SELECT FROM comment_tombstones WHERE comment_id = $1)
                AND ($5 IS NULL OR movie_id = $5) AND ($6 IS NULL OR publication_id = $6)
                AND (parent_id IS NULL OR $7 > (
                    WITH RECURSIVE above (parent, level) AS (
                        SELECT parent_id, 0 FROM comments WHERE id = $1
                        UNION ALL
                        SELECT comments.parent_id, level + 1 FROM above JOIN comments ON comments.id = above.parent
                        WHERE level < $7
                    )
                    SELECT max(level) FROM above
                ))
            FOR KEY SHARE
        ), publication AS (
            SELECT publications.id FROM parent JOIN publications ON publications.id = parent.publication_id
            WHERE publications.deleted_at IS NULL
            FOR KEY SHARE OF publications
        ), done AS (
            INSERT INTO comments (parent_id, movie_id, publication_id, user_id, comment, created_at)
            SELECT id, movie_id, publication_id, $2, $3, $4 FROM parent
            WHERE publication_id IS NULL OR publication_id IN (SELECT id FROM publication)
            RETURNING *
        )";
    SingleSql::new(insert, with_author())
});

fn with_author() -> Returning<Comment> {
    Returning::with::<User, _>("author", &Comment::user_id)
}

/// The statement of [`add`].
pub fn add_single(call: SingleCall, input: &AddCommentInput) -> Option<SingleStatement> {
    let mut problems = Problems::new();
    let NewComment { text, subject, parent } = NewComment::parse(input, &mut problems).ok()?;
    problems.check().ok()?;
    let values = |of: i32| [of.into(), call.viewer.user.into(), text.into(), call.now.fixed_offset().into()];
    let Some(parent) = parent else {
        let (sql, subject) = ADD.of(subject?);
        return Some(sql.bind(values(subject)));
    };
    let [parent, user, text, now] = values(parent.key());
    let (movie, publication) = match subject {
        None => (None, None),
        Some(SubjectId::Movie(id)) => (Some(id.key()), None),
        Some(SubjectId::Publication(id)) => (None, Some(id.key())),
    };
    Some(REPLY.bind([parent, user, text, now, movie.into(), publication.into(), DEPTH_MAX.into()]))
}

/// The subject of a comment that accepts replies. It is locked until the transaction ends. A subject that the client
/// `named` must be the same.
async fn answer(work: &Work, parent: Id<Comment>, named: Option<SubjectId>) -> Result<SubjectId, Rejection> {
    let field = path("parentId");
    let row: Option<(Option<i32>, Option<i32>, Option<i32>)> = comments::Entity::find_by_id(parent.key())
        .select_only()
        .columns([comments::Column::MovieId, comments::Column::PublicationId, comments::Column::ParentId])
        .lock(LockType::KeyShare)
        .into_tuple()
        .one(work.txn())
        .await?;
    let gone = || UserError::not_found(field.as_str(), "comment");
    let (movie, publication, above) = row.ok_or_else(gone)?;
    let subject = SubjectId::of(movie, publication).ok_or_else(gone)?;
    // A new statement after the lock sees what the previous holder committed.
    if find_tombstone(work, parent.key()).await?.is_some() {
        return Err(gone().into());
    }
    let mut problems = Problems::new();
    if named.is_some_and(|named| named != subject) {
        let text = "is not the subject of the comment in `parentId`; omit it or pass that subject";
        problems.bad_input(path("subjectId"), UserErrorReason::Mismatch, text);
    }
    if above.is_some() && is_deepest(work, parent).await? {
        let message = format!("is already at the maximum depth of {DEPTH_MAX}; reply to a comment above it");
        problems.bad_input(field, UserErrorReason::TooDeep.within(None, f64::from(DEPTH_MAX)), message);
    }
    problems.check()?;
    Ok(subject)
}

/// Whether a comment is at the maximum depth, so that it accepts no reply. Reads at most that many levels.
async fn is_deepest(work: &Work, comment: Id<Comment>) -> Result<bool, DbErr> {
    let (above, parent, level) = (Alias::new("above"), Alias::new("parent"), Alias::new("level"));
    let of = |column: &Alias| Expr::col((above.clone(), column.clone()));
    let mut steps = Query::select();
    steps
        .expr_as(Expr::col(comments::Column::ParentId), parent.clone())
        .expr_as(Expr::cust("0"), level.clone())
        .from(comments::Entity)
        .and_where(comments::Column::Id.eq(comment.key()))
        .union(
            UnionType::All,
            Query::select()
                .column((comments::Entity, comments::Column::ParentId))
                .expr(of(&level).add(Expr::cust("1")))
                .from(above.clone())
                .join(
                    JoinType::InnerJoin,
                    comments::Entity,
                    Expr::col((comments::Entity, comments::Column::Id)).eq(of(&parent)),
                )
                .and_where(of(&level).lt(DEPTH_MAX))
                .take(),
        );
    let table =
        CommonTableExpression::new().table_name(above.clone()).columns([parent, level.clone()]).query(steps).to_owned();
    let deepest = Query::select().expr(Expr::col(level).max()).from(above).take();
    let row = work.txn().query_one(&deepest.with(WithClause::new().recursive(true).cte(table).to_owned())).await?;
    let depth: Option<i32> = row.map(|row| row.try_get_by_index(0)).transpose()?.flatten();
    Ok(depth.is_some_and(|depth| depth >= DEPTH_MAX))
}

/// Changes the text of a comment.
///
/// # Errors
/// `Invalid` with the errors of the input, `Forbidden` if another user wrote it.
pub async fn edit(work: &Work, input: &EditCommentInput) -> Result<Id<Comment>, Rejection> {
    let row = find(work, &input.id, LockType::NoKeyUpdate).await?;
    let mut problems = Problems::new();
    let text = parse_text(&input.text, &mut problems);
    problems.check()?;
    let before = row.changed_at.unwrap_or(row.created_at);
    let changed = comments::ActiveModel {
        id: ActiveValue::Unchanged(row.id),
        comment: Set(text),
        changed_at: Set(Some(work.later_than(before))),
        ..Default::default()
    };
    comments::Entity::update(changed).exec_without_returning(work.txn()).await?;
    Ok(Id::new(row.id))
}

/// The author also shows whether it is deleted: a deletion removes the author.
static EDIT: LazyLock<SingleSql> = LazyLock::new(|| {
    let update = "done AS (
            UPDATE comments
            SET comment = $3, changed_at = greatest($4, coalesce(changed_at, created_at) + interval '1 microsecond')
            WHERE id = $1 AND user_id = $2 AND {shows} AND {is_new}
                AND NOT EXISTS (SELECT FROM comment_tombstones WHERE comment_id = $1)
            RETURNING *
        )";
    SingleSql::new(update.replace("{shows}", SHOWS), with_author())
});

/// The statement of [`edit`].
pub fn edit_single(call: SingleCall, input: &EditCommentInput) -> Option<SingleStatement> {
    let id = Id::<Comment>::parse("", &input.id).ok()?;
    let mut problems = Problems::new();
    let text = parse_text(&input.text, &mut problems);
    problems.check().ok()?;
    Some(EDIT.bind([id.key().into(), call.viewer.user.into(), text.into(), call.now.fixed_offset().into()]))
}

/// Deletes a comment, or empties it if it has replies. After the last reply is deleted, so are the emptied comments
/// above it.
///
/// # Errors
/// `Invalid` if it does not exist, `Forbidden` if another user wrote it.
pub async fn delete(work: &Work, input: &DeleteCommentInput) -> Result<Id<Comment>, Rejection> {
    let row = find(work, &input.id, LockType::Update).await?;
    if is_answered(work, row.id).await? {
        bury(work, row.id, false).await?;
        return Ok(Id::new(row.id));
    }
    comments::Entity::delete_by_id(row.id).exec(work.txn()).await?;
    let mut above = row.parent_id;
    while let Some(id) = above {
        above = remove_if_empty(work, id).await?;
    }
    Ok(Id::new(row.id))
}

/// Removes an emptied comment if its replies are gone. Returns its parent.
async fn remove_if_empty(work: &Work, id: i32) -> Result<Option<i32>, DbErr> {
    let parent: Option<Option<i32>> = comments::Entity::find_by_id(id)
        .select_only()
        .column(comments::Column::ParentId)
        .lock(LockType::Update)
        .into_tuple()
        .one(work.txn())
        .await?;
    let goes = find_tombstone(work, id).await?.is_some_and(|tombstone| !tombstone.hidden);
    if !goes || is_answered(work, id).await? {
        return Ok(None);
    }
    comments::Entity::delete_by_id(id).exec(work.txn()).await?;
    Ok(parent.flatten())
}

/// Permanently empties a comment and marks it as hidden. It remains.
///
/// # Errors
/// `Invalid` if it does not exist.
pub async fn hide(work: &Work, input: &HideCommentInput) -> Result<Id<Comment>, Rejection> {
    let row = find(work, &input.id, LockType::Update).await?;
    bury(work, row.id, true).await?;
    Ok(Id::new(row.id))
}

/// A trigger empties the comment.
async fn bury(work: &Work, id: i32, hidden: bool) -> Result<(), DbErr> {
    let tombstone = comment_tombstones::ActiveModel {
        comment_id: Set(id),
        deleted_at: Set(work.now().fixed_offset()),
        hidden: Set(hidden),
    };
    comment_tombstones::Entity::insert(tombstone).exec_without_returning(work.txn()).await?;
    Ok(())
}

/// A comment that the viewer may change and that is not deleted. Its row is locked.
async fn find(work: &Work, id: &InputId, lock: LockType) -> Result<comments::Model, Rejection> {
    let id = Id::<Comment>::parse(&path("id"), id)?;
    let shown = shows_with(comments::Column::PublicationId.into_expr(), "publications");
    let row = comments::Entity::find_by_id(id.key()).filter(shown).lock(lock).one(work.txn()).await?;
    let gone = || UserError::not_found(path("id"), "comment");
    let row = row.ok_or_else(gone)?;
    // A new statement after the lock sees what the previous holder committed.
    if find_tombstone(work, row.id).await?.is_some() {
        return Err(gone().into());
    }
    work.may_change(row.user_id)?;
    Ok(row)
}

async fn find_tombstone(work: &Work, id: i32) -> Result<Option<comment_tombstones::Model>, DbErr> {
    comment_tombstones::Entity::find_by_id(id).one(work.txn()).await
}

async fn is_answered(work: &Work, id: i32) -> Result<bool, DbErr> {
    let reply: Option<i32> = comments::Entity::find()
        .select_only()
        .column(comments::Column::Id)
        .filter(comments::Column::ParentId.eq(id))
        .into_tuple()
        .one(work.txn())
        .await?;
    Ok(reply.is_some())
}
