//! Roles, and what admins and operators do with other users' accounts.

use entity::{user_roles, users};
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::sea_query::{LockType, OnConflict};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::inputs::{DeleteUserInput, GrantRoleInput, RevokeRoleInput};
use super::{User, password, role, service, session};
use crate::kit::audit::{self, Changes};
use crate::kit::form::path;
use crate::kit::{Id, Rejection, UserError, UserErrorReason, Work};
use crate::viewer::Role;

/// Grants a role to a user.
///
/// # Errors
/// `Invalid` if the user does not exist, or if every user has the role.
pub async fn grant_to(work: &Work, input: &GrantRoleInput) -> Result<Id<User>, Rejection> {
    grant(work, Id::parse(&path("userId"), &input.user_id)?, input.role).await
}

/// Revokes a user's role.
///
/// # Errors
/// `Invalid` if the user does not exist, does not have the role, or is the last admin.
pub async fn revoke_from(work: &Work, input: &RevokeRoleInput) -> Result<Id<User>, Rejection> {
    revoke(work, Id::parse(&path("userId"), &input.user_id)?, input.role).await
}

/// Grants a role to a user.
///
/// # Errors
/// `Invalid` if the user does not exist, or if every user has the role.
pub async fn grant(work: &Work, user: Id<User>, granted: Role) -> Result<Id<User>, Rejection> {
    lock(work, user, "userId").await?;
    let stored = stored(granted)?;
    let row = user_roles::ActiveModel {
        user_id: Set(user.key()),
        role: Set(stored.to_owned()),
        granted_at: Set(work.now().fixed_offset()),
    };
    let has = OnConflict::columns([user_roles::Column::UserId, user_roles::Column::Role]).do_nothing().to_owned();
    let inserted = user_roles::Entity::insert(row).on_conflict(has).exec_without_returning(work.txn()).await;
    match inserted {
        Ok(0) | Err(DbErr::RecordNotInserted) => {}
        Ok(_) => audit::record(work, user, Changes::new().field("role", None, Some(stored))).await?,
        Err(error) => return Err(error.into()),
    }
    Ok(user)
}

/// Revokes a user's role.
///
/// # Errors
/// `Invalid` if the user does not exist, does not have the role, or is the last admin.
pub async fn revoke(work: &Work, user: Id<User>, revoked: Role) -> Result<Id<User>, Rejection> {
    lock(work, user, "userId").await?;
    let stored = stored(revoked)?;
    if revoked == Role::Admin {
        keep_last_admin(work, user, Some("userId")).await?;
    }
    let row = (user.key(), stored.to_owned());
    let gone = user_roles::Entity::delete_by_id(row).exec(work.txn()).await?.rows_affected;
    if gone == 0 {
        return Err(UserError::missing(path("role"), "the user does not have this role").into());
    }
    audit::record(work, user, Changes::new().field("role", Some(stored), None)).await?;
    Ok(user)
}

/// Deletes another user's account.
///
/// # Errors
/// `Invalid` if the user does not exist or is the last admin.
pub async fn delete_user(work: &Work, input: &DeleteUserInput) -> Result<Id<User>, Rejection> {
    let user = Id::parse(&path("id"), &input.id)?;
    let row = lock(work, user, "id").await?;
    remove(work, user, Some("id")).await?;
    audit::record(work, user, Changes::new().field("username", Some(row.username), None)).await?;
    Ok(user)
}

/// Marks an account as deleted: it becomes invisible and cannot log in. `field` is the input that names it.
///
/// # Errors
/// `Invalid` if the user is the last admin.
pub(super) async fn remove(work: &Work, user: Id<User>, field: Option<&str>) -> Result<(), Rejection> {
    keep_last_admin(work, user, field).await?;
    let today = work.now().date_naive();
    let made: Option<users::Model> = users::Entity::find_by_id(user.key()).one(work.txn()).await?;
    let row = users::ActiveModel {
        id: Unchanged(user.key()),
        // The row may have been created where the date is already tomorrow's.
        deleted_at: Set(Some(made.map_or(today, |made| made.created_at.max(today)))),
        password: Set(password::UNUSABLE.to_owned()),
        bio: Set(None),
        ..Default::default()
    };
    users::Entity::update(row).exec_without_returning(work.txn()).await?;
    let held = || user_roles::Column::UserId.eq(user.key());
    for row in user_roles::Entity::find().filter(held()).all(work.txn()).await? {
        audit::record(work, user, Changes::new().field("role", Some(row.role), None)).await?;
    }
    user_roles::Entity::delete_many().filter(held()).exec(work.txn()).await?;
    session::end_all(work.txn(), user.key(), None).await?;
    Ok(())
}

/// Stores the hash of an operator's new password for a user, and ends all the user's sessions.
///
/// # Errors
/// `Invalid` if the user does not exist.
pub async fn reset_password(work: &Work, user: Id<User>, hash: &str) -> Result<Id<User>, Rejection> {
    lock(work, user, "userId").await?;
    service::store_password(work, user.key(), hash).await?;
    session::end_all(work.txn(), user.key(), None).await?;
    audit::record(work, user, Changes::new().field("password", None, Some("reset"))).await?;
    Ok(user)
}

/// The user with this username or email address.
///
/// # Errors
/// `Invalid` if the user does not exist.
pub async fn find(work: &Work, login: &str) -> Result<Id<User>, Rejection> {
    let found = service::find_by_login(work.txn(), &login.trim().to_lowercase()).await?;
    Ok(Id::new(found.ok_or_else(|| UserError::not_found("user", "user"))?.id))
}

fn stored(granted: Role) -> Result<&'static str, Rejection> {
    let everybody = || {
        let message = "every user has MEMBER; use EDITOR or ADMIN";
        UserError::bad_input(path("role"), UserErrorReason::NotGrantable, message)
    };
    Ok(role::write(granted).ok_or_else(everybody)?)
}

/// An existing account. Its row is locked.
async fn lock(work: &Work, user: Id<User>, field: &str) -> Result<users::Model, Rejection> {
    let rows = users::Entity::find_by_id(user.key()).filter(users::Column::DeletedAt.is_null());
    let row = rows.lock(LockType::NoKeyUpdate).one(work.txn()).await?;
    Ok(row.ok_or_else(|| UserError::not_found(path(field), "user"))?)
}

/// Checks that another admin remains. Locks all admins' rows, so that two admins cannot remove each other.
async fn keep_last_admin(work: &Work, user: Id<User>, field: Option<&str>) -> Result<(), Rejection> {
    let rows = user_roles::Entity::find()
        .filter(user_roles::Column::Role.eq("admin"))
        .order_by_asc(user_roles::Column::UserId)
        .lock(LockType::Update);
    let admins: Vec<user_roles::Model> = rows.all(work.txn()).await?;
    if admins.len() == 1 && admins.first().is_some_and(|admin| admin.user_id == user.key()) {
        let message = "this user is the last admin; grant ADMIN to another user first";
        let mut error = UserError::conflict("", UserErrorReason::LastAdmin, message);
        error.field = field.map(path);
        return Err(error.into());
    }
    Ok(())
}
