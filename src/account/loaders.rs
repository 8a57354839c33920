//! Batch reads of accounts: what role a user has.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use entity::user_roles;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};

use super::role;
use crate::db::{ReadPool, dialect};
use crate::error::log_database;
use crate::kit::load::Reader;
use crate::viewer::Role;

/// Asks for the highest role of the user with this key; none for members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RoleOf(pub i32);

impl Loader<RoleOf> for Reader {
    type Value = Role;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[RoleOf]) -> Result<HashMap<RoleOf, Role>, Arc<DbErr>> {
        let users: Vec<_> = keys.iter().map(|key| key.0).collect();
        let roles = read_roles(self.db(), &users).await.map_err(log_database)?;
        Ok(roles.into_iter().map(|(user, role)| (RoleOf(user), role)).collect())
    }
}

/// The highest role of each of these users; members have none.
pub(super) async fn read_roles(db: &ReadPool, users: &[i32]) -> Result<HashMap<i32, Role>, DbErr> {
    let column = user_roles::Column::UserId;
    let rows = user_roles::Entity::find()
        .filter(dialect::one_of(db.get_database_backend(), column.as_column_ref(), users))
        .all(db)
        .await?;
    let mut highest = HashMap::new();
    for row in rows {
        if let Some(role) = role::read(&row.role) {
            let known = highest.entry(row.user_id).or_insert(role);
            *known = role.max(*known);
        }
    }
    Ok(highest)
}
