//! The transaction of a change: it is committed completely or not at all.
//!
//! After a failed statement, no other statement of the change runs, and it cannot be committed. PostgreSQL enforces
//! that itself, but then treats `COMMIT` as `ROLLBACK` and reports no error. SQLite may have ended the transaction, so
//! that another statement would be committed alone.

use std::sync::atomic::{AtomicBool, Ordering};

use migration::connect::Writer;
use migration::{Commits, Receipt, begin};
use sea_orm::prelude::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement, TransactionTrait,
};

/// A transaction, or a savepoint in one. It is rolled back on drop.
#[derive(Debug)]
pub struct Transaction {
    inner: DatabaseTransaction,
    commits: Commits,
    receipt: Receipt,
    failed: AtomicBool,
}

impl Transaction {
    /// Begins a transaction.
    ///
    /// # Errors
    /// The database failed.
    pub async fn begin(writer: &Writer) -> Result<Self, DbErr> {
        let commits = writer.commits.clone();
        let inner = begin(&writer.db).await.inspect_err(|_| commits.spoil())?;
        let receipt = commits.receipt();
        Ok(Self { inner, commits, receipt, failed: AtomicBool::new(false) })
    }

    /// Begins a savepoint. If it fails, roll it back before its transaction continues.
    ///
    /// # Errors
    /// The database failed.
    pub async fn begin_savepoint(&self) -> Result<Self, DbErr> {
        self.check()?;
        let inner = self.note(self.inner.begin().await)?;
        // Durability is up to the transaction.
        Ok(Self { inner, commits: Commits::default(), receipt: Receipt::default(), failed: AtomicBool::new(false) })
    }

    /// Commits the change.
    ///
    /// # Errors
    /// A statement has failed, or the database did not commit.
    pub async fn commit(self) -> Result<(), DbErr> {
        self.check()?;
        self.inner.commit().await.inspect_err(|_| self.commits.spoil())?;
        self.receipt.confirm()
    }

    /// Rolls back the change.
    ///
    /// # Errors
    /// The database failed. The connection is then not used again.
    pub async fn rollback(self) -> Result<(), DbErr> {
        self.inner.rollback().await
    }

    fn check(&self) -> Result<(), DbErr> {
        if self.failed.load(Ordering::Acquire) {
            return Err(DbErr::Custom("an earlier statement of this transaction has failed".to_owned()));
        }
        Ok(())
    }

    fn note<T>(&self, outcome: Result<T, DbErr>) -> Result<T, DbErr> {
        if outcome.is_err() {
            self.failed.store(true, Ordering::Release);
        }
        outcome
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.check()?;
        self.note(self.inner.execute_raw(statement).await)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.check()?;
        self.note(self.inner.execute_unprepared(sql).await)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.check()?;
        self.note(self.inner.query_one_raw(statement).await)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.check()?;
        self.note(self.inner.query_all_raw(statement).await)
    }
}
