//! The events of a running seed.

use std::time::Duration;

/// A finished step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepReport {
    /// The step's name, such as `load_tags`.
    pub name: &'static str,
    /// The number of rows that it stored.
    pub rows: u64,
    /// Its duration.
    pub elapsed: Duration,
}

/// An event of a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedEvent {
    /// Waits for another seeder that is running on this database.
    Waiting,
    /// The number of rows that this run will store in all steps.
    Rows(u64),
    /// An earlier run finished this step.
    Skipped(&'static str),
    /// A step with this number of rows began.
    Step(&'static str, u64),
    /// This number of rows was stored.
    Stored(u64),
    /// A step is done.
    Done(StepReport),
    /// Dropped objects are being restored: the number that is done, and the total.
    Restored(u64, u64),
    /// Statistics are being collected.
    Tidying,
}

/// Receives events. Called from several threads, between batches of rows.
pub trait Watch: Send + Sync {
    /// Handles an event.
    fn note(&self, event: SeedEvent);
}

impl<F: Fn(SeedEvent) + Send + Sync> Watch for F {
    fn note(&self, event: SeedEvent) {
        self(event);
    }
}
