//! Batch reads of ratings for the old engine: see [`reads`].

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use sea_orm::DbErr;

use super::UserRating;
use super::reads;
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
        let totals = reads::read_totals(self.db(), &subjects).await.map_err(log_database)?;
        Ok(totals.into_iter().map(|(subject, total)| (TotalsOf(subject), total)).collect())
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
            let found = reads::read_given(self.db(), user, &subjects).await.map_err(log_database)?;
            given.extend(found.into_iter().map(|(subject, rating)| (GivenBy { user, subject }, rating)));
        }
        Ok(given)
    }
}
