//! Every setting with its flag, environment variable, default and unit.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use chrono::TimeDelta;
use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use migration::Migration;
use migration::connect::{DatabaseUrl, PoolSettings};

use crate::account::{AccountServices, Passwords, SessionChanges, Throttle};
use crate::db;
use crate::feed;
use crate::http::{Limits, Origin};
use crate::kit::changes::WriteRates;
use crate::rate::{self, Rate};
use crate::telemetry::LogFormat;
use crate::viewer::Role;

/// A GraphQL API server for an online film library.
///
/// Started without a command it serves: on SQLite in ./kinoteka.db, at
/// http://127.0.0.1:8000/graphql, with an IDE at http://127.0.0.1:8000/. Add --demo for a catalogue to look at.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do; `serve` if left out.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The settings of `serve`.
    #[command(flatten)]
    pub serve: ServeArgs,
}

const EXAMPLES: &str = "Examples:
  kinoteka --demo
      fill an empty ./kinoteka.db with a demo catalogue and serve it
  kinoteka migrate up --database-url postgres://kinoteka@localhost/kinoteka
      create or update the schema
  kinoteka serve --database-url postgres://kinoteka@localhost/kinoteka --log-format json
      serve from PostgreSQL, logs for a collector";

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
    /// Print the GraphQL schema in SDL.
    Schema,
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
        #[arg(long, value_name = "N")]
        steps: Option<u32>,
        /// How long it waits for locks.
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// Take back the last steps, with the data in their tables.
    Down {
        /// The database.
        #[command(flatten)]
        database: DatabaseArgs,
        /// How many steps.
        #[arg(long, value_name = "N", default_value_t = 1)]
        steps: u32,
        /// How long it waits for locks.
        #[command(flatten)]
        waiting: WaitArgs,
    },
    /// List the steps and whether the database has them. Count texts that the API would not write now.
    Status {
        /// The database.
        #[command(flatten)]
        database: DatabaseArgs,
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
          value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
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

/// Which database.
#[derive(Clone, Debug, Args)]
pub struct DatabaseArgs {
    /// The database: postgres://user:password@host:port/database or sqlite://file?mode=rwc.
    #[arg(
        long,
        env = "DATABASE_URL",
        hide_env_values = true,
        value_name = "URL",
        default_value = "sqlite://kinoteka.db?mode=rwc"
    )]
    pub database_url: String,

    /// When SQLite's commits reach the disk: `normal` soon afterwards, so that a power failure may take back the
    /// last ones; `full` before they are acknowledged. A crash of the server alone loses nothing either way.
    #[arg(long, env = "KINOTEKA_SQLITE_SYNCHRONOUS", value_name = "WHEN", default_value = "normal")]
    pub sqlite_synchronous: Synchronous,
}

/// When SQLite's commits reach the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Synchronous {
    /// At the next checkpoint at the latest.
    Normal,
    /// Before they are acknowledged.
    Full,
}

impl DatabaseArgs {
    /// The database's URL, parsed.
    ///
    /// # Errors
    /// The flag and what is wrong.
    pub fn url(&self) -> anyhow::Result<DatabaseUrl> {
        let url = db::parse_url("--database-url", &self.database_url)?;
        Ok(match self.sqlite_synchronous {
            Synchronous::Normal => url,
            Synchronous::Full => url.synchronous(),
        })
    }
}

