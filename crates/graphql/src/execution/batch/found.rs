//! Results of batches, for executions that may share rows that others have read.

use std::any::{Any, TypeId};
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::lock;
use crate::describe::Columns;

/// Number of batches of one statement that are stored.
const BATCHES_MAX: usize = 8;

/// The result of a batch.
#[derive(Clone)]
pub(super) struct FoundBatch {
    pub(super) keys: Arc<[i32]>,
    pub(super) columns: Columns,
    /// When its statement began. It shows the database at that moment or later.
    pub(super) started: Instant,
    pub(super) values: Arc<dyn Any + Send + Sync>,
}

/// Results of batches, stored while this exists.
pub struct FoundRows<S>(Mutex<HashMap<(TypeId, S), VecDeque<FoundBatch>>>);

/// Rows of other executions that a look-up may use.
#[derive(Debug)]
pub struct SharedRows<S> {
    /// The stored results.
    pub rows: Arc<FoundRows<S>>,
    /// Results from before this moment are too old.
    pub since: Instant,
}

impl<S: Eq + Hash + Clone> FoundRows<S> {
    /// Creates it without rows.
    #[must_use]
    pub fn new() -> Self {
        Self(Mutex::default())
    }

    /// The result for these keys; otherwise the columns that others have read, so that all of them read the same.
    pub(super) fn find(
        &self,
        statement: &(TypeId, S),
        (keys, columns): (&[i32], Columns),
        since: Instant,
    ) -> Result<Arc<dyn Any + Send + Sync>, Columns> {
        let found = lock(&self.0);
        let Some(batches) = found.get(statement) else { return Err(columns) };
        let has_all = |batch: &&FoundBatch| {
            let has = |key| batch.keys.binary_search(key).is_ok();
            batch.started >= since && columns & !batch.columns == 0 && keys.iter().all(has)
        };
        match batches.iter().rev().find(has_all) {
            Some(batch) => Ok(Arc::clone(&batch.values)),
            None => Err(batches.iter().fold(columns, |columns, batch| columns | batch.columns)),
        }
    }

    pub(super) fn add(&self, statement: (TypeId, S), found: FoundBatch) {
        let mut all = lock(&self.0);
        let batches = all.entry(statement).or_default();
        if batches.iter().any(|batch| Arc::ptr_eq(&batch.values, &found.values)) {
            return;
        }
        if batches.len() == BATCHES_MAX {
            batches.pop_front();
        }
        batches.push_back(found);
    }
}

impl<S: Eq + Hash + Clone> Default for FoundRows<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> std::fmt::Debug for FoundRows<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FoundRows").field("statements", &lock(&self.0).len()).finish()
    }
}
