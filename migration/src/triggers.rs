//! Whether the triggers of the steps fire: without them, side tables and the feed of comments go wrong unnoticed.

use std::collections::HashMap;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::STEPS;
use crate::adopt::list_objects;

/// The triggers of visible tables, and whether they fire on this connection.
const POSTGRES: &str = "
    SELECT tgname::text, tgenabled::text IN
        ('A', CASE current_setting('session_replication_role') WHEN 'replica' THEN 'R' ELSE 'O' END)
    FROM pg_trigger WHERE NOT tgisinternal AND pg_table_is_visible(tgrelid)";

const SQLITE: &str = "SELECT name, 1 FROM sqlite_schema WHERE type = 'trigger'";

/// Names the triggers of all steps that are missing, or that do not fire on this connection, with what they lack. Empty
/// where all is well.
///
/// # Errors
/// Whatever the database answers when its catalogue is read.
pub async fn silent_triggers(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let backend = db.get_database_backend();
    let sql = if backend == DbBackend::Postgres { POSTGRES } else { SQLITE };
    let mut fires = HashMap::new();
    for row in db.query_all_raw(Statement::from_string(backend, sql)).await? {
        let (name, does): (String, bool) = row.try_get_many_by_index()?;
        fires.insert(name, does);
    }
    let objects = STEPS.iter().flat_map(|step| list_objects(step.up_sql(backend)));
    let triggers = objects.filter(|object| object.kind == "TRIGGER");
    Ok(triggers
        .filter_map(|trigger| match fires.get(trigger.name) {
            Some(true) => None,
            Some(false) => Some(format!("{} is disabled", trigger.name)),
            None => Some(format!("{} is missing", trigger.name)),
        })
        .collect())
}
