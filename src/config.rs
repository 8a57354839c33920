//! Every setting with its flag, environment variable, default and unit.

mod accounts;
mod commands;
mod effective;
mod reference;
mod status;

use std::net::SocketAddr;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, ValueEnum};
use ipnet::IpNet;
use migration::connect::{DatabaseUrl, PoolSettings};
use settings::{address, network, number, switch};

use crate::db;
use crate::feed;
use crate::http::{Limits, Origin};
use crate::telemetry::LogFormat;

pub use self::accounts::{AccountArgs, HashArgs};
pub use self::commands::{
    Command, MigrateCommand, RoleArg, RoleArgs, RoleCommand, StatusCommand, UserCommand, WaitArgs,
};
pub use self::effective::describe;
pub use self::reference::reference;
pub use self::status::StatusArgs;

/// A GraphQL API server for an online film library.
///
/// Started without a command it serves: on SQLite in ./kinoteka.db, at
/// http://127.0.0.1:8000/graphql, with an IDE at http://127.0.0.1:8000/. Add --demo for a demo catalogue.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Cli {
    /// The command. The default is `serve`.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The settings of `serve`.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// The flags that `-h` shows; `--help` shows all.
pub const COMMON_FLAGS: &[&str] = &[
    "database-url",
    "demo",
    "exit-code",
    "json",
    "listen",
    "log-format",
    "migrate",
    "production",
    "steps",
    "watch",
    "yes",
];

/// Variables with the prefix `KINOTEKA_` for other programs: the seeder, clients, builds and tests.
pub const OTHER_VARIABLES: &[&str] = &[
    "KINOTEKA_BIN",
    "KINOTEKA_CLUSTER",
    "KINOTEKA_CLUSTER_STATE",
    "KINOTEKA_CLUSTER_SUBNET",
    "KINOTEKA_COMMIT",
    "KINOTEKA_LOAD_PASSWORD",
    "KINOTEKA_LONG",
    "KINOTEKA_PG_BIN",
    "KINOTEKA_SERVER",
    "KINOTEKA_SERVERS",
    "KINOTEKA_TOKEN",
    "KINOTEKA_URL",
];

const EXAMPLES: &str = "Examples:
  kinoteka --demo
      fill an empty ./kinoteka.db with a demo catalogue and serve it
  kinoteka migrate up --database-url postgres://kinoteka@localhost/kinoteka
      create or update the schema
  kinoteka --database-url postgres://kinoteka@localhost/kinoteka
      serve from PostgreSQL";

