//! The command line of the seeder. It stores rows with the library `seeding`, and drives a server through the API.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use kinoteka_seeder::arguments::{COMMON_FLAGS, SeedArguments, SeederArguments, SeederCommand};
use kinoteka_seeder::progress::{Progress, print_error, print_line};
use kinoteka_seeder::{check, interruption, load};
use migration::connect::{Access, DatabaseUrl, PoolSettings, open};
use sea_orm::DatabaseConnection;
use seeding::accounts;

/// How long a database server may take to accept a connection.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    let invocation = settings::read::<SeederArguments>(COMMON_FLAGS);
    // Unknown variables that do not resemble ours may be the server's.
    for warning in invocation.unknown_variables(&[], true) {
        print_error(&format!("warning: {warning}"));
    }
    let outcome = match &invocation.arguments.command {
        SeederCommand::Seed(arguments) => seed(arguments).await,
        SeederCommand::Restore { database_url } => restore(database_url).await,
        SeederCommand::Check { file, json } => return check::run(file, *json),
        SeederCommand::Load(arguments) => load::run(arguments.options()).await,
        SeederCommand::Reference => {
            print_line(settings::reference_of_commands(&settings::command::<SeederArguments>(COMMON_FLAGS)).trim_end());
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&format!("error: {}", invocation.name_variables(&format!("{error:#}"))));
            ExitCode::FAILURE
        }
    }
}

async fn connect(url: &str) -> anyhow::Result<DatabaseConnection> {
    let url: DatabaseUrl = url.parse().map_err(|reason: String| anyhow!("--database-url: {reason}"))?;
    let pool = PoolSettings { connections_max: 1, acquire_timeout: ANSWER_TIMEOUT };
    open(&url, Access::Write, pool).await.context("--database-url")
}

async fn seed(arguments: &SeedArguments) -> anyhow::Result<()> {
    let options = arguments.options();
    let db = connect(&arguments.database_url).await?;
    let progress = Arc::new(Progress::start());
    let seed = {
        let progress = Arc::clone(&progress);
        seeding::seed(&db, &options, move |event| progress.note(event))
    };
    // Dropping the future stops the seed at any point.
    let outcome = tokio::select! {
        outcome = seed => Some(outcome),
        () = interruption::first() => None,
    };
    let Some(outcome) = outcome else {
        let stage = progress.stage();
        progress.say(&format!(
            "interrupted at {stage}: restoring any dropped indexes and triggers; a second signal leaves that to the next \
             start"
        ));
        let restore = {
            let progress = Arc::clone(&progress);
            seeding::restore(&db, move |event| progress.note(event))
        };
        tokio::select! {
            restored = restore => { restored?; }
            () = interruption::second() => {}
        }
        progress.clear();
        return Err(anyhow!("stopped at {stage}; start again with the same flags to continue"));
    };
    progress.clear();
    db.close().await?;
    let summary = outcome?;
    progress.end(&summary);
    let lowered = arguments.lowered();
    if !lowered.is_empty() {
        progress.say(&format!("lowered below --size to what fits: {}", lowered.join(", ")));
    }
    if let Some(load_members) = options.demo_accounts {
        let mut names: Vec<_> = accounts::usernames(load_members.min(1)).collect();
        if load_members > 1 {
            names.pop();
            names.push(format!("load1 to load{load_members}"));
        }
        progress.say(&format!("accounts: {}, all with the password {}", names.join(", "), accounts::PASSWORD));
    }
    Ok(())
}

async fn restore(database_url: &str) -> anyhow::Result<()> {
    let db = connect(database_url).await?;
    let progress = Progress::start();
    let restored = seeding::restore(&db, move |event| progress.note(event)).await;
    db.close().await?;
    match restored? {
        0 => print_line("nothing to restore"),
        count => print_line(&format!("restored {count} triggers, indexes and constraints")),
    }
    Ok(())
}
