//! What a migration leaves for when every instance of the release before is gone.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::adopt::has_relation;

/// Puts the order of ticks into force for the feed of comments; says whether it did. Instances that know no ticks must not
/// run any more: they would not understand the cursors.
///
/// # Errors
/// Whatever the database answers.
pub async fn finish(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    if db.get_database_backend() != DbBackend::Postgres || !has_relation(db, "comment_ticks").await? {
        return Ok(false);
    }
    let sql = "UPDATE comment_feed SET ordering = 'TICK' WHERE ordering = 'XACT'";
    let updated = db.execute_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    Ok(updated.rows_affected() > 0)
}
