//! What can be said on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use reqwest::Url;
use seeding::fakes::World;
use seeding::{SeedOptions, Sizes, accounts};
use settings::number;

use crate::load::{self, Pace};
use crate::script::Mix;

const DATABASE: &str = "sqlite://kinoteka.db?mode=rwc";

/// Fills a Kinoteka database with plausible Russian data.
#[derive(Parser)]
#[command(name = "seeder", version, arg_required_else_help = true)]
pub struct SeederArguments {
    /// What to do.
    #[command(subcommand)]
    pub command: SeederCommand,
}

/// What the seeder can do.
#[derive(Subcommand)]
pub enum SeederCommand {
    /// Fill an empty, migrated database in sixteen steps.
    ///
    /// Prints NAME..OK on standard output as each step is done. An interrupted run continues when it is started
    /// again with the same flags. Nobody else should write to the database meanwhile.
    #[command(after_help = "\
Examples:
  seeder seed
      the embedded database, ./kinoteka.db
  seeder seed --database-url postgres://localhost/kinoteka --defer-indexes
      PostgreSQL, with the indexes made last
  seeder seed --size medium --comments 1000000
      medium, but for the comments
  seeder seed --rng-seed 7
      other data of the same size

The schema must be there: run `kinoteka migrate up` first. A database that has any row in the sixteen tables is \
refused, unless an unfinished run has stored it. Seeded users cannot log in, but for those of --with-demo-accounts.")]
    Seed(Box<SeedArguments>),

    /// Drive a server as users do: comments, ratings, orders, publications and more, through its GraphQL API.
    ///
    /// Logs in as the demo accounts of `seeder seed --with-demo-accounts` or `kinoteka --demo`. Shows a table on a
    /// terminal, prints a line for each action elsewhere, and a report at the end. Runs until --duration is over or Ctrl-C.
    /// Deletes users and publications that it has made itself, and the oldest presences of movies at cinemas: not for a
    /// database that matters.
    #[command(after_help = "\
Examples:
  seeder load
      one worker with the original's pauses
  seeder load --workers 10 --duration 60 --quiet
      ten of them for a minute, the report alone
  seeder load --rate 500 --duration 30 --mix comment-movie=3,rate-movie
      500 actions a second, of two kinds
  seeder load --duration 20 --listeners 5 --verify
      reads everything back at the end

Actions: create-user, delete-user, create-publication, update-publication, delete-publication, comment-movie, \
comment-publication, change-presences, order-movie, rate-movie, rate-publication.")]
    Load(Box<LoadArguments>),

    /// Judge the history of a load, without the server.
    ///
    /// `seeder load --history FILE` writes it: a line for each call, with its times, its session, what it wrote and what
    /// it saw, and a line for each event of each listener. The check finds what was acknowledged and is missing, refused
    /// and there, or there twice; sessions that read less than they had written or read before; listeners that heard of
    /// other events, in another order, twice or not at all; events told before those that they follow; answers for
    /// another viewer. Each fault names its lines.
    #[command(after_help = "\
Examples:
  seeder load --duration 60 --listeners 5 --history run.jsonl
      a load that writes its history
  seeder check run.jsonl
      judges it
  seeder check --json run.jsonl | jq .faults.counts
      how many faults of each kind

Status: 0 if there are no faults, 1 if there are, 2 if the file is not a whole history: cut short, altered, or of \
several runs. docs/consistency.md describes the lines, how they are judged, and what cannot be seen.")]
    Check {
        /// The history.
        file: PathBuf,

        /// Print the report as JSON.
        #[arg(long)]
        json: bool,
    },

    /// Bring back triggers, indexes and foreign keys that an interrupted run has taken away.
    ///
    /// The rows stay as they are. `seeder seed` does this by itself when it continues.
    Restore {
        /// The database: postgres://user@host/name or sqlite://path.
        #[arg(long, env = "DATABASE_URL", hide_env_values = true, default_value = DATABASE)]
        database_url: String,
    },

    /// Print a reference of all flags as Markdown, for docs/configuration.md.
    #[command(hide = true)]
    Reference,
}

