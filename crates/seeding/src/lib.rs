//! Fills a Kinoteka database with plausible Russian data. The `seeder` program and the server's `--demo` use it. It
//! has no API client: the load is part of the program.
//!
//! - `lists`: the six fixed lists.
//! - `locale`, `names`, `text`: Russian words, names and sentences.
//! - `fakes`: rows as pure functions of the seed and a row's number.
//! - `steps`, `sides`: the sixteen steps, with their tables, and what triggers would make of their rows.
//! - `run`: the course of a seed; `target`: what it requires of a database.
//! - `postgres`, `sqlite`: bulk insertion, the only modules that use a database.
//!
//! A seed and sizes give the same rows on every machine, in every year and with any number of threads: no code
//! reads a clock, and each group of rows has its own random numbers.

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

/// The options of a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedOptions {
    /// The number of rows of each kind.
    pub sizes: Sizes,
    /// The seed of the random data.
    pub rng_seed: u64,
    /// The number of members for loads; `None`: no users that can log in.
    pub demo_accounts: Option<u32>,
    /// Whether to create secondary indexes and foreign keys after the rows.
    pub defer_indexes: bool,
    /// The number of connections that load in parallel on PostgreSQL, at least one.
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
    /// The number of rows that this run stored in the sixteen tables.
    pub rows: u64,
    /// The duration.
    pub elapsed: Duration,
}

/// Runs the sixteen steps on an empty, migrated database and reports each. Continues what an earlier run with the
/// same parameters has finished.
///
/// Opens its own connections with the options of `db`. Nobody else should write to the database during the run: the
/// triggers of a table are off while it is loaded. If the future is dropped, [`restore`] restores what is missing.
///
/// # Errors
/// `Schema` if the schema is not this program's, `NotEmpty` if any of the sixteen tables has a row that no unfinished
/// seed stored, `OtherParameters` if that seed had others, `Step` if the database fails: finished steps are kept, and
/// what was dropped is restored.
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

/// Restores the triggers, indexes and foreign keys that an interrupted seed dropped, and returns their number. Does
/// not change rows.
///
/// # Errors
/// `Schema` if the schema is not this program's; any error of the database.
pub async fn restore(db: &DatabaseConnection, watch: impl Watch) -> Result<u64, SeedError> {
    check_schema(db).await?;
    if db.get_database_backend() != DbBackend::Postgres {
        // On SQLite the end of the transaction restores everything.
        return Ok(0);
    }
    let jobs = SeedOptions::default().jobs;
    let mut target = Postgres::open(&db.get_postgres_connection_pool().connect_options(), jobs, &watch).await?;
    let outcome = target.restore(&watch).await;
    close(target, outcome).await
}

/// A newer schema may have tables that need rows.
async fn check_schema(db: &DatabaseConnection) -> Result<(), SeedError> {
    match migration::compare(db).await? {
        SchemaState::Current => Ok(()),
        SchemaState::Newer(steps) => Err(SeedError::Schema(SchemaState::Ahead(steps))),
        state => Err(SeedError::Schema(state)),
    }
}

/// Closes the connections. An error of the seed takes precedence over one of closing.
async fn close<T>(target: impl Target, outcome: Result<T, SeedError>) -> Result<T, SeedError> {
    let closed = target.close().await;
    let done = outcome?;
    closed.map(|()| done)
}

/// Whether a seed of this database has started and not finished, so that rows, triggers or indexes may be missing.
/// The schema must be current.
///
/// # Errors
/// Any error of the database.
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
