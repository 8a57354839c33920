//! Commands of operators, without a session.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::bail;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use entity::users;
use migration::connect::Writer;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QuerySelect};

use super::{Passwords, admin, password, role};
use crate::error::ApiError;
use crate::kit::mutate::run_as_operator;
use crate::kit::{Problems, Rejection, UserErrorCode};
use crate::viewer::Role;

/// Grants a role to a user. The first admin is created this way.
///
/// # Errors
/// The user does not exist, or the database failed.
pub async fn grant_role(db: &Writer, user: &str, role: Role) -> anyhow::Result<()> {
    let done = run_as_operator(db, "grantRole", &(user, role), |work, (user, role)| {
        Box::pin(async { admin::grant(work, admin::find(work, user).await?, *role).await })
    })
    .await;
    let id = explain_rejection(user, done)?;
    tracing::warn!(event = "role_granted", user = id.key(), role = role::write(role), "a role was granted");
    Ok(())
}

/// Revokes a user's role.
///
/// # Errors
/// The user does not exist or does not have the role, or the database failed.
pub async fn revoke_role(db: &Writer, user: &str, role: Role) -> anyhow::Result<()> {
    let done = run_as_operator(db, "revokeRole", &(user, role), |work, (user, role)| {
        Box::pin(async { admin::revoke(work, admin::find(work, user).await?, *role).await })
    })
    .await;
    let id = explain_rejection(user, done)?;
    tracing::warn!(event = "role_revoked", user = id.key(), role = role::write(role), "a role was revoked");
    Ok(())
}

/// A random password.
pub fn make_password() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 15]>())
}

/// Sets a new password for a user, and ends their sessions.
///
/// # Errors
/// The user does not exist, the password is invalid, or the database failed.
pub async fn reset_password(db: &Writer, passwords: &Passwords, user: &str, password: &str) -> anyhow::Result<()> {
    let mut problems = Problems::new();
    password::check_new(&mut problems, "the password", password, &[user]);
    if let Err(Rejection::Invalid(errors)) = problems.check() {
        let all: Vec<_> = errors.iter().map(|error| error.message.as_str()).collect();
        bail!("the password {}", all.join("; it "));
    }
    let hash = match passwords.turn(IpAddr::V4(Ipv4Addr::LOCALHOST)).await {
        Ok(turn) => turn.hash(password).await,
        Err(error) => Err(error),
    };
    let hash = hash.map_err(explain)?;
    let done = run_as_operator(db, "resetPassword", &(user, hash), |work, (user, hash)| {
        Box::pin(async { admin::reset_password(work, admin::find(work, user).await?, hash).await })
    })
    .await;
    let id = explain_rejection(user, done)?;
    tracing::warn!(event = "password_reset", user = id.key(), "a password was reset");
    Ok(())
}

/// The maximum number of different hashes that are verified: each takes as long as a log-in. Accounts that were created
/// together share one hash.
const VERIFIED_MAX: usize = 10;

/// The users with this password whose email address has this ending, ordered by name.
///
/// # Errors
/// The database failed, or the password cannot be hashed.
pub async fn list_with_password(
    db: &DatabaseConnection,
    passwords: &Passwords,
    email_ending: &str,
    password: &str,
) -> anyhow::Result<Vec<String>> {
    let rows = users::Entity::find()
        .select_only()
        .columns([users::Column::Password, users::Column::Username])
        .filter(users::Column::Email.ends_with(email_ending))
        .filter(users::Column::DeletedAt.is_null());
    let mut by_hash: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (stored, username) in rows.into_tuple().all(db).await? {
        by_hash.entry(stored).or_default().push(username);
    }
    let mut by_hash: Vec<_> = by_hash.into_iter().collect();
    by_hash.sort_by_key(|(_, usernames)| Reverse(usernames.len()));
    let turn = passwords.turn(IpAddr::V4(Ipv4Addr::LOCALHOST)).await.map_err(explain)?;
    let mut found = Vec::new();
    for (stored, usernames) in by_hash.into_iter().take(VERIFIED_MAX) {
        if turn.verify(password, Some(stored)).await.map_err(explain)? {
            found.extend(usernames);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// For operators, who may see the database's error.
fn explain(error: ApiError) -> anyhow::Error {
    match error {
        ApiError::Database(error) => anyhow::anyhow!("the database failed: {error}"),
        other => anyhow::anyhow!(other.publish().1),
    }
}

fn explain_rejection<T>(user: &str, done: Result<T, Rejection>) -> anyhow::Result<T> {
    match done {
        Ok(value) => Ok(value),
        Err(Rejection::Invalid(errors)) => match errors.into_iter().next() {
            Some(error) if error.field.as_deref() == Some("user") && error.code == UserErrorCode::NotFound => {
                bail!("user {user:?} does not exist; use a username or an email address")
            }
            Some(error) => bail!("{user}: {}", error.message),
            None => bail!("{user}: nothing was changed"),
        },
        Err(Rejection::Stale(error, _)) => bail!("{user}: {}", error.message),
        Err(Rejection::Failed(error)) => Err(explain(error)),
    }
}
