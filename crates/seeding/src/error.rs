//! Errors of a seed, with remedies.

use migration::SchemaState;

use crate::parameters::Parameters;

/// Why a seed did not start or stopped.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The database's schema is missing, outdated, or newer than the program.
    #[error("{0}")]
    Schema(SchemaState),
    /// The database contains data.
    #[error(
        "the database is not empty: table {table} has rows; seed an empty database, \
         or empty this one: kinoteka migrate down --steps 99, then kinoteka migrate up"
    )]
    NotEmpty {
        /// The first table with a row.
        table: &'static str,
    },
    /// The rows of a seed were removed by hand, but its notes were not.
    #[error(
        "this database was seeded and then emptied by hand: empty it completely: kinoteka migrate down --steps 99, \
         then kinoteka migrate up"
    )]
    Emptied,
    /// An earlier, unfinished run had other parameters.
    #[error(
        "an unfinished seed of this database was started with other flags: {}; continue with the same flags ({began}), \
         or empty the database: kinoteka migrate down --steps 99, then kinoteka migrate up", .began.differences(.requested)
    )]
    OtherParameters {
        /// The parameters of the unfinished run.
        began: Box<Parameters>,
        /// The parameters of this run.
        requested: Box<Parameters>,
    },
    /// The notes of an earlier run cannot be read.
    #[error("table seeding_steps has a row that this program did not write: {0}")]
    Marks(String),
    /// The numbers contradict each other.
    #[error("{0}")]
    Sizes(String),
    /// A step did not finish.
    #[error("{step} stopped: {reason}; finished steps are kept: start again with the same flags to continue")]
    Step {
        /// The step's name.
        step: &'static str,
        /// The cause.
        reason: Box<SeedError>,
    },
    /// Objects that were dropped for the load are not restored yet.
    #[error("{reason}; triggers or indexes are still missing: run `seeder restore`, or start the seed again")]
    NotRestored {
        /// The cause.
        reason: Box<SeedError>,
    },
    /// The database is neither PostgreSQL nor SQLite.
    #[error("only PostgreSQL and SQLite can be seeded")]
    Backend,
    /// A column has a type that the bulk load cannot write.
    #[error("table {table} has a column of a type that the seeder cannot write")]
    Value {
        /// The table.
        table: &'static str,
    },
    /// Rows have invalid references: a bug of the seeder.
    #[error("table {table} has rows with references to missing rows")]
    Keys {
        /// The table.
        table: String,
    },
    /// A thread of the load panicked: a bug of the seeder.
    #[error("a thread of the load failed: {0}")]
    Thread(#[from] tokio::task::JoinError),
    /// The password of the demo accounts could not be hashed.
    #[error("the password of the demo accounts cannot be hashed: {0}")]
    Hash(String),
    /// An error of the database, from sea-orm.
    #[error("the database refused: {0}")]
    Database(#[from] sea_orm::DbErr),
    /// An error of the database.
    #[error("{}", explain(.0))]
    Sql(#[from] sqlx::Error),
}

/// The cause of a common error, and the remedy.
fn explain(error: &sqlx::Error) -> String {
    let sqlx::Error::Database(refusal) = error else {
        return format!("the connection to the database was lost: {error}");
    };
    let remedy = match refusal.code().map(|code| primary(&code)).as_deref() {
        Some("53100" | "13") => "its disk is full: make room",
        // SQLite also reports this when its index of the write-ahead log does not fit.
        Some("10") => "it cannot read or write its files: make room on the disk, or check the disk",
        Some("53200") => "it is out of memory: use fewer --jobs",
        Some("53300") => "it has no free connections: use fewer --jobs",
        Some("42501") => "this role lacks a permission: seed as the owner of the tables",
        Some("55P03" | "5" | "6") => "another program holds the database: stop the server during the load",
        Some("57P01" | "57P02" | "57P03") => "it is starting or stopping: wait for it",
        Some("25006" | "8") => "it is read-only: name the leader, or make the file writable",
        _ => return format!("the database refused: {refusal}"),
    };
    format!("the database refused ({refusal}): {remedy}")
}

/// SQLite's codes are numbers with the primary code in the low byte: <https://sqlite.org/rescode.html>. PostgreSQL's
/// codes have five characters.
fn primary(code: &str) -> String {
    match code.parse::<u16>() {
        Ok(number) if code.len() < 5 => (number & 0xff).to_string(),
        _ => code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart() {
        let codes = ["53100", "13", "4874", "517", "57P01"].map(primary);
        assert_eq!(codes, ["53100", "13", "10", "5", "57P01"]);
    }
}