/// The flags that `-h` shows; `--help` shows all.
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

/// What `seed` can be told.
#[derive(Args)]
pub struct SeedArguments {
    /// Where the data goes: postgres://user@host/name or sqlite://path.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, default_value = DATABASE)]
    pub database_url: String,

    /// How much data to make.
    #[arg(long, value_enum, default_value_t = DatasetSize::Demo)]
    size: DatasetSize,

    /// Which data to make: the same number gives the same rows, always.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number::<u64>(0..=u64::MAX))]
    rng_seed: u64,

    /// Make secondary indexes and foreign keys after the rows: much faster from some ten thousand rows on. They are
    /// taken away first and come back exactly as they were, also after an error.
    #[arg(long)]
    defer_indexes: bool,

    /// Make users that can log in: member, editor, admin, and load1, load2, ... for `seeder load`. Their password is
    /// kinoteka-demo, known to everybody: not for a server that strangers can reach.
    #[arg(long)]
    with_demo_accounts: bool,

    /// How many members for load --with-demo-accounts makes.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = number::<u32>(0..=100_000), requires = "with_demo_accounts")]
    load_accounts: u32,

    /// Connections that load at once on PostgreSQL; as many as there are cores if left out.
    #[arg(long, value_name = "N", value_parser = number::<u16>(1..=64))]
    jobs: Option<u16>,

    #[command(flatten)]
    numbers: SizeNumbers,
}

/// Numbers that stand for those of the size.
#[derive(Args)]
#[command(next_help_heading = "Numbers, for those of the size")]
struct SizeNumbers {
    /// Films.
    #[arg(long, value_name = "N", value_parser = number::<u32>(0..=Sizes::MAX.into()))]
    movies: Option<u32>,
    /// Persons of the film trade.
    #[arg(long, value_name = "N", value_parser = number::<u32>(0..=Sizes::MAX.into()))]
    persons: Option<u32>,
    /// Users.
    #[arg(long, value_name = "N", value_parser = number::<u32>(0..=Sizes::MAX.into()))]
    users: Option<u32>,
    /// Entries of film staff; a film has at most 18.
    #[arg(long, value_name = "N", value_parser = number::<u32>(0..=Sizes::MAX.into()))]
    staff: Option<u32>,
    /// Awards given.
    #[arg(long, value_name = "N", value_parser = number::<u32>(0..=Sizes::MAX.into()))]
    awards: Option<u32>,
    /// Films present at online cinemas; a film is at 10 at most, and one in eight at none.
    #[arg(long, value_name = "N", value_parser = number::<u32>(0..=Sizes::MAX.into()))]
    presences: Option<u32>,
    /// Orders of films by users.
    #[arg(long, value_name = "N", value_parser = number::<u32>(0..=Sizes::MAX.into()))]
    orders: Option<u32>,
    /// Publications.
    #[arg(long, value_name = "N", value_parser = number::<u32>(0..=Sizes::MAX.into()))]
    publications: Option<u32>,
    /// The fewest sentences of a publication.
    #[arg(long, value_name = "N", value_parser = number::<u32>(1..=100_000))]
    sentences_min: Option<u32>,
    /// The most sentences of a publication.
    #[arg(long, value_name = "N", value_parser = number::<u32>(1..=100_000))]
    sentences_max: Option<u32>,
    /// Comments on films and publications.
    #[arg(long, value_name = "N", value_parser = number::<u32>(0..=Sizes::MAX.into()))]
    comments: Option<u32>,
    /// Ratings of films and publications.
    #[arg(long, value_name = "N", value_parser = number::<u32>(0..=Sizes::MAX.into()))]
    ratings: Option<u32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum DatasetSize {
    /// 500 films, 1,500 persons, 300 users, 5,000 comments: a second or two.
    Demo,
    /// 1,000 films, 5,000 persons, 50,000 users, 20,000 comments.
    Small,
    /// 10,000 films, 50,000 persons, 500,000 users, 200,000 comments.
    Medium,
    /// 100,000 films, 500,000 persons, 5,000,000 users, 2,000,000 comments.
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
    /// The names of those that are given.
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
    /// What to seed.
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

    /// What is less than the size says and nobody has named, as flags.
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

/// What `load` can be told.
#[derive(Args)]
pub struct LoadArguments {
    /// Where the server is. Several, with commas between them, take turns: each request goes to the next one.
    #[arg(long, env = "KINOTEKA_URL", default_value = "http://127.0.0.1:8000/graphql", value_delimiter = ',', value_parser = load::parse_url)]
    url: Vec<Url>,

    /// Workers, each of which does all actions side by side with the original's pauses.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number::<u32>(1..=100_000), conflicts_with = "rate")]
    workers: u32,

    /// Actions a second, begun whether or not those before have ended; their times count from when they should have
    /// begun. Instead of --workers.
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,

    /// Actions of --rate that may be under way at once.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = number::<u32>(1..=100_000), requires = "rate")]
    in_flight_max: u32,

    /// For how many seconds; until Ctrl-C if left out.
    #[arg(long, value_name = "S", value_parser = number::<u64>(1..=31_536_000))]
    duration: Option<u64>,

    /// How much of each action, as multiples of what the original does: comment-movie=3,rate-movie=0.5. What is not
    /// named is left out.
    #[arg(long, value_name = "WEIGHTS", default_value = "", hide_default_value = true, value_parser = mix)]
    mix: Mix,

    /// What is done and with which words: the same number gives the same script. Drawn if left out; the report
    /// names it.
    #[arg(long, value_name = "N", value_parser = number::<u64>(0..=u64::MAX))]
    rng_seed: Option<u64>,

    /// Subscribers that listen to all new comments and check what they get.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = number::<u32>(0..=100_000))]
    listeners: u32,

    /// Members that act at most: load1, load2 and so on.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = number::<u32>(1..=1_000))]
    members: u32,

    /// The password of the demo accounts.
    #[arg(long, env = "KINOTEKA_LOAD_PASSWORD", hide_env_values = true, default_value = accounts::PASSWORD)]
    password: String,

    /// How many seconds a request is sent again while the server is down or busy.
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = number::<u64>(0..=86_400))]
    retry_for: u64,

