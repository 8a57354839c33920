//! Fills SQLite: one connection, prepared inserts of many rows, one transaction for each step.
//!
//! Triggers and deferred indexes are dropped and created again in the step's transaction, so they always exist when
//! it ends. A step is therefore never half done, and two seeders with the same parameters only share the work.

mod insert;

use sea_orm::DbBackend;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

use crate::error::SeedError;
use crate::parameters::Parameters;
use crate::run::ALL_DONE;
use crate::target::{Load, StepMark, Target};
use crate::watch::{SeedEvent, Watch};

/// A SQLite file that is being filled.
pub struct Sqlite(SqliteConnection);

impl Sqlite {
    /// Opens the file.
    ///
    /// # Errors
    /// `Sql` if that fails.
    pub async fn open(options: &SqliteConnectOptions) -> Result<Self, SeedError> {
        // 64 MB instead of 2: the rest is written to the log during the step.
        let options = options.clone().pragma("cache_size", "-65536");
        Ok(Self(SqliteConnection::connect_with(&options).await?))
    }

    /// Refuses rows with invalid references, since foreign keys were off during the load.
    async fn check_keys(&mut self, table: &str) -> Result<(), SeedError> {
        let sql = format!(r#"SELECT "table" FROM pragma_foreign_key_check('{table}') LIMIT 1"#);
        match sqlx::query(AssertSqlSafe(sql)).fetch_optional(&mut self.0).await? {
            None => Ok(()),
            Some(_) => Err(SeedError::Keys { table: table.to_owned() }),
        }
    }

    async fn fill(&mut self, load: &Load) -> Result<u64, SeedError> {
        let step = load.step;
        // Take the write lock immediately: upgrading a read lock later fails if another process has written
        // meanwhile.
        self.0.execute("BEGIN IMMEDIATE").await?;
        let sql = "INSERT INTO seeding_steps (name, parameters) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let noted = sqlx::query(sql).bind(step.name).bind(&load.parameters).execute(&mut self.0).await?;
        if noted.rows_affected() == 0 {
            let sql = "SELECT parameters FROM seeding_steps WHERE name = $1";
            let theirs: String = sqlx::query_scalar(sql).bind(step.name).fetch_one(&mut self.0).await?;
            self.0.execute("ROLLBACK").await?;
            // Another seeder was faster.
            return if theirs == load.parameters { Ok(0) } else { Err(other_parameters(&theirs, &load.parameters)) };
        }
        let dropped = self.drop_objects(step.table, load.defer_indexes).await?;
        let mut rows = 0;
        for chunk in step.chunks(&load.world) {
            let stored = insert::store(&mut self.0, step, &load.world, chunk.groups).await?;
            for side in step.sides {
                sqlx::query(side.sqlite).bind(chunk.ids.0).bind(chunk.ids.1).execute(&mut self.0).await?;
            }
            load.watch.note(SeedEvent::Stored(stored));
            rows += stored;
        }
        let of = dropped.len() as u64;
        for (done, sql) in (1..).zip(dropped) {
            self.0.execute(AssertSqlSafe(sql)).await?;
            if load.defer_indexes {
                load.watch.note(SeedEvent::Restored(done, of));
            }
        }
        for sql in (step.finish)(&load.world, DbBackend::Sqlite) {
            self.0.execute(AssertSqlSafe(sql)).await?;
        }
        if load.defer_indexes {
            for table in std::iter::once(step.table).chain(step.sides.iter().map(|side| side.table)) {
                self.check_keys(table).await?;
            }
        }
        let sql = "UPDATE seeding_steps SET rows = $2,
            finished_at = replace(strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'), '.000+', '+') WHERE name = $1";
        sqlx::query(sql).bind(step.name).bind(i64::try_from(rows).unwrap_or(i64::MAX)).execute(&mut self.0).await?;
        self.0.execute("COMMIT").await?;
        Ok(rows)
    }

    /// Drops the triggers of a table, and its indexes if they are deferred. Returns the statements that create them
    /// again, in order. Keys in the table's definition stay.
    async fn drop_objects(&mut self, table: &str, with_indexes: bool) -> Result<Vec<String>, SeedError> {
        let sql = "SELECT type, name, sql FROM sqlite_schema
            WHERE tbl_name = $1 AND sql IS NOT NULL AND (type = 'trigger' OR type = 'index' AND $2) ORDER BY rowid";
        let found = sqlx::query(sql).bind(table).bind(with_indexes).fetch_all(&mut self.0).await?;
        let mut definitions = Vec::with_capacity(found.len());
        for row in found {
            let (kind, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            definitions.push(row.try_get(2)?);
            self.0.execute(AssertSqlSafe(format!(r#"DROP {kind} "{name}""#))).await?;
        }
        Ok(definitions)
    }
}

/// Refuses to mix the rows of two seeds.
fn other_parameters(theirs: &str, ours: &str) -> SeedError {
    match (Parameters::from_text(theirs), Parameters::from_text(ours)) {
        (Some(began), Some(requested)) => {
            SeedError::OtherParameters { began: Box::new(began), requested: Box::new(requested) }
        }
        _ => SeedError::Marks(theirs.to_owned()),
    }
}

impl Target for Sqlite {
    async fn marks(&mut self) -> Result<Vec<StepMark>, SeedError> {
        let sql = "SELECT name, parameters, finished_at IS NOT NULL FROM seeding_steps ORDER BY name";
        let rows = sqlx::query(sql).fetch_all(&mut self.0).await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            Ok(StepMark { name: row.try_get(0)?, parameters: row.try_get(1)?, finished: row.try_get(2)? })
        };
        rows.iter().map(read).collect()
    }

    async fn has_rows(&mut self, table: &'static str) -> Result<bool, SeedError> {
        let sql = AssertSqlSafe(format!(r#"SELECT EXISTS (SELECT 1 FROM "{table}")"#));
        Ok(sqlx::query_scalar(sql).fetch_one(&mut self.0).await?)
    }

    async fn drop_deferred(&mut self, defer_indexes: bool) -> Result<(), SeedError> {
        if defer_indexes {
            self.0.execute("PRAGMA foreign_keys = OFF").await?;
        }
        Ok(())
    }

    async fn load(&mut self, load: Load) -> Result<u64, SeedError> {
        let outcome = self.fill(&load).await;
        if outcome.is_err() {
            // After some errors the transaction is already rolled back, and this fails.
            let _ = self.0.execute("ROLLBACK").await;
        }
        outcome
    }

    async fn restore(&mut self, _: &dyn Watch) -> Result<u64, SeedError> {
        self.0.execute("PRAGMA foreign_keys = ON").await?;
        Ok(0)
    }

    async fn tidy(&mut self, parameters: &str) -> Result<(), SeedError> {
        // Without statistics SQLite chooses indexes badly.
        self.0.execute("ANALYZE").await?;
        let sql = "INSERT INTO seeding_steps (name, parameters, finished_at)
            VALUES ($1, $2, replace(strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'), '.000+', '+')) ON CONFLICT DO NOTHING";
        sqlx::query(sql).bind(ALL_DONE).bind(parameters).execute(&mut self.0).await?;
        // The log keeps the size of the largest step until it is truncated.
        self.0.execute("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        Ok(())
    }

    async fn close(self) -> Result<(), SeedError> {
        Ok(self.0.close().await?)
    }
}
