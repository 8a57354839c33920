//! Batch reads of ratings: the totals of movies and publications, and what one user gave them.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use entity::{rating_totals, users_rating};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};

use super::UserRating;
use crate::error::log_database;
use crate::kit::load::Reader;
use crate::subject::SubjectId;

/// Asks for what all users gave a subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TotalsOf(pub SubjectId);

/// Asks for what one user gave a subject. Batches are shared by requests, so the key says whose
/// rating it is, and each user's are read by a statement of their own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GivenBy {
    pub user: i32,
    pub subject: SubjectId,
}

impl Loader<TotalsOf> for Reader {
    type Value = UserRating;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[TotalsOf]) -> Result<HashMap<TotalsOf, UserRating>, Arc<DbErr>> {
        let subjects: Vec<_> = keys.iter().map(|key| key.0).collect();
        let (movie, publication) = (rating_totals::Column::MovieId, rating_totals::Column::PublicationId);
        let among = SubjectId::one_of(self.db().get_database_backend(), &subjects, movie, publication);
        let rows = rating_totals::Entity::find().filter(among).all(self.db()).await.map_err(log_database)?;
        Ok(rows
            .iter()
            .filter_map(|row| {
                let given = [row.given_1, row.given_2, row.given_3, row.given_4, row.given_5];
                let subject = SubjectId::of(row.movie_id, row.publication_id)?;
                Some((TotalsOf(subject), UserRating::of(given, row.average)))
            })
            .collect())
    }
}

impl Loader<GivenBy> for Reader {
    type Value = i16;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[GivenBy]) -> Result<HashMap<GivenBy, i16>, Arc<DbErr>> {
        let mut users: HashMap<i32, Vec<SubjectId>> = HashMap::new();
        for key in keys {
            users.entry(key.user).or_default().push(key.subject);
        }
        let mut given = HashMap::with_capacity(keys.len());
        for (user, subjects) in users {
            let (movie, publication) = (users_rating::Column::MovieId, users_rating::Column::PublicationId);
            let rows: Vec<(Option<i32>, Option<i32>, i16)> = users_rating::Entity::find()
                .select_only()
                .columns([movie, publication, users_rating::Column::Rating])
                .filter(users_rating::Column::UserId.eq(user))
                .filter(SubjectId::one_of(self.db().get_database_backend(), &subjects, movie, publication))
                .into_tuple()
                .all(self.db())
                .await
                .map_err(log_database)?;
            given.extend(rows.into_iter().filter_map(|(movie, publication, rating)| {
                Some((GivenBy { user, subject: SubjectId::of(movie, publication)? }, rating))
            }));
        }
        Ok(given)
    }
}
