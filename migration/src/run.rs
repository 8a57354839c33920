//! Applies and reverts steps while programs use the database.

use std::time::Duration;

use sea_orm_migration::migrator::MigratorTraitSelf as _;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, Statement};

use crate::step::Migrator;
use crate::waiting::{self, is_blocked};
use crate::{STEPS, SchemaState, Step, are_tolerated, begin_alone, indexes, order, read_applied};

/// How steps are applied and reverted.
#[derive(Clone, Copy)]
pub struct Migration<'a> {
    /// The known steps.
    pub steps: &'a [Step],
    /// How long a statement waits for a lock (PostgreSQL). Meanwhile other users of the table queue behind it.
    pub lock_timeout: Duration,
    /// The pauses before retrying to get a lock. After the last one, the migration fails.
    pub pauses: &'a [Duration],
    /// Called with messages about locks and long operations.
    pub tell: &'a (dyn Fn(&str) + Sync),
}

/// Shorter than the server's own timeout, so that its requests do not fail behind a waiting step.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// Two minutes in total.
const PAUSES: &[Duration] = &[
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_secs(60),
];

/// The direction, with the maximum number of steps.
#[derive(Clone, Copy, Debug)]
enum Direction {
    Up(Option<u32>),
    Down(u32),
}

impl std::fmt::Debug for Migration<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Migration").field("lock_timeout", &self.lock_timeout).finish_non_exhaustive()
    }
}

impl Default for Migration<'_> {
    fn default() -> Self {
        Self { steps: STEPS, lock_timeout: LOCK_TIMEOUT, pauses: PAUSES, tell: &|_| {} }
    }
}

impl Migration<'_> {
    /// Applies the pending steps, at most `limit`, and returns their names.
    ///
    /// All steps run in one transaction under a lock, so that several processes may call this simultaneously: the
    /// first does the work, the others find nothing to do. If there is nothing to do, neither the right to change
    /// the schema nor the leader is needed. Indexes with `CONCURRENTLY` are built afterwards, including those of an
    /// interrupted call.
    ///
    /// # Errors
    /// Any error of the database. Nothing is changed then, unless only an index is missing.
    pub async fn up(&self, db: &DatabaseConnection, limit: Option<u32>) -> Result<Vec<String>, DbErr> {
        let known = read_applied(db).await?;
        let mut applied = Vec::new();
        if self.steps.iter().any(|step| !known.iter().any(|name| name == step.name)) {
            let (before, after) = self.change(db, Direction::Up(limit)).await?;
            applied = after;
            applied.retain(|name| !before.contains(name));
        } else {
            self.refuse_unknown(db, known).await?;
        }
        indexes::build(db, self.steps, self.pauses, self.tell).await?;
        Ok(applied)
    }

    /// Reverts the last `limit` steps with their data, and returns their names, last first.
    ///
    /// # Errors
    /// Any error of the database; nothing is changed then.
    pub async fn down(&self, db: &DatabaseConnection, limit: u32) -> Result<Vec<String>, DbErr> {
        let (before, after) = self.change(db, Direction::Down(limit)).await?;
        Ok(before.into_iter().rev().filter(|name| !after.contains(name)).collect())
    }

    /// The indexes of applied steps that are missing or invalid; [`up`](Self::up) builds them. Changes nothing.
    ///
    /// # Errors
    /// The database's catalogue cannot be read.
    pub async fn unfinished_indexes(&self, db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
        let unfinished = indexes::list_unfinished(db, self.steps).await?;
        Ok(unfinished.into_iter().map(|index| index.name.to_owned()).collect())
    }

    /// Refuses a database with steps that this program cannot work with.
    async fn refuse_unknown(&self, db: &DatabaseConnection, mut known: Vec<String>) -> Result<(), DbErr> {
        known.retain(|name| self.steps.iter().all(|step| step.name != *name));
        if known.is_empty() || are_tolerated(db, &known).await? {
            return Ok(());
        }
        Err(DbErr::Migration(SchemaState::Ahead(known).to_string()))
    }

    /// The recorded steps before and after.
    async fn change(&self, db: &DatabaseConnection, direction: Direction) -> Result<(Vec<String>, Vec<String>), DbErr> {
        for pause in self.pauses {
            match self.try_change(db, direction).await {
                Err(error) if is_blocked(&error) => {
                    (self.tell)(&format!(
                        "a lock was not free within {:?}; trying again in {pause:?}",
                        self.lock_timeout
                    ));
                    tokio::time::sleep(*pause).await;
                }
                outcome => return outcome,
            }
        }
        self.try_change(db, direction).await.map_err(|error| {
            if is_blocked(&error) {
                return DbErr::Migration(format!(
                    "other sessions hold locks that the steps need; nothing was changed: {error}"
                ));
            }
            error
        })
    }

    async fn try_change(
        &self,
        db: &DatabaseConnection,
        direction: Direction,
    ) -> Result<(Vec<String>, Vec<String>), DbErr> {
        let txn = begin_alone(db).await?;
        let before = read_applied(&txn).await?;
        let migrator = Migrator(self.steps);
        let work = async {
            match direction {
                Direction::Up(limit) => migrator.up(&txn, limit).await,
                Direction::Down(limit) => migrator.down(&txn, Some(limit)).await,
            }
        };
        match limit_waiting(&txn, self.lock_timeout).await? {
            Some(process) => waiting::watch(db, process, self.tell, work).await?,
            None => work.await?,
        }
        let after = read_applied(&txn).await?;
        if before.is_empty() {
            order::finish(&txn).await?;
        }
        txn.commit().await?;
        Ok((before, after))
    }
}

/// Limits how long a transaction waits for a lock, and returns its server process (PostgreSQL).
async fn limit_waiting(txn: &DatabaseTransaction, timeout: Duration) -> Result<Option<i32>, DbErr> {
    if txn.get_database_backend() != DbBackend::Postgres {
        return Ok(None);
    }
    let sql = "SELECT pg_backend_pid() FROM set_config('lock_timeout', $1, true)";
    let timeout = timeout.as_millis().max(1).to_string();
    let row = txn.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, [timeout.into()])).await?;
    row.map(|row| row.try_get_by_index(0)).transpose()
}
