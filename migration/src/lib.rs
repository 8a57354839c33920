//! The database schema as numbered steps of plain SQL, and the code that runs them.
//!
//! Each step is a pair of files in `sql/postgres/` and a pair in `sql/sqlite/`. They run
//! through sea-orm-migration ([`up`], [`down`]) and equally by `psql -f` or `sqlite3`, after
//! which [`adopt`] records what is there. Nothing here knows the entities: they are
//! generated from what these files make.

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

/// Where one step stands in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepStatus {
    /// The step's name, such as `0001_tables`.
    pub name: String,
    /// Whether the database has it.
    pub applied: bool,
}

/// How a database's schema compares with the steps that this program knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// Every known step is applied, and no other.
    Current,
    /// The steps are applied, but these tables have lost rows that only a step makes; [`refill`] makes them again.
    Incomplete(Vec<String>),
    /// These steps are missing; [`up`] applies them.
    Behind(Vec<String>),
    /// These steps are unknown here, and say that a program that knows no more than this one can go on.
    Newer(Vec<String>),
    /// These steps are unknown here: a newer program made them.
    Ahead(Vec<String>),
    /// The tables are there, but nothing says by which steps; [`adopt`] records them.
    Unrecorded,
}

impl fmt::Display for SchemaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current => write!(f, "the database schema is current"),
            Self::Incomplete(tables) => write!(
                f,
                "the database lacks the rows of {} that only a migration makes, as after a restore of the schema alone; \
                 run `kinoteka migrate adopt`",
                tables.join(", ")
            ),
            Self::Behind(steps) => {
                write!(f, "the database schema is stale: {} missing; run `kinoteka migrate up`", name_steps(steps))
            }
            Self::Unrecorded => write!(
                f,
                "the database has tables that no migration has recorded; \
                 if psql made them, run `kinoteka migrate adopt`"
            ),
            Self::Newer(steps) => write!(
                f,
                "the database schema is newer than this program: {} unknown here; this version can go on with it",
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

/// Applies the pending steps as [`Migration::up`] does by default.
///
/// # Errors
/// Whatever the database refuses.
pub async fn up(db: &DatabaseConnection, limit: Option<u32>) -> Result<Vec<String>, DbErr> {
    Migration::default().up(db, limit).await
}

/// Takes back steps as [`Migration::down`] does by default.
///
/// # Errors
/// Whatever the database refuses; nothing is changed then.
pub async fn down(db: &DatabaseConnection, limit: u32) -> Result<Vec<String>, DbErr> {
    Migration::default().down(db, limit).await
}

/// Lists the known steps in order, with where each stands. Changes nothing.
///
/// # Errors
/// Whatever the database answers when its catalogue is read.
pub async fn status(db: &impl ConnectionTrait) -> Result<Vec<StepStatus>, DbErr> {
    let applied = read_applied(db).await?;
    Ok(STEPS
        .iter()
        .map(|step| StepStatus { name: step.name.to_owned(), applied: applied.iter().any(|name| name == step.name) })
        .collect())
}

/// Compares the database's recorded steps with those known here. Changes nothing.
///
/// # Errors
/// Whatever the database answers when its catalogue is read.
pub async fn compare(db: &impl ConnectionTrait) -> Result<SchemaState, DbErr> {
    // In this order: a migration that commits in between has recorded what is seen first.
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

/// Whether each of these steps requires a step that is known here.
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

/// Begins a transaction that no other migration runs beside.
async fn begin_alone(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let txn = begin(db).await?;
    if txn.get_database_backend() == DbBackend::Postgres {
        // Any number will do that no other program uses: "kinoteka" in ASCII.
        let lock = Statement::from_string(DbBackend::Postgres, "SELECT pg_advisory_xact_lock(7739551076318374753)");
        txn.execute_raw(lock).await?;
    }
    Ok(txn)
}