/// The database.
#[derive(Clone, Debug, Args)]
pub struct DatabaseArgs {
    /// The database: postgres://user:password@host:port/database or sqlite://file?mode=rwc.
    ///
    /// KINOTEKA_DATABASE_URL works too, and has precedence over DATABASE_URL.
    #[arg(
        help_heading = "Database",
        long,
        env = "DATABASE_URL",
        hide_env_values = true,
        value_name = "URL",
        default_value = "sqlite://kinoteka.db?mode=rwc"
    )]
    pub database_url: String,

    /// When SQLite's commits reach the disk. `normal`: soon afterwards; a power failure may lose the last ones.
    /// `full`: before they are acknowledged. A crash of the server alone loses nothing with either.
    #[arg(
        long,
        help_heading = "Database",
        env = "KINOTEKA_SQLITE_SYNCHRONOUS",
        value_name = "WHEN",
        default_value = "normal"
    )]
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
    /// Parses the database's URL.
    ///
    /// # Errors
    /// The flag, and what is wrong.
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

    /// A PostgreSQL replica for queries. Queries read from --database-url while it is down, and if this is not set.
    /// KINOTEKA_DATABASE_READ_URL works too.
    #[arg(long, help_heading = "Database", env = "DATABASE_READ_URL", hide_env_values = true, value_name = "URL")]
    pub database_read_url: Option<String>,

    /// How long a query waits for a replica that lacks its session's changes, in milliseconds. Then it reads from
    /// --database-url.
    #[arg(long, help_heading = "Database", env = "KINOTEKA_REPLICA_WAIT_MS", value_name = "MS", default_value_t = 200,
          value_parser = number::<u64>(0..=1_000))]
    pub replica_wait_ms: u64,

    /// The maximum lag of a replica, in milliseconds. While it lags more, queries read from --database-url.
    #[arg(long, help_heading = "Database", env = "KINOTEKA_REPLICA_LAG_MAX_MS", value_name = "MS", default_value_t = 5_000,
          value_parser = number::<u64>(1_000..=50_000))]
    pub replica_lag_max_ms: u64,

    /// The maximum number of connections to each database.
    #[arg(long, help_heading = "Database", env = "KINOTEKA_DATABASE_CONNECTIONS", value_name = "N", default_value_t = 8,
          value_parser = number::<u32>(1..=1000))]
    pub database_connections: u32,

    /// How long a request waits for a free connection, in milliseconds.
    #[arg(long, help_heading = "Database",
          env = "KINOTEKA_ACQUIRE_TIMEOUT_MS", value_name = "MS", default_value_t = 5_000,
          value_parser = number::<u64>(1..=u64::MAX))]
    pub acquire_timeout_ms: u64,

    /// How long a statement waits for another transaction's lock, in milliseconds; at most half of
    /// --request-timeout-ms.
    #[arg(long, help_heading = "Database", env = "KINOTEKA_LOCK_TIMEOUT_MS", value_name = "MS", default_value_t = 2_000,
          value_parser = number::<u64>(1..=3_600_000))]
    pub lock_timeout_ms: u64,

    /// How long after the start of its request a mutation may wait for a PostgreSQL leader, in milliseconds; at most
    /// four fifths of --request-timeout-ms. 0 refuses it immediately.
    #[arg(long, help_heading = "Database", env = "KINOTEKA_LEADER_WAIT_MS", value_name = "MS", default_value_t = 8_000,
          value_parser = number::<u64>(0..=3_600_000))]
    pub leader_wait_ms: u64,

    /// The maximum number of mutations that wait for a leader. Further ones must retry.
    #[arg(long, help_heading = "Database", env = "KINOTEKA_LEADER_WAITING", value_name = "N", default_value_t = 256,
          value_parser = number::<u32>(0..=1_000_000))]
    pub leader_waiting: u32,

    /// The maximum of --leader-waiting for one network address.
    #[arg(long, help_heading = "Database",
          env = "KINOTEKA_LEADER_WAITING_PER_CLIENT", value_name = "N", default_value_t = 64,
          value_parser = number::<u32>(0..=1_000_000))]
    pub leader_waiting_per_client: u32,

    /// The address to listen on.
    ///
    /// Port 0 takes any free port; the log names it.
    #[arg(long, help_heading = "Addresses",
          env = "KINOTEKA_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8000",
          value_parser = address)]
    pub listen: SocketAddr,

    /// An additional address for operators. /metrics moves there; /livez and /readyz are on both.
    #[arg(long, help_heading = "Addresses", env = "KINOTEKA_METRICS_LISTEN", value_name = "ADDRESS",
          value_parser = address)]
    pub metrics_listen: Option<SocketAddr>,

    /// Update the schema at the start.
    ///
    /// Always on for SQLite. Without it, the server refuses an outdated PostgreSQL schema.
    #[arg(long, help_heading = "Start", env = "KINOTEKA_MIGRATE", value_parser = switch)]
    pub migrate: bool,

    /// Migrate, fill an empty database with a demo catalogue, and serve.
    ///
    /// A database that has rows is not filled.
    #[arg(long, help_heading = "Start", env = "KINOTEKA_DEMO", value_parser = switch)]
    pub demo: bool,

    /// Disable development features: introspection, suggestions in error messages, the IDE.
    #[arg(long, help_heading = "Start", env = "KINOTEKA_PRODUCTION", value_parser = switch)]
    pub production: bool,

    /// Whether clients may read the schema by introspection, and whether errors suggest names from it. The default
    /// is true, and false with --production.
    #[arg(long, help_heading = "Start", env = "KINOTEKA_INTROSPECTION", value_name = "BOOL", value_parser = switch)]
    pub introspection: Option<bool>,

    /// Sites whose pages may send requests from a browser, comma-separated, such as https://films.example.
    #[arg(
        long,
        help_heading = "Addresses",
        env = "KINOTEKA_CORS_ORIGINS",
        value_name = "ORIGINS",
        value_delimiter = ','
    )]
    pub cors_origins: Vec<Origin>,

    /// Networks of proxies whose X-Forwarded-For is trusted, comma-separated, such as 10.0.0.0/8.
    #[arg(long, help_heading = "Addresses",
          env = "KINOTEKA_TRUSTED_PROXIES", value_name = "NETWORKS", value_delimiter = ',',
          value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,

    /// Whether / serves the IDE. The default is true, and false with --production.
    #[arg(long, help_heading = "Start", env = "KINOTEKA_IDE", value_name = "BOOL", value_parser = switch)]
    pub ide: Option<bool>,

    /// Whether /status.json shows admins the status of the cluster, the servers and the database, and /status draws it.
    #[arg(long, help_heading = "Status", env = "KINOTEKA_STATUS", value_name = "BOOL", default_value_t = true,
          action = ArgAction::Set, value_parser = switch)]
    pub status: bool,

    /// How long events of comments are kept for returning subscribers, in hours.
    #[arg(long, help_heading = "Comment feed",
          env = "KINOTEKA_FEED_RETENTION_HOURS", value_name = "HOURS", default_value_t = 168,
          value_parser = number::<u32>(1..=87_600))]
    pub feed_retention_hours: u32,

    /// The interval of checks for comments of other writers, such as psql, in milliseconds.
    #[arg(long, help_heading = "Comment feed", env = "KINOTEKA_FEED_POLL_MS", value_name = "MS", default_value_t = 100,
          value_parser = number::<u64>(1..=60_000))]
    pub feed_poll_ms: u64,

    /// How long the server serves as before after SIGTERM while /readyz reports that it stops, so that load
    /// balancers notice, in milliseconds. The default is 0, and 5000 with --production.
    #[arg(long, help_heading = "Shutdown", env = "KINOTEKA_DRAIN_MS", value_name = "MS",
          value_parser = number::<u64>(0..=3_600_000))]
    pub drain_ms: Option<u64>,

    /// How long running requests may take to finish after --drain-ms, in milliseconds.
    #[arg(long, help_heading = "Shutdown",
          env = "KINOTEKA_SHUTDOWN_GRACE_MS", value_name = "MS", default_value_t = 10_000,
          value_parser = number::<u64>(0..=3_600_000))]
    pub shutdown_grace_ms: u64,

    /// The format of the log.
    #[arg(long, help_heading = "Logs", env = "KINOTEKA_LOG_FORMAT", value_name = "FORMAT", default_value = "pretty")]
    pub log_format: LogFormat,

    /// What to log: a level (error, warn, info, debug, trace) or tracing's filter directives, such as
    /// info,kinoteka=debug.
    #[arg(
        help_heading = "Logs",
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

    /// Where to look for the status.
    #[command(flatten)]
    pub sources: StatusArgs,
}