/// The settings of `serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// A replica of PostgreSQL that queries read from, and from the database above while it is away; without it they
    /// read from the database above.
    #[arg(long, env = "DATABASE_READ_URL", hide_env_values = true, value_name = "URL")]
    pub database_read_url: Option<String>,

    /// Connections to each database at most.
    #[arg(long, env = "KINOTEKA_DATABASE_CONNECTIONS", value_name = "N", default_value_t = 8,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub database_connections: u32,

    /// How long a request waits for a free connection, in milliseconds.
    #[arg(long, env = "KINOTEKA_ACQUIRE_TIMEOUT_MS", value_name = "MS", default_value_t = 5_000,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub acquire_timeout_ms: u64,

    /// How long a statement waits for a lock that another transaction holds, in milliseconds; at most half of
    /// --request-timeout-ms.
    #[arg(long, env = "KINOTEKA_LOCK_TIMEOUT_MS", value_name = "MS", default_value_t = 2_000,
          value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub lock_timeout_ms: u64,

    /// The address to listen on. Port 0 takes any free one; the log names it.
    #[arg(long, env = "KINOTEKA_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    pub listen: SocketAddr,

    /// A further address, for operators: /metrics moves there, /livez and /readyz are on both.
    #[arg(long, env = "KINOTEKA_METRICS_LISTEN", value_name = "ADDRESS")]
    pub metrics_listen: Option<SocketAddr>,

    /// Update the schema at the start. Always on for SQLite; without it a stale PostgreSQL
    /// schema is refused.
    #[arg(long, env = "KINOTEKA_MIGRATE", value_parser = BoolishValueParser::new())]
    pub migrate: bool,

    /// Migrate, fill an empty database with a demo catalogue, and serve. A database that holds
    /// rows is served as it is.
    #[arg(long, env = "KINOTEKA_DEMO", value_parser = BoolishValueParser::new())]
    pub demo: bool,

    /// Switch off what is for development: introspection, suggestions in error messages, the IDE.
    #[arg(long, env = "KINOTEKA_PRODUCTION", value_parser = BoolishValueParser::new())]
    pub production: bool,

    /// Whether clients may read the schema by introspection, and whether errors suggest names from
    /// it. If left out, they do unless --production is set.
    #[arg(long, env = "KINOTEKA_INTROSPECTION", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub introspection: Option<bool>,

    /// Sites whose pages may ask from a browser, by commas: https://films.example.
    #[arg(long, env = "KINOTEKA_CORS_ORIGINS", value_name = "ORIGINS", value_delimiter = ',')]
    pub cors_origins: Vec<Origin>,

    /// Proxies whose X-Forwarded-For is believed, as networks, by commas: 10.0.0.0/8. Others' is
    /// ignored.
    #[arg(long, env = "KINOTEKA_TRUSTED_PROXIES", value_name = "NETWORKS", value_delimiter = ',')]
    pub trusted_proxies: Vec<IpNet>,

    /// Whether / serves the IDE; if left out, it does unless --production is set.
    #[arg(long, env = "KINOTEKA_IDE", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub ide: Option<bool>,

    /// How long what happened to comments is kept for subscribers who come back, in hours.
    #[arg(long, env = "KINOTEKA_FEED_RETENTION_HOURS", value_name = "HOURS", default_value_t = 168,
          value_parser = clap::value_parser!(u32).range(1..=87_600))]
    pub feed_retention_hours: u32,

    /// How long new comments of other writers, such as psql, may go unnoticed, in milliseconds.
    #[arg(long, env = "KINOTEKA_FEED_POLL_MS", value_name = "MS", default_value_t = 100,
          value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub feed_poll_ms: u64,

    /// How long the server goes on as before after SIGTERM, while /readyz says that it stops, in milliseconds: so long
    /// fronts may take to notice. If left out, 5000 with --production, else 0.
    #[arg(long, env = "KINOTEKA_DRAIN_MS", value_name = "MS")]
    pub drain_ms: Option<u64>,

    /// How long running requests may take to finish after that, in milliseconds.
    #[arg(long, env = "KINOTEKA_SHUTDOWN_GRACE_MS", value_name = "MS", default_value_t = 10_000)]
    pub shutdown_grace_ms: u64,

    /// How log lines look.
    #[arg(long, env = "KINOTEKA_LOG_FORMAT", value_name = "FORMAT", default_value = "pretty")]
    pub log_format: LogFormat,

    /// What is logged: a level (error, warn, info, debug, trace) or tracing's filter
    /// directives, such as info,kinoteka=debug.
    #[arg(
        long,
        env = "KINOTEKA_LOG",
        value_name = "FILTER",
        default_value = "info,sqlx=warn,sqlx_core::pool=off,sea_orm_migration=warn"
    )]
    pub log_filter: String,

    /// Accounts and sessions.
    #[command(flatten)]
    pub accounts: AccountArgs,

    /// Limits of requests.
    #[command(flatten)]
    pub limits: Limits,
}

/// The settings of accounts and sessions.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Accounts")]
pub struct AccountArgs {
    /// How long a session lives after it was last seen, in hours.
    #[arg(long, env = "KINOTEKA_SESSION_HOURS", value_name = "HOURS", default_value_t = 720,
          value_parser = clap::value_parser!(u32).range(1..=87_600))]
    pub session_hours: u32,

    /// How long a session that was looked up is known without asking the database again, in milliseconds: for so long,
    /// requests may still pass whose session or role another instance has ended. 0 asks for each request.
    #[arg(long, env = "KINOTEKA_SESSION_CACHE_MS", value_name = "MS", default_value_t = 1_000,
          value_parser = clap::value_parser!(u64).range(..=1_000))]
    pub session_cache_ms: u64,

    /// How passwords are hashed.
    #[command(flatten)]
    pub hashing: HashArgs,

    /// Passwords that are hashed at once; if left out, as many as half of the processors, one at
    /// least.
    #[arg(long, env = "KINOTEKA_PASSWORDS_AT_ONCE", value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub passwords_at_once: Option<u16>,

    /// Log-ins that wait for their turn at most; further ones are told to come back.
    #[arg(long, env = "KINOTEKA_PASSWORDS_WAITING", value_name = "N", default_value_t = 64)]
    pub passwords_waiting: u16,

    /// Of these, from one client's network address at most.
    #[arg(long, env = "KINOTEKA_PASSWORDS_WAITING_PER_CLIENT", value_name = "N", default_value_t = 16)]
    pub passwords_waiting_per_client: u16,

    /// Sign-ups and new e-mail addresses of users from one client's network address in an hour, whatever becomes of
    /// them.
    #[arg(long, env = "KINOTEKA_SIGNUPS_PER_ADDRESS", value_name = "N", default_value_t = 30,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    pub signups_per_address: u32,

    /// Mutations of one user in a minute. Without a session, of one client's network address. Editors and admins
    /// have no limit.
    #[arg(long, env = "KINOTEKA_MUTATIONS_PER_USER", value_name = "N", default_value_t = 600,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    pub mutations_per_user: u32,

    /// Idempotency keys of one user in an hour that were not sent before. Without a session, of one client's network
    /// address. Editors and admins have no limit.
    #[arg(long, env = "KINOTEKA_IDEMPOTENCY_KEYS_PER_USER", value_name = "N", default_value_t = 1_000,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    pub idempotency_keys_per_user: u32,

    /// Failed log-ins to an account from an address in 15 minutes; ten times as many to an account
    /// from all addresses, and from an address to all accounts.
    #[arg(long, env = "KINOTEKA_LOGIN_FAILURES", value_name = "N", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub login_failures: u32,
}

