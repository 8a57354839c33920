//! The command-line arguments.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use reqwest::Url;
use seeding::fakes::World;
use seeding::{SeedOptions, Sizes, accounts};
use settings::number;

use crate::load::{self, LoadOptions, Pace};
use crate::script::Mix;

const DATABASE: &str = "sqlite://kinoteka.db?mode=rwc";

/// Fills a Kinoteka database with plausible Russian data.
#[derive(Parser)]
#[command(name = "seeder", version, arg_required_else_help = true)]
pub struct SeederArguments {
    /// The command to run.
    #[command(subcommand)]
    pub command: SeederCommand,
}

/// The commands of the seeder.
#[derive(Subcommand)]
pub enum SeederCommand {
    /// Fill an empty, migrated database in sixteen steps.
    ///
    /// Prints NAME..OK on standard output after each step. To continue an interrupted run, start it again with the
    /// same flags. No other program should write to the database during the run.
    #[command(after_help = "\
Examples:
  seeder seed                                   fills ./kinoteka.db
  seeder seed --size medium --comments 1000000  size medium, more comments
  seeder seed --rng-seed 7                      different data, same size
  seeder seed --database-url postgres://kinoteka@localhost/kinoteka \\
      --size original --defer-indexes

The schema must exist: run `kinoteka migrate up` first. The seeder refuses a database that has rows in any of the \
sixteen tables, unless an unfinished run stored them. Seeded users cannot log in, except the accounts of \
--with-demo-accounts.")]
    Seed(Box<SeedArguments>),

    /// Send users' requests to a server: comments, ratings, orders, publications and more, through its GraphQL API.
    ///
    /// Logs in with the demo accounts of `seeder seed --with-demo-accounts` or `kinoteka --demo`. Shows a table on a
    /// terminal; elsewhere it prints a line for each action. Prints a report at the end. Runs until --duration is
    /// over or Ctrl-C. Deletes users and publications that it created, and the oldest presences of movies at
    /// cinemas: do not use a database that matters.
    #[command(after_help = "\
Examples:
  seeder load                                     one worker, original pauses
  seeder load --workers 10 --duration 60 --quiet  10 workers, only the report
  seeder load --rate 500 --duration 30 --mix comment-movie=3,rate-movie
  seeder load --duration 20 --listeners 5 --verify

Actions: create-user, delete-user, create-publication, update-publication, delete-publication, comment-movie, \
comment-publication, change-presences, order-movie, rate-movie, rate-publication.")]
    Load(Box<LoadArguments>),

    /// Check the history of a load, without the server.
    ///
    /// `seeder load --history FILE` writes the history: a line for each call, with its times, its session, what it
    /// wrote and what it read, and a line for each event of each listener. The check finds acknowledged changes that
    /// are missing, refused changes that exist, and objects that exist twice. It finds sessions that read older
    /// values than they had written or read before. It finds listeners that received different events, in a
    /// different order, twice, not at all, or before an event that they follow. It finds responses for another
    /// viewer. Each fault names its lines.
    #[command(after_help = "\
Examples:
  seeder load --duration 60 --history run.jsonl      writes a history
  seeder check run.jsonl                             checks it
  seeder check --json run.jsonl | jq .faults.counts  faults by kind

Status: 0 without faults, 1 with faults, 2 if the file is not one complete history: cut short, altered, or made of \
several runs. docs/consistency.md describes the lines, the rules and the limits of the check.")]
    Check {
        /// The file with the history.
        file: PathBuf,

        /// Print the report as JSON.
        #[arg(long)]
        json: bool,
    },

    /// Restore the triggers, indexes and foreign keys that an interrupted run dropped.
    ///
    /// Does not change rows. `seeder seed` does the same when it continues a run.
    Restore {
        /// URL of the database: postgres://user@host/name or sqlite://path.
        #[arg(long, env = "DATABASE_URL", hide_env_values = true, default_value = DATABASE)]
        database_url: String,
    },

    /// Print a reference of all flags as Markdown, for docs/configuration.md.
    #[command(hide = true)]
    Reference,
}

