//! A short-lived cache of registry rows: the movies of a page refer to the same few positions, awards and cinemas.
//!
//! After a change by another instance or by plain SQL, an object that others refer to may be [`TIME_TO_LIVE`] old. An
//! instance clears the cache when an editor changes something through it. Responses of mutations, lists, and objects
//! requested by id are always read from the database.

use std::any::{Any, TypeId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

/// The maximum age of a cached row.
const TIME_TO_LIVE: Duration = Duration::from_secs(1);

/// The maximum number of rows. Registries have tens or hundreds.
const ROWS_MAX: usize = 10_000;

/// Rows of all types that are [of a registry](super::rows::Table::IS_REGISTRY).
#[derive(Debug)]
pub struct RegistryCache {
    rows: Cache<(TypeId, i32), Entry>,
    generation: AtomicU64,
}

#[derive(Clone)]
struct Entry {
    read: Instant,
    generation: Generation,
    row: Arc<dyn Any + Send + Sync>,
}

/// Shows whether anything has changed since. Take it before you read rows for the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generation(u64);

impl Default for RegistryCache {
    fn default() -> Self {
        Self { rows: Cache::new(ROWS_MAX), generation: AtomicU64::default() }
    }
}

impl RegistryCache {
    /// The rows with these keys, if all were read recently and nothing has changed since.
    pub(super) fn get_all<N: Any + Clone>(&self, keys: &[i32]) -> Option<Vec<N>> {
        let (now, generation) = (Instant::now(), self.generation());
        let row = |key: &i32| {
            let entry = self.rows.get(&(TypeId::of::<N>(), *key))?;
            let is_fresh = entry.generation == generation && now - entry.read < TIME_TO_LIVE;
            is_fresh.then(|| entry.row.downcast_ref().cloned()).flatten()
        };
        keys.iter().map(row).collect()
    }

    /// Call it before rows are read.
    pub(super) fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::Acquire))
    }

    /// Stores rows that were read since `generation`.
    pub(super) fn put<N: Any + Send + Sync>(&self, generation: Generation, found: impl Iterator<Item = (i32, N)>) {
        let read = Instant::now();
        for (key, row) in found {
            self.rows.insert((TypeId::of::<N>(), key), Entry { read, generation, row: Arc::new(row) });
        }
    }

    /// Removes all rows, and prevents the storing of rows that are being read: some may have changed.
    pub fn forget(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::RegistryCache;

    #[test]
    fn rows_read_before_a_change_are_not_cached() {
        let cache = RegistryCache::default();
        let before = cache.generation();
        cache.put(before, [(1, "one"), (2, "two")].into_iter());
        assert_eq!(cache.get_all(&[2, 1]), Some(vec!["two", "one"]));
        assert_eq!(cache.get_all::<&str>(&[1, 3]), None, "not all are there");
        assert_eq!(cache.get_all::<String>(&[1]), None, "of another type");
        cache.forget();
        assert_eq!(cache.get_all::<&str>(&[1]), None);
        cache.put(before, [(1, "one")].into_iter());
        assert_eq!(cache.get_all::<&str>(&[1]), None, "read before the change, stored after it");
        cache.put(cache.generation(), [(1, "new")].into_iter());
        assert_eq!(cache.get_all(&[1]), Some(vec!["new"]));
    }
}
