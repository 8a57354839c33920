//! What a database has to do for a seed; `postgres` and `sqlite` do it, `run` asks for it.

use std::future::Future;
use std::sync::Arc;

use crate::error::SeedError;
use crate::fakes::World;
use crate::steps::SeedStep;
use crate::watch::Watch;

/// What the database notes of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepMark {
    /// The step's name.
    pub name: String,
    /// The parameters of the seed, as text.
    pub parameters: String,
    /// Whether the step is done.
    pub finished: bool,
}

/// A step to load, and how.
#[derive(Clone)]
pub struct Load {
    /// The step.
    pub step: &'static SeedStep,
    /// What its rows hang together by.
    pub world: Arc<World>,
    /// The parameters of the seed, as text.
    pub parameters: String,
    /// Whether an earlier run has left rows behind.
    pub begun: bool,
    /// Whether the rows come before the indexes and foreign keys.
    pub defer_indexes: bool,
    /// Is told of rows.
    pub watch: Arc<dyn Watch>,
}

/// A database that is being filled, by connections of its own.
pub trait Target: Send {
    /// The steps that are noted.
    fn marks(&mut self) -> impl Future<Output = Result<Vec<StepMark>, SeedError>> + Send;

    /// Whether a table has a row.
    fn has_rows(&mut self, table: &'static str) -> impl Future<Output = Result<bool, SeedError>> + Send;

    /// Takes away what is away during the whole load.
    fn take_away(&mut self, defer_indexes: bool) -> impl Future<Output = Result<(), SeedError>> + Send;

    /// Fills a step's table, and what triggers make of it, and notes that it is done.
    fn load(&mut self, load: Load) -> impl Future<Output = Result<u64, SeedError>> + Send;

    /// Brings back all that was taken away, by this run or an earlier one; says how many things.
    fn restore(&mut self, watch: &dyn Watch) -> impl Future<Output = Result<u64, SeedError>> + Send;

    /// Collects statistics, and notes that all is done.
    fn tidy(&mut self, parameters: &str) -> impl Future<Output = Result<(), SeedError>> + Send;

    /// Closes the connections.
    fn close(self) -> impl Future<Output = Result<(), SeedError>> + Send;
}
