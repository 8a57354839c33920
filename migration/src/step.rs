//! The steps in order, each with its SQL for both databases.

use sea_orm_migration::migrator::MigratorTraitSelf;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

use crate::indexes;

/// One step of the schema: SQL that makes it and SQL that takes it back, per database.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The files' common name, recorded in `seaql_migrations`.
    pub name: &'static str,
    /// Its SQL for PostgreSQL. Indexes on large tables may follow at the end, each as `CREATE INDEX CONCURRENTLY`.
    pub postgres: StepScript,
    /// Its SQL for SQLite.
    pub sqlite: StepScript,
}

/// The SQL of a step for one database.
#[derive(Clone, Copy, Debug)]
pub struct StepScript {
    /// Makes it.
    pub up: &'static str,
    /// Takes it back.
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

/// Every step, oldest first. A released step never changes: what follows is a new one.
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
    step!("0017_publication_deletions"),
];

/// Whether a step of this name is one of ours.
pub(crate) fn is_known(name: &str) -> bool {
    STEPS.iter().any(|step| step.name == name)
}

impl Step {
    /// The SQL that makes this step on `backend`.
    pub fn up_sql(&self, backend: DbBackend) -> &'static str {
        self.script(backend).up
    }

    fn script(&self, backend: DbBackend) -> StepScript {
        if backend == DbBackend::Sqlite { self.sqlite } else { self.postgres }
    }
}

impl MigrationName for Step {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, indexes::split(self.up_sql(manager.get_database_backend())).0).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, self.script(manager.get_database_backend()).down).await
    }
}

async fn run(manager: &SchemaManager<'_>, sql: &str) -> Result<(), DbErr> {
    manager.get_connection().execute_unprepared(sql).await?;
    Ok(())
}

/// Steps as sea-orm-migration wants them.
#[derive(Debug)]
pub(crate) struct Migrator<'a>(pub(crate) &'a [Step]);

impl MigratorTraitSelf for Migrator<'_> {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        self.0.iter().map(|step| Box::new(*step) as Box<dyn MigrationTrait>).collect()
    }
}
