//! What SQLite has really committed.
//!
//! SQLite rolls a transaction back by itself when its disk is full, its files cannot be read or written, or a
//! statement is interrupted. sqlx-sqlite 0.9 does not notice: it still counts an open transaction, and its next
//! `BEGIN` is a
//! `SAVEPOINT` that is never committed. Any further statement would commit by itself. SQLite's hooks report what
//! happens: after a rollback they allow no commit until the connection is acquired again, and a [`Receipt`] shows
//! whether a transaction was committed. The pool closes connections whose counted transaction does not exist: see
//! [`connect`](crate::connect).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm_migration::sea_orm::DbErr;
use sqlx::sqlite::SqliteConnection;

/// The state of the one connection that changes a SQLite file. Clones share it. Empty on PostgreSQL, where a failed
/// commit is an error.
#[derive(Clone, Debug, Default)]
pub struct Commits(Option<Arc<Mutex<SharedUse>>>);

/// Shared by a connection and its hooks. A new connection has its own, since an old one may still be closing.
type SharedUse = Arc<Mutex<ConnectionUse>>;

/// One use of the connection, from acquisition to release.
#[derive(Debug, Default)]
struct ConnectionUse {
    rolled_back: bool,
    receipt: Option<Arc<AtomicBool>>,
    /// The connection must not be used again.
    spoiled: bool,
}

/// Shows whether a transaction was committed.
#[derive(Debug, Default)]
pub struct Receipt(Option<Arc<AtomicBool>>);

impl Commits {
    /// Watches the connection of a pool of size one.
    pub(crate) fn watched() -> Self {
        Self(Some(Arc::default()))
    }

    /// Sets the hooks of a new connection.
    pub(crate) async fn watch(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let Some(current) = &self.0 else { return Ok(()) };
        let shared = SharedUse::default();
        let mut handle = connection.lock_handle().await?;
        let committing = Arc::clone(&shared);
        handle.set_commit_hook(move || lock(&committing).allow_commit());
        let rolling_back = Arc::clone(&shared);
        handle.set_rollback_hook(move || lock(&rolling_back).note_rollback());
        *lock(current) = shared;
        Ok(())
    }

    /// Starts another use of the connection, unless it is spoiled.
    pub(crate) fn begin_use(&self) -> bool {
        let Some(current) = &self.0 else { return true };
        let current = lock(current);
        let mut current = lock(&current);
        if !current.spoiled {
            *current = ConnectionUse::default();
        }
        !current.spoiled
    }

    /// Whether the connection must be closed.
    pub(crate) fn is_spoiled(&self) -> bool {
        self.0.as_ref().is_some_and(|current| lock(&lock(current)).spoiled)
    }

    /// Closes the connection at its release, or before its next use: an operation has failed that must not. A
    /// connection that was opened while the file could not be written never writes.
    pub fn spoil(&self) {
        if let Some(current) = &self.0 {
            lock(&lock(current)).spoiled = true;
        }
    }

    /// The receipt of the transaction that the caller has just started.
    pub fn receipt(&self) -> Receipt {
        Receipt(self.0.as_ref().map(|current| {
            let committed = Arc::default();
            lock(&lock(current)).receipt = Some(Arc::clone(&committed));
            committed
        }))
    }
}

impl ConnectionUse {
    /// The commit hook. A refusal makes it a rollback, and the statement fails.
    fn allow_commit(&mut self) -> bool {
        if self.rolled_back {
            return false;
        }
        if let Some(receipt) = &self.receipt {
            receipt.store(true, Ordering::Release);
        }
        true
    }

    /// A commit that fails halfway is a rollback, too.
    fn note_rollback(&mut self) {
        self.rolled_back = true;
        if let Some(receipt) = &self.receipt {
            receipt.store(false, Ordering::Release);
        }
    }
}

impl Receipt {
    /// Succeeds if the transaction was committed.
    ///
    /// # Errors
    /// SQLite has not committed it, although the driver reports success.
    pub fn confirm(&self) -> Result<(), DbErr> {
        match &self.0 {
            Some(committed) if !committed.load(Ordering::Acquire) => {
                Err(DbErr::Custom("SQLite has not committed a transaction, although the driver reports success".into()))
            }
            _ => Ok(()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