    /// Read back at the end what was acknowledged: nothing of it may be missing, nothing that was refused there, and
    /// every listener must have heard of each comment once. Nobody else should change what the run makes.
    #[arg(long)]
    verify: bool,

    /// Write down every call and event, for `seeder check`. The file must not be there yet. Also reads at once what was
    /// changed, and does what --verify does.
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,

    /// Print a line for each action on a terminal, too, and not the table alone.
    #[arg(long, conflicts_with_all = ["quiet", "json"])]
    actions: bool,

    /// Print the report alone.
    #[arg(long)]
    quiet: bool,

    /// Write the report with plots of the latency to FILE, a page for browsers.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,

    /// Print the report as JSON, and no actions.
    #[arg(long)]
    json: bool,
}

/// All actions as often as in the original, unless something is said.
fn mix(text: &str) -> Result<Mix, String> {
    if text.is_empty() { Ok(Mix::default()) } else { text.parse() }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| (0.001..=1_000_000.0).contains(rate));
    rate.ok_or_else(|| "give a number of actions a second, from 0.001 to 1000000".to_owned())
}

impl LoadArguments {
    /// What to do.
    pub fn options(&self) -> load::Options {
        let pace = match self.rate {
            Some(rate) => Pace::Steady { rate, in_flight_max: self.in_flight_max as usize },
            None => Pace::Paused { workers: self.workers },
        };
        load::Options {
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

    /// The rest is wrapped at 80 columns, which would tear them apart.
    #[test]
    fn examples_fit_a_terminal() {
        let seeder = SeederArguments::command();
        let texts: Vec<_> = seeder.get_subcommands().filter_map(|command| command.get_after_help()).collect();
        assert!(texts.len() >= 3);
        for text in texts {
            let text = text.to_string();
            let (examples, rest) = text.split_once("\n\n").unwrap();
            assert!(examples.lines().all(|line| line.len() <= 80), "{examples}");
            assert!(!rest.contains('\n'), "a line for each paragraph: {rest}");
        }
    }
}
