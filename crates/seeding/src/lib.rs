//! Fills a Kinoteka database with plausible Russian data. The `seeder` program and the server's `--demo` call it; it knows
//! no API: the load client is the program's.
//!
//! - `lists`: the six fixed lists.
//! - `locale`, `names`, `text`: Russian words, names and sentences.
//! - `fakes`: rows as pure functions of the seed and a row's number.
//! - `steps`, `sides`: the sixteen steps, tying rows to tables and to what triggers make of them.
//! - `run`: the course of a seed; `target`: what it asks of a database.
//! - `postgres`, `sqlite`: bulk insertion, the only modules that touch a database.
//!
//! A seed and sizes give the same rows on every machine, in every year and on any number of
//! threads: no clock is read, and each group of rows draws from dice of its own.

mod copy_text;
pub mod error;
pub mod fakes;
pub mod lists;
pub mod locale;
pub mod names;
mod parameters;
mod password;
mod postgres;
mod run;
mod sides;
pub mod sizes;
mod sqlite;
pub mod steps;
mod target;
pub mod text;
pub mod watch;

use std::sync::Arc;
use std::time::Duration;

use migration::SchemaState;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

pub use error::SeedError;
pub use fakes::accounts;
use postgres::Postgres;
pub use sizes::Sizes;
use sqlite::Sqlite;
use target::Target;
pub use watch::{SeedEvent, StepReport, Watch};

/// What to seed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedOptions {
    /// How many rows of each kind.
    pub sizes: Sizes,
    /// Another seed gives other data.
    pub rng_seed: u64,
    /// Whether there are users that can log in, and how many members for load among them.
    pub demo_accounts: Option<u32>,
    /// Whether secondary indexes and foreign keys come after the rows.
    pub defer_indexes: bool,
    /// How many connections load at once on PostgreSQL, at least one.
    pub jobs: usize,
}

impl Default for SeedOptions {
    fn default() -> Self {
        let jobs = std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 16));
        Self { sizes: Sizes::demo(), rng_seed: 1, demo_accounts: None, defer_indexes: false, jobs }
    }
}

/// A finished seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many rows this run stored, in the sixteen tables.
    pub rows: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// Runs the sixteen steps on an empty, migrated database, telling of each. What an earlier run with
/// the same parameters has finished is kept, and gone on with.
///
/// Uses connections of its own, made as those of `db` are. Nobody else should write meanwhile:
/// triggers are switched off while a table is loaded. When the future is dropped, [`restore`]
/// brings back what is away.
///
/// # Errors
/// `Schema` if the schema is not this program's, `NotEmpty` if any of the sixteen tables has a row
/// that no unfinished seed has made, `OtherParameters` if that seed was another, `Step` if the
/// database refuses: the steps finished before are kept, and what was taken away is back.
pub async fn seed(
    db: &DatabaseConnection,
    options: &SeedOptions,
    watch: impl Watch + 'static,
) -> Result<Summary, SeedError> {
    options.sizes.check().map_err(SeedError::Sizes)?;
    check_schema(db).await?;
    let watch: Arc<dyn Watch> = Arc::new(watch);
    match db.get_database_backend() {
        DbBackend::Postgres => {
            let connect = db.get_postgres_connection_pool().connect_options();
            let mut target = Postgres::open(&connect, options.jobs, watch.as_ref()).await?;
            let outcome = run::run(&mut target, options, &watch).await;
            close(target, outcome).await
        }
        DbBackend::Sqlite => {
            let mut target = Sqlite::open(&db.get_sqlite_connection_pool().connect_options()).await?;
            let outcome = run::run(&mut target, options, &watch).await;
            close(target, outcome).await
        }
        _ => Err(SeedError::Backend),
    }
}

/// Brings back triggers, indexes and foreign keys that an interrupted seed has taken away; says how
/// many. The rows stay as they are.
///
/// # Errors
/// `Schema` if the schema is not this program's; whatever the database refuses.
pub async fn restore(db: &DatabaseConnection, watch: impl Watch) -> Result<u64, SeedError> {
    check_schema(db).await?;
    if db.get_database_backend() != DbBackend::Postgres {
        // What SQLite takes away is back when the transaction ends, however it ends.
        return Ok(0);
    }
    let jobs = SeedOptions::default().jobs;
    let mut target = Postgres::open(&db.get_postgres_connection_pool().connect_options(), jobs, &watch).await?;
    let outcome = target.restore(&watch).await;
    close(target, outcome).await
}

/// A newer schema may have tables that rows would be missing in.
async fn check_schema(db: &DatabaseConnection) -> Result<(), SeedError> {
    match migration::compare(db).await? {
        SchemaState::Current => Ok(()),
        SchemaState::Newer(steps) => Err(SeedError::Schema(SchemaState::Ahead(steps))),
        state => Err(SeedError::Schema(state)),
    }
}

/// Closes the connections; what went wrong before explains why that fails.
async fn close<T>(target: impl Target, outcome: Result<T, SeedError>) -> Result<T, SeedError> {
    let closed = target.close().await;
    let done = outcome?;
    closed.map(|()| done)
}

/// Whether a seed of this database was begun and has not finished: rows, triggers or indexes may be
/// missing. The schema must be current.
///
/// # Errors
/// Whatever the database answers.
pub async fn is_unfinished(db: &impl ConnectionTrait) -> Result<bool, sea_orm::DbErr> {
    let sql = format!(
        "SELECT 1 FROM seeding_steps WHERE NOT EXISTS (SELECT 1 FROM seeding_steps WHERE name = '{}') LIMIT 1",
        run::ALL_DONE
    );
    Ok(db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_can_run_on_any_thread() {
        fn assert_send<T: Send>(_: &T) {}
        let (db, options) = (DatabaseConnection::default(), SeedOptions::default());
        assert_send(&seed(&db, &options, |_| {}));
    }
}
