//! The commands beside `serve`, with their arguments.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use migration::Migration;
use settings::number;

use super::{DatabaseArgs, HashArgs, ServeArgs, StatusArgs};
use crate::viewer::Role;

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the API (the default).
    Serve(Box<ServeArgs>),
    /// Create, update or look at the database schema.
    #[command(subcommand)]
    Migrate(MigrateCommand),
    /// Give users roles, and take them back.
    #[command(subcommand)]
    Role(RoleCommand),
    /// Help users with their accounts.
    #[command(subcommand)]
    User(UserCommand),
    /// Show how the cluster, the servers and the database are. Exits with 1 if something is wrong.
    Status(StatusCommand),
    /// Print the settings in force and where each comes from, with warnings. Passwords are hidden.
    Config {
        /// The settings of `serve`.
        #[command(flatten)]
        serve: Box<ServeArgs>,
        /// Print a reference of all flags and variables as Markdown instead.
        #[arg(long)]
        markdown: bool,
    },
    /// Print the GraphQL schema in SDL.
    Schema,
}

/// How the status is shown.
#[derive(Clone, Debug, Args)]
pub struct StatusCommand {
    /// Show it anew every 2 seconds, until the command is ended.
    #[arg(long)]
    pub watch: bool,
    /// Print one JSON document, as /status.json does; with --watch, one a line.
    #[arg(long)]
    pub json: bool,
    /// Where to look.
    #[command(flatten)]
    pub sources: StatusArgs,
}

/// What can be done with the schema of a database.
#[derive(Debug, Subcommand)]
pub enum MigrateCommand {
    /// Apply the pending steps.
    Up {
        /// The database.
        #[command(flatten)]
        database: DatabaseArgs,
        /// Apply at most this many steps; all if left out.
        #[arg(long, value_name = "N", value_parser = number::<u32>(0..=1_000))]
        steps: Option<u32>,
        /// How long it waits for locks.
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// Take back the last steps, with the data in their tables. Says what is deleted, and asks.
    Down {
        /// The database.
        #[command(flatten)]
        database: DatabaseArgs,
        /// How many steps.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = number::<u32>(0..=1_000))]
        steps: u32,
        /// Do not ask. Without a terminal, the steps are taken back only with this flag.
        #[arg(long)]
        yes: bool,
        /// How long it waits for locks.
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// List the steps and whether the database has them. Count texts that the API would not write now.
    Status {
        /// The database.
        #[command(flatten)]
        database: DatabaseArgs,
        /// Exit with status 3 unless the schema is current and its indexes are built.
        #[arg(long)]
        exit_code: bool,
    },
    /// Take into use what only this release understands. Run it when every instance of the release before has been stopped.
    Finish {
        /// The database.
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Record steps whose SQL was run by hand (psql -f), after checking that they are there.
    Adopt {
        /// The database.
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

/// How long changes of the schema wait.
#[derive(Clone, Copy, Debug, Args)]
pub struct WaitArgs {
    /// How long a statement waits for a lock on PostgreSQL before it is tried again after a pause, in milliseconds.
    /// Requests that use the table wait as long: keep it below the server's --lock-timeout-ms.
    #[arg(long, value_name = "MS", default_value_t = u64::try_from(migration::LOCK_TIMEOUT.as_millis()).unwrap_or(u64::MAX),
          value_parser = number::<u64>(1..=3_600_000))]
    pub lock_timeout_ms: u64,
}

impl WaitArgs {
    /// The migration that waits so, and says what it waits for.
    pub fn migration<'a>(self, tell: &'a (dyn Fn(&str) + Sync)) -> Migration<'a> {
        Migration { lock_timeout: Duration::from_millis(self.lock_timeout_ms), tell, ..Migration::default() }
    }
}

/// What can be done with roles. Each change is in the audit log.
#[derive(Debug, Subcommand)]
pub enum RoleCommand {
    /// Give a user a role.
    Grant(RoleArgs),
    /// Take a role from a user.
    Revoke(RoleArgs),
}

/// Whose role, and which.
#[derive(Clone, Debug, Args)]
pub struct RoleArgs {
    /// The user's name or e-mail address.
    #[arg(value_name = "USER")]
    pub user: String,
    /// The role.
    #[arg(value_name = "ROLE")]
    pub role: GivenRole,
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// A role beyond that of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GivenRole {
    /// Changes the catalogue, and what others have written.
    Editor,
    /// Changes roles too, and removes accounts.
    Admin,
}

impl From<GivenRole> for Role {
    fn from(role: GivenRole) -> Self {
        match role {
            GivenRole::Editor => Self::Editor,
            GivenRole::Admin => Self::Admin,
        }
    }
}

/// What operators can do for users.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Give a user a new password, and end all their sessions. It is read from standard input, one
    /// line; if that is a terminal or empty, a random one is made and printed.
    ResetPassword {
        /// The user's name or e-mail address.
        #[arg(value_name = "USER")]
        user: String,
        /// How passwords are hashed.
        #[command(flatten)]
        hashing: HashArgs,
        /// The database.
        #[command(flatten)]
        database: DatabaseArgs,
    },
}
