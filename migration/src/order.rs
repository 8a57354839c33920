//! The part of a migration that waits until no instance of the previous release is running.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

use crate::adopt::has_relation;

/// Sets the feed's order, after which versions without ticks cannot use the database.
const ORDER: &str = "UPDATE comment_feed SET ordering = 'TICK' WHERE ordering = 'XACT'";
const REQUIRE: &str = "UPDATE schema_steps SET requires = name WHERE name = '0015_comment_ticks'";

/// Makes ticks the order of the comment feed, and returns whether it did. Instances without ticks must not run any
/// longer, since they would not understand the cursors; they do not start from then on.
///
/// # Errors
/// Any error of the database.
pub async fn finish(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    if db.get_database_backend() != DbBackend::Postgres || !has_relation(db, "comment_ticks").await? {
        return Ok(false);
    }
    // In this order: if the second statement fails, the command can be repeated.
    db.execute_unprepared(REQUIRE).await?;
    Ok(db.execute_unprepared(ORDER).await?.rows_affected() > 0)
}
