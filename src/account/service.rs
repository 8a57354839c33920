//! The rules of accounts.

use entity::sessions;
use sea_orm::EntityTrait;

use super::session;
use crate::kit::{Rejection, Work};

/// Ends the viewer's session.
///
/// # Errors
/// Whatever the database answers.
pub async fn log_out(work: &Work) -> Result<i32, Rejection> {
    let viewer = work.viewer()?;
    let ended = sessions::Entity::delete_by_id(viewer.session).exec(work.txn()).await?;
    Ok(i32::try_from(ended.rows_affected).unwrap_or(i32::MAX))
}

/// Ends all of the viewer's sessions.
///
/// # Errors
/// Whatever the database answers.
pub async fn log_out_everywhere(work: &Work) -> Result<i32, Rejection> {
    let ended = session::end_all(work.txn(), work.viewer()?.user, None).await?;
    Ok(i32::try_from(ended).unwrap_or(i32::MAX))
}