/// How dear it is to try out passwords, by argon2id: the defaults are what OWASP advises.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Accounts")]
pub struct HashArgs {
    /// Memory that hashing a password takes, in KiB. A hash made with less is replaced when its
    /// user logs in.
    #[arg(long, env = "KINOTEKA_PASSWORD_MEMORY_KIB", value_name = "KIB", default_value_t = 19_456,
          value_parser = clap::value_parser!(u32).range(8..=1_048_576))]
    pub password_memory_kib: u32,

    /// How often hashing a password passes over that memory. A hash made with less is replaced too.
    #[arg(long, env = "KINOTEKA_PASSWORD_PASSES", value_name = "N", default_value_t = 2,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    pub password_passes: u32,
}

impl HashArgs {
    /// Hashes `at_once` passwords at the same time, while as many as `waiting` wait, and of one client
    /// `waiting_per_client`.
    ///
    /// # Errors
    /// argon2id refuses the settings.
    pub fn open(&self, at_once: u64, waiting: u64, waiting_per_client: u64) -> anyhow::Result<Passwords> {
        Passwords::new(self.password_memory_kib, self.password_passes, at_once, waiting, waiting_per_client)
            .context("--password-memory-kib, --password-passes")
    }
}

impl AccountArgs {
    /// What log-ins need.
    ///
    /// # Errors
    /// Passwords cannot be hashed so.
    pub fn open(&self) -> anyhow::Result<AccountServices> {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let at_once = self.passwords_at_once.map_or((processors as u64 / 2).max(1), u64::from);
        let waiting = u64::from(self.passwords_waiting);
        let passwords = self.hashing.open(at_once, waiting, self.passwords_waiting_per_client.into())?;
        let throttle = Throttle::new(self.login_failures);
        let too_many = "too many sign-ups or new e-mail addresses from your address";
        let names = rate::RateNames { limit: "signups-per-address", too_many };
        let signups = Rate::new(names, self.signups_per_address, Duration::from_secs(3_600));
        let session_lifetime = TimeDelta::hours(i64::from(self.session_hours));
        Ok(AccountServices {
            passwords,
            throttle,
            signups,
            session_lifetime,
            session_changes: SessionChanges::new(Duration::from_millis(self.session_cache_ms)),
        })
    }

    /// How much users may change.
    pub fn writes(&self) -> WriteRates {
        let names = rate::RateNames { limit: "mutations-per-user", too_many: "too many mutations" };
        let mutations = Rate::new(names, self.mutations_per_user, Duration::from_secs(60));
        let names = rate::RateNames { limit: "idempotency-keys-per-user", too_many: "too many new idempotency keys" };
        let keys = Rate::new(names, self.idempotency_keys_per_user, Duration::from_secs(3_600));
        WriteRates { mutations, keys }
    }
}

impl ServeArgs {
    /// Whether the schema may be read.
    pub fn introspection(&self) -> bool {
        self.introspection.unwrap_or(!self.production)
    }

    /// Whether there are pages for people.
    pub fn ide(&self) -> bool {
        self.ide.unwrap_or(!self.production)
    }

    /// How long fronts may take to notice that the server stops.
    pub fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms.unwrap_or(if self.production { 5_000 } else { 0 }))
    }

    /// The feed's settings.
    pub fn feed(&self) -> feed::FeedSettings {
        feed::FeedSettings {
            pause: Duration::from_millis(self.feed_poll_ms),
            retention: Duration::from_secs(u64::from(self.feed_retention_hours) * 3_600),
        }
    }

    /// The pools' settings.
    pub fn pool(&self) -> PoolSettings {
        PoolSettings {
            connections_max: self.database_connections,
            acquire_timeout: Duration::from_millis(self.acquire_timeout_ms),
        }
    }
}
