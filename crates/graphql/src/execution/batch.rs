//! Batches: look-ups by key from concurrent requests share one statement.
//!
//! A batch starts when all ready callers have joined; it does not wait for a timer if there is nothing else to do.
//! Two statements of a kind run concurrently. Meanwhile the keys of other requests form the next batch, which waits
//! for two milliseconds at most. So 32 requests for an object by its id need a few statements under load, and the
//! number of statements of one request does not depend on the machine.
//!
//! If the caller that reads is cancelled, another caller of the batch reads the same keys.

mod found;

use std::any::TypeId;
use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OnceCell, Semaphore};
use tokio::time::timeout;

use self::found::FoundBatch;
pub use self::found::{FoundRows, SharedRows};
use crate::describe::Columns;

/// Maximum number of concurrent statements of one kind. Keys that come meanwhile wait for the next one: the higher
/// the load, the larger the batches.
const RUNNING_MAX: usize = 2;

/// How long a statement waits for others of its kind.
const PATIENCE: Duration = Duration::from_millis(2);

/// Maximum number of keys in a statement.
const KEYS_MAX: usize = 50_000;

/// Maximum number of kinds of statements before idle ones are removed.
const GROUPS_MAX: usize = 1_000;

/// Collects keys into batches. `E` is the error of a batch for all its callers; each caller chooses its message for
/// clients. `S` identifies a statement with everything that its result depends on, such as the viewer.
pub struct Batches<S, E> {
    groups: Mutex<BatchGroups<S, E>>,
}

/// Groups by the type of their values and their statement.
type BatchGroups<S, E> = HashMap<(TypeId, S), Arc<BatchGroup<E>>>;

struct BatchGroup<E> {
    running: Semaphore,
    open: Mutex<Option<Arc<OpenBatch<E>>>>,
}

/// A batch: the keys of several callers, and the result.
struct OpenBatch<E> {
    wanted: Mutex<RowRequest>,
    found: OnceCell<Result<FoundBatch, E>>,
}

impl<E> Default for OpenBatch<E> {
    fn default() -> Self {
        Self { wanted: Mutex::default(), found: OnceCell::new() }
    }
}

/// The rows and columns of a look-up.
#[derive(Clone, Default)]
struct RowRequest {
    keys: Vec<i32>,
    columns: Columns,
}

impl<S: Eq + Hash + Clone, E: Clone> Batches<S, E> {
    /// Creates it without statements.
    #[must_use]
    pub fn new() -> Self {
        Self { groups: Mutex::default() }
    }

    /// The result of `read` for `keys` and for the keys of other callers of the same statement.
    ///
    /// # Errors
    /// The error of `read`, which all callers of the batch get.
    pub async fn read<V, R>(&self, statement: &S, keys: &[i32], read: impl FnOnce(Vec<i32>) -> R) -> Result<Arc<V>, E>
    where
        V: Send + Sync + 'static,
        R: Future<Output = Result<V, E>>,
    {
        self.read_columns((statement, None), keys, 0, |keys, _| read(keys)).await
    }

    /// The same for rows: `read` returns all columns that any caller wants. They may come from `shared` rows.
    ///
    /// # Errors
    /// The error of `read`.
    #[expect(clippy::expect_used, reason = "a group has values of one type")]
    pub async fn read_columns<V, R>(
        &self,
        (statement, shared): (&S, Option<&SharedRows<S>>),
        keys: &[i32],
        columns: Columns,
        read: impl FnOnce(Vec<i32>, Columns) -> R,
    ) -> Result<Arc<V>, E>
    where
        V: Send + Sync + 'static,
        R: Future<Output = Result<V, E>>,
    {
        let of_one_type = "values of the statement's type";
        let mut columns = columns;
        if let Some(SharedRows { rows, since }) = shared {
            match rows.find(&(TypeId::of::<V>(), statement.clone()), (keys, columns), *since) {
                Ok(values) => return Ok(values.downcast().expect(of_one_type)),
                Err(wanted) => columns = wanted,
            }
        }
        let group = self.group(TypeId::of::<V>(), statement);
        let gathering = {
            let mut open = lock(&group.open);
            // Full, or all callers are gone and nobody needs the keys.
            let is_over = |gathering: &mut Arc<OpenBatch<E>>| {
                Arc::strong_count(gathering) == 1 || lock(&gathering.wanted).keys.len() + keys.len() > KEYS_MAX
            };
            let gathering = match open.take_if(is_over) {
                Some(_) => open.insert(Arc::default()),
                None => open.get_or_insert_with(Arc::default),
            };
            let mut wanted = lock(&gathering.wanted);
            wanted.keys.extend_from_slice(keys);
            wanted.columns |= columns;
            drop(wanted);
            Arc::clone(gathering)
        };
        let start = async || {
            // Callers at the same level of the response join before the first continues.
            tokio::task::yield_now().await;
            let _running = match group.running.try_acquire() {
                Ok(running) => Some(running),
                // Slow statements delay others no longer than this. The semaphore is never closed.
                Err(_) => timeout(PATIENCE, group.running.acquire()).await.ok().and_then(Result::ok),
            };
            {
                let mut open = lock(&group.open);
                if open.as_ref().is_some_and(|open| Arc::ptr_eq(open, &gathering)) {
                    *open = None;
                }
            }
            // A copy: if this caller is cancelled, another one reads the same keys.
            let RowRequest { mut keys, columns } = lock(&gathering.wanted).clone();
            keys.sort_unstable();
            keys.dedup();
            let (of, started) = (keys.as_slice().into(), Instant::now());
            read(keys, columns).await.map(|found| FoundBatch { keys: of, columns, started, values: Arc::new(found) })
        };
        let found = gathering.found.get_or_init(start).await.clone()?;
        if let Some(SharedRows { rows, .. }) = shared {
            rows.add((TypeId::of::<V>(), statement.clone()), found.clone());
        }
        Ok(found.values.downcast().expect(of_one_type))
    }

    fn group(&self, of: TypeId, statement: &S) -> Arc<BatchGroup<E>> {
        let mut groups = lock(&self.groups);
        let key = (of, statement.clone());
        if let Some(group) = groups.get(&key) {
            return Arc::clone(group);
        }
        if groups.len() >= GROUPS_MAX {
            groups.retain(|_, group| Arc::strong_count(group) > 1);
        }
        let group = Arc::new(BatchGroup { running: Semaphore::new(RUNNING_MAX), open: Mutex::new(None) });
        groups.insert(key, Arc::clone(&group));
        group
    }
}

impl<S: Eq + Hash + Clone, E: Clone> Default for Batches<S, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, E> std::fmt::Debug for Batches<S, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Batches")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