/// The flags that `-h` lists; `--help` lists all.
pub const COMMON_FLAGS: &[&str] = &[
    "database-url",
    "defer-indexes",
    "duration",
    "listeners",
    "quiet",
    "size",
    "url",
    "verify",
    "with-demo-accounts",
    "workers",
];

/// The arguments of `seed`.
#[derive(Args)]
pub struct SeedArguments {
    /// URL of the database to fill: postgres://user@host/name or sqlite://path.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, default_value = DATABASE)]
    pub database_url: String,

    /// Amount of data.
    #[arg(long, value_enum, default_value_t = DatasetSize::Demo)]
    size: DatasetSize,

    /// Seed of the random data. The same seed always makes the same rows.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number::<u64>(0..=u64::MAX))]
    rng_seed: u64,

    /// Create secondary indexes and foreign keys after the rows. This is much faster from about ten thousand rows on.
    /// They are dropped first and restored exactly, also after an error.
    #[arg(long)]
    defer_indexes: bool,

    /// Create users that can log in: member, editor, admin, and load1, load2, ... for `seeder load`. Their password,
    /// kinoteka-demo, is public: do not use this on a server that strangers can reach.
    #[arg(long)]
    with_demo_accounts: bool,

    /// Number of members (load1, load2, ...) that --with-demo-accounts creates.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = number::<u32>(0..=100_000), requires = "with_demo_accounts")]
    load_accounts: u32,

    /// Number of connections that load in parallel on PostgreSQL. Default: the number of cores.
    #[arg(long, value_name = "N", value_parser = number::<u16>(1..=64))]
    jobs: Option<u16>,

    #[command(flatten)]
    numbers: SizeNumbers,
}

/// Numbers that override those of the size.
#[derive(Args)]
#[command(next_help_heading = "Numbers (override --size)")]
struct SizeNumbers {
    /// Movies.
    #[arg(long, value_name = "N", value_parser = number::<u32>(0..=Sizes::MAX.into()))]
    movies: Option<u32>,
    /// Persons who make movies.
    #[arg(long, value_name = "N", value_parser = number::<u32>(0..=Sizes::MAX.into()))]
    persons: Option<u32>,
    /// Users.
    #[arg(long, value_name = "N", value_parser = number::<u32>(0..=Sizes::MAX.into()))]
    users: Option<u32>,
    /// Staff entries. A movie has at most 18.
    #[arg(long, value_name = "N", value_parser = number::<u32>(0..=Sizes::MAX.into()))]
    staff: Option<u32>,
    /// Awards.
    #[arg(long, value_name = "N", value_parser = number::<u32>(0..=Sizes::MAX.into()))]
    awards: Option<u32>,
    /// Movies available at online cinemas. A movie is at 10 at most; one in eight is at none.
    #[arg(long, value_name = "N", value_parser = number::<u32>(0..=Sizes::MAX.into()))]
    presences: Option<u32>,
    /// Orders of movies by users.
    #[arg(long, value_name = "N", value_parser = number::<u32>(0..=Sizes::MAX.into()))]
    orders: Option<u32>,
    /// Publications.
    #[arg(long, value_name = "N", value_parser = number::<u32>(0..=Sizes::MAX.into()))]
    publications: Option<u32>,
    /// Minimum number of sentences in a publication.
    #[arg(long, value_name = "N", value_parser = number::<u32>(1..=100_000))]
    sentences_min: Option<u32>,
    /// Maximum number of sentences in a publication.
    #[arg(long, value_name = "N", value_parser = number::<u32>(1..=100_000))]
    sentences_max: Option<u32>,
    /// Comments on movies and publications.
    #[arg(long, value_name = "N", value_parser = number::<u32>(0..=Sizes::MAX.into()))]
    comments: Option<u32>,
    /// Ratings of movies and publications.
    #[arg(long, value_name = "N", value_parser = number::<u32>(0..=Sizes::MAX.into()))]
    ratings: Option<u32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum DatasetSize {
    /// 500 movies, 1,500 persons, 300 users, 5,000 comments: a second or two.
    Demo,
    /// 1,000 movies, 5,000 persons, 50,000 users, 20,000 comments.
    Small,
    /// 10,000 movies, 50,000 persons, 500,000 users, 200,000 comments.
    Medium,
    /// 100,000 movies, 500,000 persons, 5,000,000 users, 2,000,000 comments.
    Original,
}

impl DatasetSize {
    fn sizes(self) -> Sizes {
        match self {
            Self::Demo => Sizes::demo(),
            Self::Small => Sizes::small(),
            Self::Medium => Sizes::medium(),
            Self::Original => Sizes::original(),
        }
    }
}

impl SizeNumbers {
    /// The names of the numbers that the user set.
    fn named(&self) -> Vec<&'static str> {
        let Self {
            movies,
            persons,
            users,
            staff,
            awards,
            presences,
            orders,
            publications,
            sentences_min,
            sentences_max,
            comments,
            ratings,
        } = self;
        let all = [
            ("movies", movies),
            ("persons", persons),
            ("users", users),
            ("staff", staff),
            ("awards", awards),
            ("presences", presences),
            ("orders", orders),
            ("publications", publications),
            ("sentences-min", sentences_min),
            ("sentences-max", sentences_max),
            ("comments", comments),
            ("ratings", ratings),
        ];
        all.into_iter().filter(|(_, number)| number.is_some()).map(|(name, _)| name).collect()
    }
}

