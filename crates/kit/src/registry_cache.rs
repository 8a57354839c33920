//! A cache of rows of registries, for a moment: a page of movies names the same few positions, awards and
//! cinemas over and over.
//!
//! What an object refers to may so be [`TIME_TO_LIVE`] old where another instance, or plain SQL, has
//! changed it; an instance forgets all of them when an editor changes something through it. What a
//! mutation answers, lists, and objects asked for by id are always read.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How old a cached row may be.
const TIME_TO_LIVE: Duration = Duration::from_secs(1);

/// Rows at most; registries have tens or hundreds.
const ROWS_MAX: usize = 10_000;

/// Rows of all types that are [of a registry](super::rows::Table::IS_REGISTRY).
#[derive(Debug, Default)]
pub struct RegistryCache {
    rows: RwLock<HashMap<(TypeId, i32), Entry>>,
    generation: AtomicU64,
}

#[derive(Debug)]
struct Entry {
    read: Instant,
    row: Box<dyn Any + Send + Sync>,
}

/// Says that nothing was changed since: taken before rows are read that are to be kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Generation(u64);

impl RegistryCache {
    /// The rows with these keys, if all were read lately.
    pub(super) fn get_all<N: Any + Clone>(&self, keys: &[i32]) -> Option<Vec<N>> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let row = |key: &i32| {
            let entry = rows.get(&(TypeId::of::<N>(), *key))?;
            (now - entry.read < TIME_TO_LIVE).then(|| entry.row.downcast_ref().cloned()).flatten()
        };
        keys.iter().map(row).collect()
    }

    /// To be asked for before rows are read.
    pub(super) fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::Acquire))
    }

    /// Keeps rows that were read since `since`, unless something was changed meanwhile.
    pub(super) fn put<N: Any + Send + Sync>(&self, since: Generation, found: impl Iterator<Item = (i32, N)>) {
        let read = Instant::now();
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        if self.generation.load(Ordering::Acquire) != since.0 {
            return;
        }
        if rows.len() > ROWS_MAX {
            rows.clear();
        }
        let entry = |(key, row): (i32, N)| ((TypeId::of::<N>(), key), Entry { read, row: Box::new(row) });
        rows.extend(found.map(entry));
    }

    /// Forgets all rows: some may have been changed.
    pub fn forget(&self) {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::AcqRel);
        rows.clear();
    }
}
