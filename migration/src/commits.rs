//! What SQLite has really committed.
//!
//! SQLite rolls a transaction back by itself when its disk is full, its files cannot be read or written, or a
//! statement is interrupted. sqlx-sqlite 0.9 does not notice: it still counts a transaction as open, and its next
//! `BEGIN` is a `SAVEPOINT` that nobody commits. Any further statement would commit by itself. SQLite's own hooks
//! tell what happens: after a rollback they let nothing more be committed until the connection is acquired anew,
//! and a [`Receipt`] says whether a transaction was committed. The pool closes connections with a transaction that
//! is counted and not there: see [`connect`](crate::connect).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm_migration::sea_orm::DbErr;
use sqlx::sqlite::SqliteConnection;

/// What the one connection for changes to a SQLite file does. Cloning is cheap. On PostgreSQL there is nothing
/// to watch: a commit that fails says so.
#[derive(Clone, Debug, Default)]
pub struct Commits(Option<Arc<Mutex<SharedUse>>>);

/// What a connection and its hooks share. A new connection has its own: an old one may still be ending.
type SharedUse = Arc<Mutex<Use>>;

/// One use of the connection, from its acquisition to its release.
#[derive(Debug, Default)]
struct Use {
    rolled_back: bool,
    receipt: Option<Arc<AtomicBool>>,
    /// It is not to be used again.
    spoiled: bool,
}

/// Tells whether a transaction was committed.
#[derive(Debug, Default)]
pub struct Receipt(Option<Arc<AtomicBool>>);

impl Commits {
    /// Watches the connection of a pool that has no more than one.
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

    /// Begins another use of the connection, unless it is spoiled.
    pub(crate) fn begin_use(&self) -> bool {
        let Some(current) = &self.0 else { return true };
        let current = lock(current);
        let mut current = lock(&current);
        if !current.spoiled {
            *current = Use::default();
        }
        !current.spoiled
    }

    /// Whether the connection is to be closed.
    pub(crate) fn is_spoiled(&self) -> bool {
        self.0.as_ref().is_some_and(|current| lock(&lock(current)).spoiled)
    }

    /// Has the connection closed at its release, or at the latest when it would be used again: something that
    /// must not fail has failed. One that was opened while the file could not be written never writes.
    pub fn spoil(&self) {
        if let Some(current) = &self.0 {
            lock(&lock(current)).spoiled = true;
        }
    }

    /// The receipt of the transaction that the caller has just begun.
    pub fn receipt(&self) -> Receipt {
        Receipt(self.0.as_ref().map(|current| {
            let committed = Arc::default();
            lock(&lock(current)).receipt = Some(Arc::clone(&committed));
            committed
        }))
    }
}

impl Use {
    /// The hook of a commit: refusing makes it a rollback, and the statement fails.
    fn allow_commit(&mut self) -> bool {
        if self.rolled_back {
            return false;
        }
        if let Some(receipt) = &self.receipt {
            receipt.store(true, Ordering::Release);
        }
        true
    }

    /// A commit that fails halfway is a rollback too.
    fn note_rollback(&mut self) {
        self.rolled_back = true;
        if let Some(receipt) = &self.receipt {
            receipt.store(false, Ordering::Release);
        }
    }
}

impl Receipt {
    /// Passes if the transaction was committed.
    ///
    /// # Errors
    /// SQLite has not committed it, whatever the driver says.
    pub fn confirm(&self) -> Result<(), DbErr> {
        match &self.0 {
            Some(committed) if !committed.load(Ordering::Acquire) => {
                Err(DbErr::Custom("SQLite has not committed a transaction that the driver takes for committed".into()))
            }
            _ => Ok(()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