impl SeedArguments {
    /// The options of the seed.
    pub fn options(&self) -> SeedOptions {
        let defaults = SeedOptions::default();
        SeedOptions {
            sizes: self.sizes(),
            rng_seed: self.rng_seed,
            demo_accounts: self.with_demo_accounts.then_some(self.load_accounts),
            defer_indexes: self.defer_indexes,
            jobs: self.jobs.map_or(defaults.jobs, usize::from),
        }
    }

    fn sizes(&self) -> Sizes {
        let size = self.size.sizes();
        let numbers = &self.numbers;
        let sizes = Sizes {
            movies: numbers.movies.unwrap_or(size.movies),
            persons: numbers.persons.unwrap_or(size.persons),
            users: numbers.users.unwrap_or(size.users),
            staff: numbers.staff.unwrap_or(size.staff),
            awards: numbers.awards.unwrap_or(size.awards),
            presences: numbers.presences.unwrap_or(size.presences),
            orders: numbers.orders.unwrap_or(size.orders),
            publications: numbers.publications.unwrap_or(size.publications),
            sentences_min: numbers.sentences_min.unwrap_or(size.sentences_min),
            sentences_max: numbers.sentences_max.unwrap_or(size.sentences_max),
            comments: numbers.comments.unwrap_or(size.comments),
            ratings: numbers.ratings.unwrap_or(size.ratings),
        };
        match numbers.named() {
            named if named.is_empty() => sizes,
            named => World::lower(self.rng_seed, sizes, &named),
        }
    }

    /// The numbers below those of the size that the user did not set, as flags.
    pub fn lowered(&self) -> Vec<String> {
        let (size, sizes, named) = (self.size.sizes(), self.sizes(), self.numbers.named());
        [
            ("staff", size.staff, sizes.staff),
            ("awards", size.awards, sizes.awards),
            ("presences", size.presences, sizes.presences),
            ("orders", size.orders, sizes.orders),
            ("publications", size.publications, sizes.publications),
            ("comments", size.comments, sizes.comments),
            ("ratings", size.ratings, sizes.ratings),
            ("sentences-min", size.sentences_min, sizes.sentences_min),
        ]
        .into_iter()
        .filter(|(name, most, number)| number < most && !named.contains(name))
        .map(|(name, _, number)| format!("--{name} {number}"))
        .collect()
    }
}

/// The arguments of `load`.
#[derive(Args)]
pub struct LoadArguments {
    /// URL of the server. With several comma-separated URLs, each request goes to the next one.
    #[arg(long, env = "KINOTEKA_URL", default_value = "http://127.0.0.1:8000/graphql", value_delimiter = ',', value_parser = load::parse_url)]
    url: Vec<Url>,

    /// Number of workers. Each does all actions in parallel, with the original's pauses.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number::<u32>(1..=100_000), conflicts_with = "rate")]
    workers: u32,

    /// Actions per second, started on schedule even if earlier ones have not ended. Latency counts from the scheduled
    /// start. Replaces --workers.
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,

