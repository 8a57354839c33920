//! Batch reads of accounts: what role a user has.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use entity::user_roles;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};

use super::role;
use crate::db::dialect;
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
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let column = user_roles::Column::UserId;
        let rows = user_roles::Entity::find()
            .filter(dialect::one_of(self.db().get_database_backend(), column.as_column_ref(), &ids))
            .all(self.db())
            .await
            .map_err(log_database)?;
        let mut highest = HashMap::new();
        for row in rows {
            if let Some(role) = role::read(&row.role) {
                let known = highest.entry(RoleOf(row.user_id)).or_insert(role);
                *known = role.max(*known);
            }
        }
        Ok(highest)
    }
}
