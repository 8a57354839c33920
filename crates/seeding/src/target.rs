//! What a seed requires of a database. `postgres` and `sqlite` implement it, `run` uses it.

use std::future::Future;
use std::sync::Arc;

use crate::error::SeedError;
use crate::fakes::World;
use crate::steps::SeedStep;
use crate::watch::Watch;

/// What the database stores about a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepMark {
    /// The step's name.
    pub name: String,
    /// The parameters of the seed, as text.
    pub parameters: String,
    /// Whether the step is done.
    pub finished: bool,
}

/// A step to load, with its options.
#[derive(Clone)]
pub struct Load {
    /// The step.
    pub step: &'static SeedStep,
    /// The world of the rows.
    pub world: Arc<World>,
    /// The parameters of the seed, as text.
    pub parameters: String,
    /// Whether an earlier run may have left rows.
    pub begun: bool,
    /// Whether indexes and foreign keys are created after the rows.
    pub defer_indexes: bool,
    /// Receives events.
    pub watch: Arc<dyn Watch>,
}

/// A database that is being filled, over its own connections.
pub trait Target: Send {
    /// The stored marks.
    fn marks(&mut self) -> impl Future<Output = Result<Vec<StepMark>, SeedError>> + Send;

    /// Whether a table has a row.
    fn has_rows(&mut self, table: &'static str) -> impl Future<Output = Result<bool, SeedError>> + Send;

    /// Drops what is not needed during the whole load.
    fn drop_deferred(&mut self, defer_indexes: bool) -> impl Future<Output = Result<(), SeedError>> + Send;

    /// Fills a step's table and side tables, and stores that it is done.
    fn load(&mut self, load: Load) -> impl Future<Output = Result<u64, SeedError>> + Send;

    /// Restores everything that this run or an earlier one dropped. Returns the number of objects.
    fn restore(&mut self, watch: &dyn Watch) -> impl Future<Output = Result<u64, SeedError>> + Send;

    /// Collects statistics, and stores that everything is done.
    fn tidy(&mut self, parameters: &str) -> impl Future<Output = Result<(), SeedError>> + Send;

    /// Closes the connections.
    fn close(self) -> impl Future<Output = Result<(), SeedError>> + Send;
}
