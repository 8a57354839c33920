//! Why a seed can fail, in words that say what to do.

use migration::SchemaState;

use crate::parameters::Parameters;

/// Why a seed did not start, or stopped.
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
    /// Rows of a seed were removed by hand, and what it noted was not.
    #[error(
        "this database was seeded and then emptied by hand: empty it whole: kinoteka migrate down --steps 99, \
         then kinoteka migrate up"
    )]
    Emptied,
    /// An earlier run, unfinished, had other parameters.
    #[error(
        "an unfinished seed of this database was begun otherwise: {}; go on with the same flags ({began}), \
         or empty the database: kinoteka migrate down --steps 99, then kinoteka migrate up", .began.differences(.asked)
    )]
    OtherParameters {
        /// Those of the run that did not finish.
        began: Box<Parameters>,
        /// Those asked for now.
        asked: Box<Parameters>,
    },
    /// The marks of an earlier run cannot be read.
    #[error("table seeding_steps holds what this program has not written: {0}")]
    Marks(String),
    /// Numbers that cannot go together.
    #[error("{0}")]
    Sizes(String),
    /// A step did not finish.
    #[error("{step} stopped: {reason}; what was finished before is kept: start again with the same flags to go on")]
    Step {
        /// The step's name.
        step: &'static str,
        /// What stopped it.
        reason: Box<SeedError>,
    },
    /// What was taken away for the load is not back yet.
    #[error(
        "{reason}; triggers or indexes are still away: `seeder restore` brings them back, and so does starting again"
    )]
    NotRestored {
        /// What came in the way.
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
    /// Rows point nowhere: a fault of the seeder.
    #[error("table {table} has rows that refer to no other")]
    Keys {
        /// The table.
        table: String,
    },
    /// A thread of the load did not end well: a fault of the seeder.
    #[error("a thread of the load failed: {0}")]
    Thread(#[from] tokio::task::JoinError),
    /// The password of the demo accounts could not be hashed.
    #[error("the password of the demo accounts cannot be hashed: {0}")]
    Hash(String),
    /// The database refused, seen through sea-orm.
    #[error("the database refused: {0}")]
    Database(#[from] sea_orm::DbErr),
    /// The database refused.
    #[error("{}", explain(.0))]
    Sql(#[from] sqlx::Error),
}

/// What stands behind the usual refusals, and what to do.
fn explain(error: &sqlx::Error) -> String {
    let sqlx::Error::Database(refusal) = error else {
        return format!("the database went away: {error}");
    };
    let remedy = match refusal.code().map(|code| primary(&code)).as_deref() {
        Some("53100" | "13") => "its disk is full: make room",
        // SQLite says so too when there is no room for its index of what is not in the file yet.
        Some("10") => "it cannot read or write its files: make room on the disk, or see whether it is in order",
        Some("53200") => "its memory is short: try fewer --jobs",
        Some("53300") => "it has no connection left: try fewer --jobs",
        Some("42501") => "this role may not: seed as the owner of the tables",
        Some("55P03" | "5" | "6") => "another program holds the database: stop the server for the time of the load",
        Some("57P01" | "57P02" | "57P03") => "it is being stopped or started: wait for it",
        Some("25006" | "8") => "it takes no writes: name the primary, or make the file writable",
        _ => return format!("the database refused: {refusal}"),
    };
    format!("the database refused ({refusal}): {remedy}")
}

/// SQLite's codes are numbers, the primary one in the low byte: <https://sqlite.org/rescode.html>. Those of
/// PostgreSQL have five places.
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
