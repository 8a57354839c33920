//! The database schema as numbered steps of plain SQL, and the code that runs them.
//!
//! Each step is a pair of files in `sql/postgres/` and a pair in `sql/sqlite/`. They run through sea-orm-migration
//! ([`up`], [`down`]) or with `psql -f` or `sqlite3`, after which [`adopt`] records them. This crate does not know
//! the entities, which are generated from the files.

mod adopt;
mod age;
mod commits;
pub mod connect;
mod indexes;
mod loss;
mod order;
mod pooler;
mod refusal;
mod release;
mod rows;
mod run;
mod step;
mod transaction;
mod triggers;
mod waiting;

pub use adopt::{AdoptError, adopt};
pub use commits::{Commits, Receipt};
pub use loss::{StepLoss, losses};
pub use order::finish;
pub use refusal::explain_refusal;
pub use rows::refill;
pub use run::{LOCK_TIMEOUT, Migration};
pub use step::{STEPS, Step, StepScript};
pub use transaction::{begin, begin_snapshot};
pub use triggers::silent_triggers;

use std::fmt;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, EntityTrait, QueryOrder, Statement,
};
use sea_orm_migration::seaql_migrations;

/// The state of one step in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepStatus {
    /// The step's name, such as `0001_tables`.
    pub name: String,
    /// Whether the database has it.
    pub applied: bool,
}

/// How a database's schema compares with the steps of this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// Every known step is applied, and no other.
    Current,
    /// The steps are applied, but these tables have lost rows that a step inserts; [`refill`] inserts them again.
    Incomplete(Vec<String>),
    /// These steps are missing; [`up`] applies them.
    Behind(Vec<String>),
    /// These steps are unknown to this program, but it can still use the database.
    Newer(Vec<String>),
    /// These steps of a newer program are unknown to this one, which cannot use the database.
    Ahead(Vec<String>),
    /// The tables exist, but no step is recorded; [`adopt`] records them.
    Unrecorded,
}

impl fmt::Display for SchemaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current => write!(f, "the database schema is current"),
            Self::Incomplete(tables) => write!(
                f,
                "the database lacks the rows of {} that only a migration inserts, as after a restore of the schema only; \
                 run `kinoteka migrate adopt`",
                tables.join(", ")
            ),
            Self::Behind(steps) => {
                write!(f, "the database schema is outdated: {} missing; run `kinoteka migrate up`", name_steps(steps))
            }
            Self::Unrecorded => write!(
                f,
                "the database has tables that no migration has recorded; \
                 if psql created them, run `kinoteka migrate adopt`"
            ),
            Self::Newer(steps) => write!(
                f,
                "the database schema is newer than this program: {} unknown here; this version still works with it",
                name_steps(steps)
            ),
            Self::Ahead(steps) => write!(
                f,
                "the database schema is newer than this program: {} unknown here; use the program that made it",
                name_steps(steps)
            ),
        }
    }
}

fn name_steps(steps: &[String]) -> String {
    match steps {
        [one] => format!("step {one} is"),
        many => format!("steps {} are", many.join(", ")),
    }
}

/// Applies the pending steps with the defaults of [`Migration::up`].
///
/// # Errors
/// Any error of the database.
pub async fn up(db: &DatabaseConnection, limit: Option<u32>) -> Result<Vec<String>, DbErr> {
    Migration::default().up(db, limit).await
}

/// Reverts steps with the defaults of [`Migration::down`].
///
/// # Errors
/// Any error of the database; nothing is changed then.
pub async fn down(db: &DatabaseConnection, limit: u32) -> Result<Vec<String>, DbErr> {
    Migration::default().down(db, limit).await
}

/// The known steps in order, with their states. Changes nothing.
///
/// # Errors
/// The database's catalogue cannot be read.
pub async fn status(db: &impl ConnectionTrait) -> Result<Vec<StepStatus>, DbErr> {
    let applied = read_applied(db).await?;
    Ok(STEPS
        .iter()
        .map(|step| StepStatus { name: step.name.to_owned(), applied: applied.iter().any(|name| name == step.name) })
        .collect())
}

/// Compares the database's recorded steps with those of this program. Changes nothing.
///
/// # Errors
/// The database's catalogue cannot be read.
pub async fn compare(db: &impl ConnectionTrait) -> Result<SchemaState, DbErr> {
    // In this order: a migration that commits meanwhile has recorded the tables that are seen first.
    let has_tables = adopt::has_relation(db, "movies").await?;
    let applied = read_applied(db).await?;
    if has_tables && applied.is_empty() {
        return Ok(SchemaState::Unrecorded);
    }
    let unknown: Vec<_> = applied.iter().filter(|name| !step::is_known(name)).cloned().collect();
    let missing: Vec<_> = STEPS.iter().map(|s| s.name.to_owned()).filter(|name| !applied.contains(name)).collect();
    if !unknown.is_empty() {
        let tolerated = missing.is_empty() && are_tolerated(db, &unknown).await?;
        return Ok(if tolerated { SchemaState::Newer(unknown) } else { SchemaState::Ahead(unknown) });
    }
    if !missing.is_empty() {
        return Ok(SchemaState::Behind(missing));
    }
    let empty = rows::find_empty(db).await?;
    Ok(if empty.is_empty() { SchemaState::Current } else { SchemaState::Incomplete(empty) })
}

/// Whether each of these steps requires only a step of this program.
async fn are_tolerated(db: &impl ConnectionTrait, unknown: &[String]) -> Result<bool, DbErr> {
    if !adopt::has_relation(db, "schema_steps").await? {
        return Ok(false);
    }
    let sql = "SELECT name, requires FROM schema_steps";
    let mut tolerated = Vec::new();
    for row in db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await? {
        let (name, requires): (String, String) = row.try_get_many_by_index()?;
        if step::is_known(&requires) {
            tolerated.push(name);
        }
    }
    Ok(unknown.iter().all(|name| tolerated.contains(name)))
}

async fn read_applied(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    if !adopt::has_relation(db, "seaql_migrations").await? {
        return Ok(Vec::new());
    }
    let rows = seaql_migrations::Entity::find().order_by_asc(seaql_migrations::Column::Version).all(db).await?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

/// Starts a transaction while no other migration runs.
async fn begin_alone(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let txn = begin(db).await?;
    if txn.get_database_backend() == DbBackend::Postgres {
        // An arbitrary number that no other program uses: "kinoteka" in ASCII.
        let lock = Statement::from_string(DbBackend::Postgres, "SELECT pg_advisory_xact_lock(7739551076318374753)");
        txn.execute_raw(lock).await?;
    }
    Ok(txn)
}
