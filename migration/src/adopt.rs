//! Records steps that were run by hand, after checking that the database has them.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use sea_orm_migration::migrator::MigratorTraitSelf as _;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ActiveValue, ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, Statement};
use sea_orm_migration::seaql_migrations;

use crate::step::Migrator;
use crate::{STEPS, begin_alone, read_applied};

/// Why steps cannot be adopted.
#[derive(Debug)]
pub enum AdoptError {
    /// The database has some of a step's objects, but not these.
    Partial {
        /// The step's name.
        step: String,
        /// Missing objects, such as `index movies_year_idx`.
        missing: Vec<String>,
    },
    /// The database has none of the first step's objects.
    Empty,
    /// The database failed.
    Database(DbErr),
}

impl fmt::Display for AdoptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partial { step, missing } => {
                write!(f, "step {step} is incomplete: {} missing; nothing was recorded", missing.join(", "))
            }
            Self::Empty => write!(f, "nothing to adopt: the database has no tables; run `kinoteka migrate up`"),
            Self::Database(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AdoptError {}

impl From<DbErr> for AdoptError {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

/// Records the steps whose SQL was run by hand, and returns their names.
///
/// # Errors
/// [`AdoptError::Partial`] if a step has only some of its objects, [`AdoptError::Empty`] if there are none at all.
/// Nothing is recorded then.
pub async fn adopt(db: &DatabaseConnection) -> Result<Vec<String>, AdoptError> {
    let txn = begin_alone(db).await?;
    Migrator(STEPS).install(&txn).await?;
    let recorded = read_applied(&txn).await?;
    let mut adopted = Vec::new();
    for (position, step) in STEPS.iter().enumerate() {
        let made = list_objects(step.up_sql(txn.get_database_backend()));
        let mut missing = Vec::new();
        for object in &made {
            if !object.exists(&txn).await? {
                missing.push(object.to_string());
            }
        }
        // A step that creates nothing there is recorded with the one before it.
        if missing.len() == made.len() && !made.is_empty() {
            if position == 0 {
                return Err(AdoptError::Empty);
            }
            break;
        }
        if !missing.is_empty() {
            return Err(AdoptError::Partial { step: step.name.to_owned(), missing });
        }
        if !recorded.iter().any(|name| name == step.name) {
            let row = seaql_migrations::ActiveModel {
                version: ActiveValue::Set(step.name.to_owned()),
                applied_at: ActiveValue::Set(unix_time()),
            };
            seaql_migrations::Entity::insert(row).exec(&txn).await?;
            adopted.push(step.name.to_owned());
        }
    }
    txn.commit().await?;
    Ok(adopted)
}

/// The time in seconds since 1970, as sea-orm-migration stores it.
fn unix_time() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|age| age.as_secs().try_into().ok()).unwrap_or_default()
}

/// An object that a step's SQL creates.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SchemaObject<'a> {
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
}

impl fmt::Display for SchemaObject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.to_lowercase(), self.name)
    }
}

/// The objects that a script creates, from its `CREATE` lines, which start in column one in our SQL. Replaced objects
/// were created by another step.
pub(crate) fn list_objects(sql: &str) -> Vec<SchemaObject<'_>> {
    sql.lines()
        .filter_map(|line| {
            let rest = line.strip_prefix("CREATE ").filter(|rest| !rest.starts_with("OR REPLACE "))?;
            let rest = rest.strip_prefix("UNIQUE ").or(rest.strip_prefix("VIRTUAL ")).unwrap_or(rest);
            let (kind, rest) = rest.split_once(' ')?;
            let name = rest.strip_prefix("CONCURRENTLY ").unwrap_or(rest).split([' ', '(']).next()?;
            Some(SchemaObject { kind, name })
        })
        .collect()
}

impl SchemaObject<'_> {
    async fn exists(&self, db: &impl ConnectionTrait) -> Result<bool, DbErr> {
        match (db.get_database_backend(), self.kind) {
            (DbBackend::Postgres, "FUNCTION") => {
                has_row(db, "SELECT 1 FROM pg_proc WHERE proname = $1 AND pg_function_is_visible(oid)", self.name).await
            }
            (DbBackend::Postgres, "TRIGGER") => {
                has_row(db, "SELECT 1 FROM pg_trigger WHERE tgname = $1 AND NOT tgisinternal", self.name).await
            }
            _ => has_relation(db, self.name).await,
        }
    }
}

/// Whether the database has a table or index (on SQLite: any object) with this name.
pub(crate) async fn has_relation(db: &impl ConnectionTrait, name: &str) -> Result<bool, DbErr> {
    let sql = match db.get_database_backend() {
        DbBackend::Sqlite => "SELECT 1 FROM sqlite_schema WHERE name = $1",
        _ => "SELECT 1 FROM pg_class WHERE oid = to_regclass($1)",
    };
    has_row(db, sql, name).await
}

async fn has_row(db: &impl ConnectionTrait, sql: &str, name: &str) -> Result<bool, DbErr> {
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [name.into()]);
    Ok(db.query_one_raw(statement).await?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn create_lines_name_what_a_script_makes() {
        let sql = "CREATE TABLE a (\n    id integer\n);\nCREATE UNIQUE INDEX b ON a (id);\n\
                   CREATE INDEX CONCURRENTLY d ON a (id);\nCREATE FUNCTION c() RETURNS trigger\n-- CREATE TABLE no\n";
        let names: Vec<_> = list_objects(sql).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["table a", "index b", "index d", "function c"]);
    }
}
