//! What a seed tells of itself while it runs.

use std::time::Duration;

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

/// Something that happened during a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedEvent {
    /// Another seeder is at work on this database, and is waited for.
    Waiting,
    /// How many rows this run will store, all steps together.
    Rows(u64),
    /// A step that an earlier run has finished.
    Skipped(&'static str),
    /// A step began, of so many rows.
    Step(&'static str, u64),
    /// So many rows more are stored.
    Stored(u64),
    /// A step is done.
    Done(StepReport),
    /// What was taken away comes back: so many statements of so many are done.
    Restored(u64, u64),
    /// Statistics are collected.
    Tidying,
}

/// Is told what happens. Called from several threads, between batches of rows.
pub trait Watch: Send + Sync {
    /// Takes notice.
    fn note(&self, event: SeedEvent);
}

impl<F: Fn(SeedEvent) + Send + Sync> Watch for F {
    fn note(&self, event: SeedEvent) {
        self(event);
    }
}
