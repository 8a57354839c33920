//! Fills PostgreSQL with several connections, each with its own `COPY`.
//!
//! - `load`: makes rows and stores them.
//! - `dropped`: drops triggers, indexes and foreign keys, and restores them.
//!
//! Rows contain their ids. `COPY` stores them even in `GENERATED ALWAYS` columns; the sequences are advanced
//! afterwards.

mod dropped;
mod load;

use sea_orm::DbBackend;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

use crate::error::SeedError;
use crate::run::ALL_DONE;
use crate::steps::STEPS;
use crate::target::{Load, StepMark, Target};
use crate::watch::{SeedEvent, Watch};

/// Serialises seeders, so that two cannot both find an empty database. The number is arbitrary, but only this program
/// uses it.
const SEED_LOCK: i64 = 0x6b69_6e6f_7365_6564;

/// Shared by the connections that load. Those of a killed seeder may be active a little longer than the one that held
/// [`SEED_LOCK`], so the next seeder waits for them, too.
const WORK_LOCK: i64 = SEED_LOCK + 1;

/// Settings of our connections. Limits for requests do not apply. A commit need not wait for the disk: a crash loses
/// the last commits in order, with their notes. A backend without a client stops within a second. `jit` costs more
/// than it saves.
const SETTINGS: &str = "SELECT set_config('statement_timeout', '0', false),
    set_config('idle_in_transaction_session_timeout', '0', false),
    set_config('lock_timeout', '60s', false),
    set_config('synchronous_commit', 'off', false),
    set_config('client_connection_check_interval', '1s', false),
    set_config('maintenance_work_mem', '256MB', false),
    set_config('jit', 'off', false)";

/// A PostgreSQL database that is being filled.
pub struct Postgres {
    options: PgConnectOptions,
    /// Holds the seeders' lock; runs one statement at a time.
    control: PgConnection,
    /// One connection for each job.
    workers: Vec<PgConnection>,
}

impl Postgres {
    /// Connects, and waits until no other seeder is running.
    ///
    /// # Errors
    /// `Sql` if the database cannot be reached.
    pub async fn open(options: &PgConnectOptions, jobs: usize, watch: &dyn Watch) -> Result<Self, SeedError> {
        let options = options.clone().application_name("kinoteka seeder");
        let mut control = connect(&options).await?;
        let lock = "SELECT pg_try_advisory_lock($1)";
        if !sqlx::query_scalar(lock).bind(SEED_LOCK).fetch_one(&mut control).await? {
            watch.note(SeedEvent::Waiting);
            // Not limited by lock_timeout: another seed may take long.
            control.execute("SET lock_timeout = 0").await?;
            sqlx::query("SELECT pg_advisory_lock($1)").bind(SEED_LOCK).execute(&mut control).await?;
            control.execute(SETTINGS).await?;
        }
        sqlx::query("SELECT pg_advisory_lock($1), pg_advisory_unlock($1)")
            .bind(WORK_LOCK)
            .execute(&mut control)
            .await?;
        let mut workers = Vec::with_capacity(jobs);
        for _ in 0..jobs.max(1) {
            workers.push(connect_worker(&options).await?);
        }
        Ok(Self { options, control, workers })
    }

    async fn reconnect(&mut self) -> Result<(), SeedError> {
        for worker in &mut self.workers {
            *worker = connect_worker(&self.options).await?;
        }
        Ok(())
    }
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, SeedError> {
    let mut connection = PgConnection::connect_with(options).await?;
    connection.execute(SETTINGS).await?;
    Ok(connection)
}

async fn connect_worker(options: &PgConnectOptions) -> Result<PgConnection, SeedError> {
    let mut connection = connect(options).await?;
    sqlx::query("SELECT pg_advisory_lock_shared($1)").bind(WORK_LOCK).execute(&mut connection).await?;
    Ok(connection)
}

impl Target for Postgres {
    async fn marks(&mut self) -> Result<Vec<StepMark>, SeedError> {
        let sql = "SELECT name, parameters, finished_at IS NOT NULL FROM seeding_steps ORDER BY name";
        let rows = sqlx::query(sql).fetch_all(&mut self.control).await?;
        let read = |row: &sqlx::postgres::PgRow| {
            Ok(StepMark { name: row.try_get(0)?, parameters: row.try_get(1)?, finished: row.try_get(2)? })
        };
        rows.iter().map(read).collect()
    }

