//! What a migration leaves for when every instance of the release before is gone.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

use crate::adopt::has_relation;

/// The feed's order, and that versions that know no ticks cannot go on.
const ORDER: &str = "UPDATE comment_feed SET ordering = 'TICK' WHERE ordering = 'XACT'";
const REQUIRE: &str = "UPDATE schema_steps SET requires = name WHERE name = '0015_comment_ticks'";

/// Puts the order of ticks into force for the feed of comments; says whether it did. Instances that know no ticks must not
/// run any more, since they would not understand the cursors, and do not start from then on.
///
/// # Errors
/// Whatever the database answers.
pub async fn finish(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    if db.get_database_backend() != DbBackend::Postgres || !has_relation(db, "comment_ticks").await? {
        return Ok(false);
    }
    // In this order: where the second is missing, the command is repeated.
    db.execute_unprepared(REQUIRE).await?;
    Ok(db.execute_unprepared(ORDER).await?.rows_affected() > 0)
}
