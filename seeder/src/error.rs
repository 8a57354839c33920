//! Why a seed can fail.

use migration::SchemaState;

/// Why nothing was seeded. Whatever the reason, the database is as it was.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The database's schema is missing, stale, or of a newer program.
    #[error("{0}")]
    Schema(SchemaState),
    /// The database has data already.
    #[error(
        "the database is not empty: table {table} has rows; seed an empty database, \
         or empty this one: kinoteka migrate down --steps 99, then kinoteka migrate up"
    )]
    NotEmpty {
        /// The first table with a row.
        table: &'static str,
    },
    /// The database is neither PostgreSQL nor SQLite.
    #[error("only PostgreSQL and SQLite can be seeded")]
    Backend,
    /// A column has a type that the bulk load cannot write.
    #[error("column {table}.{column} has a type that the seeder cannot write")]
    Value {
        /// The column's table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// The database refused.
    #[error("the database refused: {0}")]
    Database(#[from] sea_orm::DbErr),
    /// The database refused, seen below sea-orm.
    #[error("the database refused: {0}")]
    Copy(#[from] sqlx::Error),
}
