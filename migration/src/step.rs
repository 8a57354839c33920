//! The steps in order, each with its SQL for both databases.

use sea_orm_migration::migrator::MigratorTraitSelf;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// A step of the schema: SQL that applies and reverts it, for each database.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The common name of the files, recorded in `seaql_migrations`.
    pub name: &'static str,
    /// Its SQL for PostgreSQL. Indexes on large tables may follow at the end, each as `CREATE INDEX CONCURRENTLY`.
    pub postgres: StepScript,
    /// Its SQL for SQLite.
    pub sqlite: StepScript,
}

/// The SQL of a step for one database.
#[derive(Clone, Copy, Debug)]
pub struct StepScript {
    /// Applies it.
    pub up: &'static str,
    /// Reverts it.
    pub down: &'static str,
}

macro_rules! step {
    ($name:literal) => {
        Step { name: $name, postgres: script!("postgres", $name), sqlite: script!("sqlite", $name) }
    };
}

macro_rules! script {
    ($folder:literal, $name:literal) => {
        StepScript {
            up: include_str!(concat!("../sql/", $folder, "/", $name, ".up.sql")),
            down: include_str!(concat!("../sql/", $folder, "/", $name, ".down.sql")),
        }
    };
}

/// Every step, oldest first. A released step never changes: add a new one.
pub const STEPS: &[Step] = &[
    step!("0001_tables"),
    step!("0002_indexes"),
    step!("0003_reading"),
    step!("0004_rating_totals"),
    step!("0005_filters"),
    step!("0006_tombstones"),
    step!("0007_folded_texts"),
    step!("0008_search"),
    step!("0009_accounts"),
    step!("0010_comment_feed"),
    step!("0011_seeding"),
    step!("0012_names"),
    step!("0013_feed_row"),
    step!("0014_schema_steps"),
    step!("0015_comment_ticks"),
    step!("0016_publication_deletions"),
];

/// Whether a step with this name is known.
pub(crate) fn is_known(name: &str) -> bool {
    STEPS.iter().any(|step| step.name == name)
}

impl Step {
    /// The SQL that applies this step on `backend`.
    pub fn up_sql(&self, backend: DbBackend) -> &'static str {
        self.script(backend).up
    }

    /// The SQL that reverts this step on `backend`.
    pub fn down_sql(&self, backend: DbBackend) -> &'static str {
        self.script(backend).down
    }

    /// The indexes that are built after its transaction.
    pub(crate) fn indexes(&self, backend: DbBackend) -> Vec<ConcurrentIndex> {
        split(self.up_sql(backend)).1
    }

    fn script(&self, backend: DbBackend) -> StepScript {
        if backend == DbBackend::Sqlite { self.sqlite } else { self.postgres }
    }
}

/// An index that is built outside of a transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConcurrentIndex {
    pub(crate) name: &'static str,
    pub(crate) statement: &'static str,
}

const CREATE: &str = "CREATE INDEX CONCURRENTLY ";

/// Splits a script into the step's transaction and the indexes after it.
fn split(script: &'static str) -> (&'static str, Vec<ConcurrentIndex>) {
    let Some(start) = script.find(&format!("\n{CREATE}")) else { return (script, Vec::new()) };
    let (transaction, rest) = script.split_at(start);
    let indexes = rest.split(';').filter_map(|part| {
        let statement = &part[part.find(CREATE)?..];
        let name = statement[CREATE.len()..].split_whitespace().next()?;
        Some(ConcurrentIndex { name, statement })
    });
    (transaction, indexes.collect())
}

impl MigrationName for Step {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, split(self.up_sql(manager.get_database_backend())).0).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, self.down_sql(manager.get_database_backend())).await
    }
}

async fn run(manager: &SchemaManager<'_>, sql: &str) -> Result<(), DbErr> {
    manager.get_connection().execute_unprepared(sql).await?;
    Ok(())
}

/// The steps for sea-orm-migration.
#[derive(Debug)]
pub(crate) struct Migrator<'a>(pub(crate) &'a [Step]);

impl MigratorTraitSelf for Migrator<'_> {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        self.0.iter().map(|step| Box::new(*step) as Box<dyn MigrationTrait>).collect()
    }
}
