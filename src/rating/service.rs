//! Rules of ratings. Triggers update the totals in the same transaction.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use entity::users_rating;
use sea_orm::sea_query::{Expr, OnConflict, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::Rating;
use super::inputs::{RateInput, RemoveRatingInput};
use crate::account::User;
use crate::db::dialect;
use crate::kit::form::path;
use crate::kit::mutate::Work;
use crate::kit::problem::{Problems, Rejection, UserError};
use crate::kit::rows::{Returning, shows_with};
use crate::kit::single::{SingleCall, SingleStatement};
use crate::kit::{Id, UserErrorReason};
use crate::subject::{SubjectId, SubjectSql};

const SUBJECT: [users_rating::Column; 2] = [users_rating::Column::MovieId, users_rating::Column::PublicationId];

const RATINGS: RangeInclusive<i32> = 1..=5;

fn parse(input: &RateInput, problems: &mut Problems) -> Result<Option<SubjectId>, Rejection> {
    let subject = problems.take(SubjectId::parse(&path("subjectId"), &input.subject_id))?;
    let is_rating = RATINGS.contains(&input.rating);
    let reason = UserErrorReason::OutOfRange.within(f64::from(*RATINGS.start()), f64::from(*RATINGS.end()));
    problems.require(is_rating, &path("rating"), reason, format!("{} is out of range; use 1 to 5", input.rating));
    Ok(subject)
}

/// Sets the viewer's rating of a subject. It replaces an earlier one.
///
/// # Errors
/// `Invalid` with all errors of the input.
pub async fn rate(work: &Work, input: &RateInput) -> Result<Id<Rating>, Rejection> {
    let mut problems = Problems::new();
    let subject = parse(input, &mut problems)?;
    problems.check()?;
    let gone = || UserError::not_found(path("subjectId"), "movie or publication");
    let Some(subject) = subject else { return Err(gone().into()) };
    let user = users_rating::Column::UserId;
    if let Some(id) = change(work, subject, input.rating).await? {
        return Ok(id);
    }
    let values = vec![
        (user, Expr::value(work.viewer()?.user)),
        (users_rating::Column::Rating, Expr::value(input.rating)),
        (users_rating::Column::CreatedAt, Expr::value(work.now().fixed_offset())),
    ];
    let (own, _) = subject.column(users_rating::Column::MovieId, users_rating::Column::PublicationId);
    let mut again = OnConflict::new();
    again
        .exprs(dialect::nullable_keys(work.txn().get_database_backend(), &SUBJECT))
        .exprs([Expr::col(user)])
        .update_columns([users_rating::Column::Rating, users_rating::Column::CreatedAt]);
    let upsert = subject
        .insert::<users_rating::Entity>(own, values)
        .on_conflict(again)
        .returning_col(users_rating::Column::Id)
        .take();
    let row = work.txn().query_one(&upsert).await?.ok_or_else(gone)?;
    Ok(Id::new(row.try_get_by_index(0)?))
}

/// The update comes first, as in [`rate`]. The subject of a new rating is locked until the statement ends.
static RATE: LazyLock<SubjectSql> = LazyLock::new(|| {
    let upsert = "changed AS (
            UPDATE users_rating SET rating = $3, created_at = $4
            WHERE {column} = $1 AND user_id = $2 AND {shows} AND {is_new}
            RETURNING *
        ), added AS (
            INSERT INTO users_rating ({column}, user_id, rating, created_at)
            SELECT id, $2, $3, $4 FROM {table}
            WHERE id = $1 AND {is_shown} AND {is_new} AND NOT EXISTS (SELECT FROM changed)
            FOR KEY SHARE OF {table}
            ON CONFLICT DO NOTHING
            RETURNING *
        ), done AS (
            SELECT * FROM changed UNION ALL SELECT * FROM added
        )";
    SubjectSql::new(upsert, || Returning::with::<User, _>("user", &Rating::user_id))
});

static REMOVE: LazyLock<SubjectSql> = LazyLock::new(|| {
    let delete = "done AS (
            DELETE FROM users_rating WHERE {column} = $1 AND user_id = $2 AND {shows} AND {is_new} RETURNING *
        )";
    SubjectSql::new(delete, Returning::<Rating>::alone)
});

/// The statement of [`rate`].
pub fn rate_single(call: SingleCall, input: &RateInput) -> Option<SingleStatement> {
    let mut problems = Problems::new();
    let subject = parse(input, &mut problems).ok()?;
    problems.check().ok()?;
    let (sql, subject) = RATE.of(subject?);
    Some(sql.bind([subject.into(), call.viewer.user.into(), input.rating.into(), call.now.fixed_offset().into()]))
}

/// The statement of [`remove`].
pub fn remove_single(call: SingleCall, input: &RemoveRatingInput) -> Option<SingleStatement> {
    let subject = SubjectId::parse("", &input.subject_id).ok()?;
    let (sql, key) = REMOVE.of(subject);
    let outcome = serde_json::to_value(subject).ok()?;
    Some(sql.bind([key.into(), call.viewer.user.into()]).with_outcome(outcome))
}

/// Changes an earlier rating, if any. The insertion could do that too, but each try would use up an id, and ids have 31
/// bits.
async fn change(work: &Work, subject: SubjectId, rating: i32) -> Result<Option<Id<Rating>>, Rejection> {
    let (own, key) = subject.column(users_rating::Column::MovieId, users_rating::Column::PublicationId);
    let update = Query::update()
        .table(users_rating::Entity)
        .value(users_rating::Column::Rating, rating)
        .value(users_rating::Column::CreatedAt, work.now().fixed_offset())
        .and_where(own.eq(key))
        .and_where(users_rating::Column::UserId.eq(work.viewer()?.user))
        .and_where(shows_with(users_rating::Column::PublicationId.into_expr(), "publications"))
        .returning_col(users_rating::Column::Id)
        .take();
    let changed = work.txn().query_one(&update).await?;
    Ok(changed.map(|row| row.try_get_by_index(0)).transpose()?.map(Id::new))
}

/// Deletes the viewer's rating of a subject.
///
/// # Errors
/// `Invalid` if it does not exist.
pub async fn remove(work: &Work, input: &RemoveRatingInput) -> Result<SubjectId, Rejection> {
    let subject = SubjectId::parse(&path("subjectId"), &input.subject_id)?;
    let (own, key) = subject.column(users_rating::Column::MovieId, users_rating::Column::PublicationId);
    let removed = users_rating::Entity::delete_many()
        .filter(own.eq(key))
        .filter(users_rating::Column::UserId.eq(work.viewer()?.user))
        .filter(shows_with(users_rating::Column::PublicationId.into_expr(), "publications"))
        .exec(work.txn())
        .await?;
    if removed.rows_affected == 0 {
        return Err(UserError::missing(path("subjectId"), "you have not rated this movie or publication").into());
    }
    Ok(subject)
}