    async fn has_rows(&mut self, table: &'static str) -> Result<bool, SeedError> {
        let sql = AssertSqlSafe(format!(r#"SELECT EXISTS (SELECT FROM "{table}")"#));
        Ok(sqlx::query_scalar(sql).fetch_one(&mut self.control).await?)
    }

    async fn drop_deferred(&mut self, defer_indexes: bool) -> Result<(), SeedError> {
        dropped::restore(&mut self.control, dropped::TRIGGERS).await?;
        if defer_indexes {
            return dropped::drop_indexes(&mut self.control).await;
        }
        self.restore(&|_: SeedEvent| {}).await.map(|_| ())
    }

    async fn load(&mut self, load: Load) -> Result<u64, SeedError> {
        let step = load.step;
        let mut begin = self.control.begin().await?;
        let sql = "INSERT INTO seeding_steps (name, parameters) VALUES ($1, $2)
            ON CONFLICT (name) DO UPDATE SET started_at = now()";
        sqlx::query(sql).bind(step.name).bind(&load.parameters).execute(&mut *begin).await?;
        dropped::drop_triggers(&mut begin, step).await?;
        if load.begun {
            // Tables of later steps refer to this one, so they are empty or unfinished, too.
            let tables = std::iter::once(step.table).chain(step.sides.iter().map(|side| side.table));
            let tables: Vec<_> = tables.map(|table| format!(r#""{table}""#)).collect();
            begin.execute(AssertSqlSafe(format!("TRUNCATE {} CASCADE", tables.join(", ")))).await?;
        }
        begin.commit().await?;

        let rows = match load::load(&mut self.workers, &load).await {
            Ok(rows) => rows,
            Err(error) => {
                // The other connections were stopped during a COPY. If the server is down, their next
                // use reports it.
                let _ = self.reconnect().await;
                return Err(error);
            }
        };

        let mut end = self.control.begin().await?;
        dropped::restore(&mut end, dropped::TRIGGERS).await?;
        for sql in (step.finish)(&load.world, DbBackend::Postgres) {
            end.execute(AssertSqlSafe(sql)).await?;
        }
        if (step.columns)().contains(&"id") {
            let table = step.table;
            let sql = format!(
                r#"SELECT setval(pg_get_serial_sequence('"{table}"', 'id'), coalesce(max(id), 0) + 1, false) FROM "{table}""#
            );
            end.execute(AssertSqlSafe(sql)).await?;
        }
        let sql = "UPDATE seeding_steps SET finished_at = clock_timestamp(), rows = $2 WHERE name = $1";
        sqlx::query(sql).bind(step.name).bind(i64::try_from(rows).unwrap_or(i64::MAX)).execute(&mut *end).await?;
        end.commit().await?;
        Ok(rows)
    }

    async fn restore(&mut self, watch: &dyn Watch) -> Result<u64, SeedError> {
        dropped::restore_all(&mut self.control, &mut self.workers, watch).await
    }

    async fn tidy(&mut self, parameters: &str) -> Result<(), SeedError> {
        let mut tables: Vec<&str> = STEPS.iter().map(|step| step.table).collect();
        tables.extend(STEPS.iter().flat_map(|step| step.sides).map(|side| side.table));
        tables.push("rating_totals");
        let mut statements = Vec::new();
        for table in tables {
            let size = AssertSqlSafe(format!(r#"SELECT pg_total_relation_size('"{table}"')"#));
            let bytes: i64 = sqlx::query_scalar(size).fetch_one(&mut self.control).await?;
            // Statistics help the planner, the visibility map speeds up counts, and pending entries
            // of GIN indexes are sorted in.
            statements.push((bytes, format!(r#"VACUUM (ANALYZE) "{table}""#)));
        }
        statements.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        let statements = statements.into_iter().map(|(_, sql)| sql).collect();
        load::execute_all(&mut self.workers, statements, &|| {}).await?;
        let sql = "INSERT INTO seeding_steps (name, parameters, finished_at) VALUES ($1, $2, now())";
        sqlx::query(sql).bind(ALL_DONE).bind(parameters).execute(&mut self.control).await?;
        Ok(())
    }

    async fn close(self) -> Result<(), SeedError> {
        let mut closed = self.control.close().await;
        for worker in self.workers {
            closed = closed.and(worker.close().await);
        }
        Ok(closed?)
    }
}
