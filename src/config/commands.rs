//! The commands except `serve`, with their arguments.

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
    /// Create, update or inspect the database schema.
    #[command(subcommand)]
    Migrate(MigrateCommand),
    /// Grant and revoke users' roles.
    #[command(subcommand)]
    Role(RoleCommand),
    /// Reset passwords.
    #[command(subcommand)]
    User(UserCommand),
    /// Show the status of the cluster, the servers and the database. The exit status is 1 if something is wrong.
    Status(StatusCommand),
    /// Print the effective settings, their sources and warnings. Passwords are hidden.
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
#[command(after_help = "--patroni-url, --monitor-url and --instances say where to look: see --help")]
pub struct StatusCommand {
    /// Refresh the status every 2 seconds, until the command is stopped.
    #[arg(long)]
    pub watch: bool,
    /// Print one JSON document, like /status.json; with --watch, one per line.
    #[arg(long)]
    pub json: bool,
    /// Where to look.
    #[command(flatten)]
    pub sources: StatusArgs,
}

/// The commands for the schema of a database.
#[derive(Debug, Subcommand)]
pub enum MigrateCommand {
    /// Apply the pending steps.
    Up {
        /// The database.
        #[command(flatten)]
        database: DatabaseArgs,
        /// The maximum number of steps to apply. The default is all.
        #[arg(long, value_name = "N", value_parser = number::<u32>(1..=1_000))]
        steps: Option<u32>,
        /// How long it waits for locks.
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// Revert the last steps and delete the data in their tables. Lists the data, and asks for confirmation.
    Down {
        /// The database.
        #[command(flatten)]
        database: DatabaseArgs,
        /// The number of steps.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = number::<u32>(1..=1_000))]
        steps: u32,
        /// Do not ask. Required without a terminal.
        #[arg(long)]
        yes: bool,
        /// How long it waits for locks.
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// List the steps and whether they are applied. Count stored texts that are invalid today.
    Status {
        /// The database.
        #[command(flatten)]
        database: DatabaseArgs,
        /// Exit with status 3 unless the schema is current and its indexes are built.
        #[arg(long)]
        exit_code: bool,
    },
    /// Enable features that only this release supports. Run it after all instances of the previous release stopped.
    Finish {
        /// The database.
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Record steps whose SQL was run by hand (psql -f), after checking their objects.
    Adopt {
        /// The database.
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

/// How long changes of the schema wait.
#[derive(Clone, Copy, Debug, Args)]
pub struct WaitArgs {
    /// How long a statement waits for a lock on PostgreSQL before a pause and a retry, in milliseconds. Requests that
    /// use the table wait as long: keep it below the server's --lock-timeout-ms.
    #[arg(long, value_name = "MS", default_value_t = u64::try_from(migration::LOCK_TIMEOUT.as_millis()).unwrap_or(u64::MAX),
          value_parser = number::<u64>(1..=3_600_000))]
    pub lock_timeout_ms: u64,
}

impl WaitArgs {
    /// The migration with these timeouts. It reports what it waits for to `tell`.
    pub fn migration<'a>(self, tell: &'a (dyn Fn(&str) + Sync)) -> Migration<'a> {
        Migration { lock_timeout: Duration::from_millis(self.lock_timeout_ms), tell, ..Migration::default() }
    }
}

/// The commands for roles. Each change is in the audit log.
#[derive(Debug, Subcommand)]
pub enum RoleCommand {
    /// Grant a role to a user.
    Grant(RoleArgs),
    /// Revoke a role from a user.
    Revoke(RoleArgs),
}

/// The user and the role.
#[derive(Clone, Debug, Args)]
pub struct RoleArgs {
    /// The user's name or e-mail address.
    #[arg(value_name = "USER")]
    pub user: String,
    /// The role.
    #[arg(value_name = "ROLE")]
    pub role: RoleArg,
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// A role above a member's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    /// Changes the catalogue and other users' content.
    Editor,
    /// Also changes roles and deletes accounts.
    Admin,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Editor => Self::Editor,
            RoleArg::Admin => Self::Admin,
        }
    }
}

/// The commands for users.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Set a user's password, and end all their sessions. The password is one line of standard input. If that is a
    /// terminal or empty, a random password is generated and printed.
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