impl ServeArgs {
    /// Whether clients may read the schema.
    pub fn introspection(&self) -> bool {
        self.introspection.unwrap_or(!self.production)
    }

    /// Whether there are web pages.
    pub fn ide(&self) -> bool {
        self.ide.unwrap_or(!self.production)
    }

    /// How long load balancers may take to notice that the server stops.
    pub fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms.unwrap_or(if self.production { 5_000 } else { 0 }))
    }

    /// How long queries wait for replicas, and how far replicas may lag.
    pub fn replicas(&self) -> db::ReplicaLimits {
        db::ReplicaLimits {
            wait_max: Duration::from_millis(self.replica_wait_ms),
            lag_max: Duration::from_millis(self.replica_lag_max_ms),
        }
    }

    /// The feed's settings.
    pub fn feed(&self) -> feed::FeedSettings {
        feed::FeedSettings {
            pause: Duration::from_millis(self.feed_poll_ms),
            retention: Duration::from_secs(u64::from(self.feed_retention_hours) * 3_600),
        }
    }

    /// How mutations wait for a leader.
    pub fn leader_wait(&self) -> db::LeaderWait {
        let request = Duration::from_millis(self.limits.request_timeout_ms);
        db::LeaderWait {
            time_max: Duration::from_millis(self.leader_wait_ms).min(request * 4 / 5),
            waiting_max: self.leader_waiting.into(),
            waiting_max_per_client: self.leader_waiting_per_client.into(),
        }
    }

    /// How long a statement waits for a lock.
    pub fn lock_timeout(&self) -> Duration {
        Duration::from_millis(self.lock_timeout_ms).min(Duration::from_millis(self.limits.request_timeout_ms) / 2)
    }

    /// The pools' settings.
    pub fn pool(&self) -> PoolSettings {
        PoolSettings {
            connections_max: self.database_connections,
            acquire_timeout: Duration::from_millis(self.acquire_timeout_ms),
        }
    }
}
