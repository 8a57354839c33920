//! Fills a Kinoteka database with plausible Russian data.
//!
//! - `lists`: the six fixed lists.
//! - `locale`, `names`, `text`: Russian words, names and sentences.
//! - `fakes`: rows as pure functions of the seed and a row's number.
//! - `steps`: the sixteen steps, tying rows to tables.
//! - `fill`: bulk insertion, the only module that touches a database.
//!
//! A seed and sizes give the same rows on every machine and in every year: no
//! clock is read, and each group of rows draws from dice of its own.

pub mod error;
pub mod fakes;
mod fill;
pub mod lists;
pub mod locale;
pub mod names;
pub mod sizes;
pub mod steps;
pub mod text;

use std::time::{Duration, Instant};

use migration::SchemaState;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait};

pub use error::SeedError;
use fakes::World;
use fill::Filler;
pub use sizes::Sizes;
use steps::Step;

/// What to seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedOptions {
    /// How many rows of each kind.
    pub sizes: Sizes,
    /// Another seed gives other data.
    pub rng_seed: u64,
}

impl Default for SeedOptions {
    fn default() -> Self {
        Self { sizes: Sizes::demo(), rng_seed: 1 }
    }
}

/// A finished step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepReport {
    /// The step's name, such as `load_tags`.
    pub name: &'static str,
    /// How many rows it stored.
    pub rows: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// A finished seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many rows were stored in all.
    pub rows: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// Runs the sixteen steps on an empty, migrated database, telling of each.
///
/// All in one transaction: the steps told of are kept only if this succeeds.
///
/// # Errors
/// `Schema` if the schema is not this program's, `NotEmpty` if any of the
/// sixteen tables has a row, `Database` or `Copy` if the database refuses.
pub async fn seed(
    db: &DatabaseConnection,
    options: &SeedOptions,
    on_step: impl FnMut(&StepReport),
) -> Result<Summary, SeedError> {
    let started = Instant::now();
    match migration::compare(db).await? {
        SchemaState::Current => {}
        state => return Err(SeedError::Schema(state)),
    }
    let filler = Filler::begin(db).await?;
    let mut run = Run { filler, world: World::new(options.rng_seed, options.sizes), on_step, rows: 0 };
    run.refuse_data().await?;
    run.load_all().await?;
    run.filler.commit().await?;
    // Without statistics SQLite chooses its indexes blindly, and PostgreSQL until autovacuum, which
    // would also sort the trigrams in.
    let tidy = if db.get_database_backend() == DbBackend::Postgres { "VACUUM ANALYZE" } else { "ANALYZE" };
    db.execute_unprepared(tidy).await?;
    Ok(Summary { rows: run.rows, elapsed: started.elapsed() })
}

struct Run<F> {
    filler: Filler,
    world: World,
    on_step: F,
    rows: u64,
}

/// Does the same with each of the sixteen steps, in their order.
macro_rules! each_step {
    ($run:ident.$method:ident) => {
        $run.$method(&steps::TAGS).await?;
        $run.$method(&steps::PUBLICATION_CATEGORIES).await?;
        $run.$method(&steps::FILM_AWARDS).await?;
        $run.$method(&steps::NOMINATIONS).await?;
        $run.$method(&steps::POSITIONS).await?;
        $run.$method(&steps::CINEMAS).await?;
        $run.$method(&steps::MOVIES).await?;
        $run.$method(&steps::USERS).await?;
        $run.$method(&steps::PERSONS).await?;
        $run.$method(&steps::STAFF).await?;
        $run.$method(&steps::AWARDS).await?;
        $run.$method(&steps::PRESENCES).await?;
        $run.$method(&steps::ORDERS).await?;
        $run.$method(&steps::PUBLICATIONS).await?;
        $run.$method(&steps::COMMENTS).await?;
        $run.$method(&steps::RATINGS).await?;
    };
}

impl<F: FnMut(&StepReport)> Run<F> {
    async fn refuse_data(&mut self) -> Result<(), SeedError> {
        each_step!(self.expect_empty);
        Ok(())
    }

    async fn load_all(&mut self) -> Result<(), SeedError> {
        each_step!(self.load);
        Ok(())
    }

    async fn expect_empty<E: EntityTrait>(&mut self, step: &Step<E>) -> Result<(), SeedError> {
        self.filler.expect_empty(step).await
    }

    async fn load<E: EntityTrait>(&mut self, step: &Step<E>) -> Result<(), SeedError> {
        let started = Instant::now();
        let rows = self.filler.fill(step, &self.world).await?;
        self.rows += rows;
        (self.on_step)(&StepReport { name: step.name, rows, elapsed: started.elapsed() });
        Ok(())
    }
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
