//! Batch reads of ratings: the totals of movies and publications, and one user's ratings.

use std::collections::HashMap;

use entity::{rating_totals, users_rating};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};

use super::UserRating;
use crate::subject::SubjectId;

/// The ratings by all users, for the subjects that have any.
pub async fn read_totals(
    db: &impl ConnectionTrait,
    subjects: &[SubjectId],
) -> Result<HashMap<SubjectId, UserRating>, DbErr> {
    let (movie, publication) = (rating_totals::Column::MovieId, rating_totals::Column::PublicationId);
    let among = SubjectId::one_of(db.get_database_backend(), subjects, movie, publication);
    let rows = rating_totals::Entity::find().filter(among).all(db).await?;
    let total = |row: &rating_totals::Model| {
        let given = [row.given_1, row.given_2, row.given_3, row.given_4, row.given_5];
        Some((SubjectId::of(row.movie_id, row.publication_id)?, UserRating::of(given, row.average)))
    };
    Ok(rows.iter().filter_map(total).collect())
}

/// The ratings by one user, for the subjects that the user has rated.
pub async fn read_given(
    db: &impl ConnectionTrait,
    user: i32,
    subjects: &[SubjectId],
) -> Result<HashMap<SubjectId, i16>, DbErr> {
    let (movie, publication) = (users_rating::Column::MovieId, users_rating::Column::PublicationId);
    let rows: Vec<(Option<i32>, Option<i32>, i16)> = users_rating::Entity::find()
        .select_only()
        .columns([movie, publication, users_rating::Column::Rating])
        .filter(users_rating::Column::UserId.eq(user))
        .filter(SubjectId::one_of(db.get_database_backend(), subjects, movie, publication))
        .into_tuple()
        .all(db)
        .await?;
    let given = |(movie, publication, rating)| Some((SubjectId::of(movie, publication)?, rating));
    Ok(rows.into_iter().filter_map(given).collect())
}