    /// Maximum number of concurrent actions with --rate.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = number::<u32>(1..=100_000), requires = "rate")]
    in_flight_max: u32,

    /// Duration of the load in seconds. Default: until Ctrl-C.
    #[arg(long, value_name = "S", value_parser = number::<u64>(1..=31_536_000))]
    duration: Option<u64>,

    /// Weights of the actions, comma-separated, as multiples of the original's: comment-movie=3,rate-movie=0.5. Other
    /// actions are omitted. Default: all actions, as in the original.
    #[arg(long, value_name = "WEIGHTS", default_value = "", hide_default_value = true, value_parser = mix)]
    mix: Mix,

    /// Seed of the actions and their texts. The same seed makes the same script. Default: random; the report
    /// shows it.
    #[arg(long, value_name = "N", value_parser = number::<u64>(0..=u64::MAX))]
    rng_seed: Option<u64>,

    /// Number of subscribers that listen to all new comments and check the events.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = number::<u32>(0..=100_000))]
    listeners: u32,

    /// Maximum number of members that act: load1, load2, ...
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = number::<u32>(1..=1_000))]
    members: u32,

    /// Password of the demo accounts.
    #[arg(long, env = "KINOTEKA_LOAD_PASSWORD", hide_env_values = true, default_value = accounts::PASSWORD)]
    password: String,

    /// How long to retry a request while the server is down or busy, in seconds.
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = number::<u64>(0..=86_400))]
    retry_for: u64,

    /// Read everything back at the end. No acknowledged change may be missing, no refused change may exist, and each
    /// listener must have received each comment once. Nobody else should change the run's objects.
    #[arg(long)]
    verify: bool,

    /// Write every call and event to FILE, for `seeder check`. FILE must not exist. Also reads each change back
    /// immediately, and implies --verify.
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,

    /// Also print a line for each action on a terminal, above the table.
    #[arg(long, conflicts_with_all = ["quiet", "json"])]
    actions: bool,

    /// Print only the report.
    #[arg(long)]
    quiet: bool,

    /// Write the report with latency plots to FILE, as an HTML page.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,

    /// Print the report as JSON, without actions.
    #[arg(long)]
    json: bool,
}

/// The weights; all actions as often as in the original if the flag is missing.
fn mix(text: &str) -> Result<Mix, String> {
    if text.is_empty() { Ok(Mix::default()) } else { text.parse() }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| (0.001..=1_000_000.0).contains(rate));
    rate.ok_or_else(|| "must be a number of actions per second from 0.001 to 1000000".to_owned())
}

impl LoadArguments {
    /// The options of the load.
    pub fn options(&self) -> LoadOptions {
        let pace = match self.rate {
            Some(rate) => Pace::Steady { rate, in_flight_max: self.in_flight_max as usize },
            None => Pace::Paused { workers: self.workers },
        };
        LoadOptions {
            urls: self.url.clone(),
            password: self.password.clone(),
            members_max: self.members,
            pace,
            mix: self.mix.clone(),
            duration: self.duration.map(Duration::from_secs),
            rng_seed: self.rng_seed.unwrap_or_else(|| rand::random::<u32>().into()),
            listeners: self.listeners as usize,
            retry_for: Duration::from_secs(self.retry_for),
            verify: self.verify || self.history.is_some(),
            history: self.history.clone(),
            actions: self.actions,
            quiet: self.quiet,
            page: self.report.clone(),
            json: self.json,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::SeederArguments;

    /// Wrapping at 80 columns would break these lines.
    #[test]
    fn examples_fit_a_terminal() {
        let seeder = SeederArguments::command();
        let texts: Vec<_> = seeder.get_subcommands().filter_map(|command| command.get_after_help()).collect();
        assert!(texts.len() >= 3);
        for text in texts {
            let text = text.to_string();
            let (examples, rest) = text.split_once("\n\n").unwrap_or_default();
            assert!(examples.starts_with("Examples:"), "{text}");
            assert!(examples.lines().all(|line| line.len() <= 80), "{examples}");
            assert!(!rest.contains('\n'), "a line for each paragraph: {rest}");
        }
    }
}
