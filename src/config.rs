//! Every setting with its flag, environment variable, default and unit.

use std::net::SocketAddr;
use std::time::Duration;

use chrono::TimeDelta;
use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;
use migration::connect::PoolSettings;

use crate::feed;
use crate::http::{Limits, Origin};
use crate::telemetry::LogFormat;

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
    },
    /// Take back the last steps, with the data in their tables.
    Down {
        /// The database.
        #[command(flatten)]
        database: DatabaseArgs,
        /// How many steps.
        #[arg(long, value_name = "N", default_value_t = 1)]
        steps: u32,
    },
    /// List the steps and whether the database has them.
    Status {
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
}

/// The settings of `serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// A replica that queries read from; without it they read from the database above.
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
    /// it; if left out, they do unless --production is set.
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

    /// How long running requests may take to finish after SIGTERM, in milliseconds.
    #[arg(long, env = "KINOTEKA_SHUTDOWN_GRACE_MS", value_name = "MS", default_value_t = 10_000)]
    pub shutdown_grace_ms: u64,

    /// How log lines look.
    #[arg(long, env = "KINOTEKA_LOG_FORMAT", value_name = "FORMAT", default_value = "pretty")]
    pub log_format: LogFormat,

    /// What is logged: a level (error, warn, info, debug, trace) or tracing's filter
    /// directives, such as info,kinoteka=debug.
    #[arg(long, env = "KINOTEKA_LOG", value_name = "FILTER", default_value = "info,sqlx=warn,sea_orm_migration=warn")]
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
}

impl AccountArgs {
    /// How long a session lives after it was last seen.
    pub fn session_lifetime(&self) -> TimeDelta {
        TimeDelta::hours(i64::from(self.session_hours))
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

    /// The feed's settings.
    pub fn feed(&self) -> feed::Settings {
        feed::Settings {
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
