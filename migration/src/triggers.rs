//! Whether the triggers of the steps fire. Without them, side tables and the comment feed become wrong silently.

use std::collections::HashMap;
use std::sync::LazyLock;

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

/// The triggers of all steps, from the steps' SQL.
static MADE: LazyLock<[Vec<&str>; 2]> = LazyLock::new(|| {
    [DbBackend::Postgres, DbBackend::Sqlite].map(|backend| {
        let objects = STEPS.iter().flat_map(|step| list_objects(step.up_sql(backend)));
        objects.filter(|object| object.kind == "TRIGGER").map(|object| object.name).collect()
    })
});

/// The triggers of all steps that are missing, or do not fire on this connection, with the reason. Empty if all is
/// well.
///
/// # Errors
/// The database's catalogue cannot be read.
pub async fn silent_triggers(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let backend = db.get_database_backend();
    let [postgres, sqlite] = &*MADE;
    let (sql, made) = if backend == DbBackend::Postgres { (POSTGRES, postgres) } else { (SQLITE, sqlite) };
    let mut fires = HashMap::new();
    for row in db.query_all_raw(Statement::from_string(backend, sql)).await? {
        let (name, does): (String, bool) = row.try_get_many_by_index()?;
        fires.insert(name, does);
    }
    Ok(made
        .iter()
        .filter_map(|trigger| match fires.get(*trigger) {
            Some(true) => None,
            Some(false) => Some(format!("{trigger} is disabled")),
            None => Some(format!("{trigger} is missing")),
        })
        .collect())
}
