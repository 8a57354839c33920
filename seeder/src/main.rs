//! The command line of the seeder.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Parser, Subcommand, ValueEnum};
use migration::connect::{Access, DatabaseUrl, PoolSettings, open};
use seeder::{SeedOptions, Sizes, StepReport};

/// How long a database server may take to let us in.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Fills a Kinoteka database with plausible Russian data.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fill an empty, migrated database in sixteen steps.
    ///
    /// Prints NAME..OK on standard output as each step is done. All steps are one transaction: after an error the
    /// database is as it was. Seeded users cannot log in.
    #[command(after_help = "\
Examples:
  seeder seed                                   the embedded database, ./kinoteka.db
  seeder seed --database-url postgres://kinoteka@localhost/kinoteka
  seeder seed --rng-seed 7                      other data of the same size

The schema must be there: run `kinoteka migrate up` first. A database that has any row in the sixteen tables is refused.")]
    Seed(SeedArguments),
}

#[derive(clap::Args)]
struct SeedArguments {
    /// Where the data goes: postgres://user@host/name or sqlite://path.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, default_value = "sqlite://kinoteka.db?mode=rwc")]
    database_url: String,

    /// How much data to make.
    #[arg(long, value_enum, default_value_t = Size::Demo)]
    size: Size,

    /// Which data to make: the same number gives the same rows, always.
    #[arg(long, value_name = "N", default_value_t = 1)]
    rng_seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Size {
    /// 500 films, 1,500 persons, 300 users, 5,000 comments: a second or two.
    Demo,
}

impl Size {
    fn sizes(self) -> Sizes {
        match self {
            Self::Demo => Sizes::demo(),
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { command: Command::Seed(arguments) } = Arguments::parse();
    match run_seed(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run_seed(arguments: SeedArguments) -> anyhow::Result<()> {
    let url: DatabaseUrl =
        arguments.database_url.parse().map_err(|reason: String| anyhow!("--database-url: {reason}"))?;
    let db = open(&url, Access::Write, PoolSettings { connections_max: 1, acquire_timeout: ANSWER_TIMEOUT })
        .await
        .context("--database-url")?;
    let options = SeedOptions { sizes: arguments.size.sizes(), rng_seed: arguments.rng_seed };
    let outcome = seeder::seed(&db, &options, print_step).await;
    db.close().await?;
    let summary = outcome?;
    let seconds = summary.elapsed.as_secs_f64();
    eprintln!("seeded {} rows in {seconds:.1} s", summary.rows);
    Ok(())
}

fn print_step(report: &StepReport) {
    // A reader that went away is no reason to give up a seed half-way.
    let _ = writeln!(io::stdout(), "{}..OK", report.name);
}
