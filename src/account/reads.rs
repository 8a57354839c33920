//! Reads of accounts: roles, and users by name.

use std::collections::HashMap;

use entity::{user_roles, users};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};

use super::role;
use crate::db::{ReadPool, dialect};
use crate::error::ApiResult;
use crate::viewer::Role;

/// The highest role of each of these users. Members have none.
pub async fn read_roles(db: &ReadPool, users: &[i32]) -> Result<HashMap<i32, Role>, DbErr> {
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

/// The key of the user with this name, in any case. The account may be deleted.
pub async fn find_by_name(db: &ReadPool, username: &str) -> ApiResult<Option<i32>> {
    // PostgreSQL does not accept NUL, and no name has one.
    if username.contains('\0') {
        return Ok(None);
    }
    let id = users::Entity::find()
        .select_only()
        .column(users::Column::Id)
        .filter(users::Column::Username.eq(username.to_ascii_lowercase()));
    Ok(id.into_tuple().one(db).await?)
}
