//! `kinoteka migrate`.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use kinoteka::config::{DatabaseArgs, MigrateCommand, WaitArgs};
use kinoteka::{log, stored_texts};
use migration::connect::{Access, open};
use migration::{AdoptError, Migration, SchemaState};
use sea_orm::{DatabaseConnection, DbErr};

use crate::{POOL, open_database, print, tell};

/// The exit status of `migrate status --exit-code` if the schema is not current.
const NOT_CURRENT: u8 = 3;

/// Runs a command.
pub(crate) async fn run(command: &MigrateCommand) -> anyhow::Result<ExitCode> {
    match command {
        MigrateCommand::Up { database, steps, waiting } => up(database, *steps, waiting).await?,
        MigrateCommand::Down { database, steps, yes, waiting } => down(database, *steps, *yes, waiting).await?,
        MigrateCommand::Finish { database } => finish(database).await?,
        MigrateCommand::Adopt { database } => {
            let db = open_database(database).await?.db;
            report("recorded", &adopt(&db).await?, "nothing to record: all steps were known");
            refill(&db).await?;
        }
        MigrateCommand::Status { database, exit_code } => {
            let is_current = status(database).await?;
            if *exit_code && !is_current {
                return Ok(ExitCode::from(NOT_CURRENT));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn up(database: &DatabaseArgs, steps: Option<u32>, waiting: &WaitArgs) -> anyhow::Result<()> {
    let db = open_database(database).await?.db;
    match refuse_unknown_steps(&db).await? {
        state @ SchemaState::Newer(_) => tell(&format!("nothing to apply: {state}")),
        _ => {
            let applied = waiting.migration(&log::print).up(&db, steps).await.map_err(explain)?;
            report("applied", &applied, "nothing to apply: the schema is current");
            refill(&db).await?;
        }
    }
    Ok(())
}

async fn down(database: &DatabaseArgs, steps: u32, yes: bool, waiting: &WaitArgs) -> anyhow::Result<()> {
    let db = open_database(database).await?.db;
    if let SchemaState::Newer(steps) = refuse_unknown_steps(&db).await? {
        bail!("unknown steps: {}; revert them with the version of the program that applied them", steps.join(", "));
    }
    let losses = migration::losses(&db, steps).await.context("cannot find out what would be deleted")?;
    for loss in &losses {
        let deleted = if loss.deleted.is_empty() { "no data".to_owned() } else { loss.deleted.join(", ") };
        log::print(&format!("reverting {} deletes {deleted}", loss.name));
    }
    if !yes && !losses.is_empty() {
        confirm(&format!("Revert {} steps of the {}?", losses.len(), database.url()?))?;
    }
    let reverted = waiting.migration(&log::print).down(&db, steps).await.map_err(explain)?;
    report("reverted", &reverted, "nothing to revert");
    Ok(())
}

/// Asks for confirmation on the terminal.
fn confirm(question: &str) -> anyhow::Result<()> {
    if !io::stdin().is_terminal() {
        bail!("cannot ask for confirmation without a terminal, so nothing was changed; add --yes to revert the steps");
    }
    let mut error = io::stderr();
    write!(error, "{question} [y/N] ").and_then(|()| error.flush()).context("cannot write to standard error")?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("cannot read the answer")?;
    match line.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => bail!("nothing was changed"),
    }
}

async fn finish(database: &DatabaseArgs) -> anyhow::Result<()> {
    let db = open_database(database).await?.db;
    if let state @ SchemaState::Behind(_) = refuse_unknown_steps(&db).await? {
        bail!("{state}, then `kinoteka migrate finish` again");
    }
    let done = match migration::finish(&db).await? {
        true => "the comment feed is ordered by ticks now",
        false => "nothing to finish",
    };
    print(&format!("{done}\n"))
}

/// Prints the state of the schema. Returns whether there is nothing to do.
async fn status(database: &DatabaseArgs) -> anyhow::Result<bool> {
    let db = open(&database.url()?, Access::Read, POOL).await.context("--database-url")?;
    for step in migration::status(&db).await? {
        print(&format!("{} {}\n", if step.applied { "applied" } else { "pending" }, step.name))?;
    }
    let state = migration::compare(&db).await?;
    let is_usable = matches!(state, SchemaState::Current | SchemaState::Newer(_));
    if is_usable {
        for line in stored_texts::report(&db).await.context("cannot count blank texts and twins")? {
            print(&format!("{line}\n"))?;
        }
    }
    let unfinished = Migration::default().unfinished_indexes(&db).await?;
    for index in &unfinished {
        print(&format!("unfinished index {index}: queries that use it are slow; run `kinoteka migrate up`\n"))?;
    }
    print(&format!("{state}\n"))?;
    Ok(is_usable && unfinished.is_empty())
}

/// sea-orm-migration would stop with an error about files.
async fn refuse_unknown_steps(db: &DatabaseConnection) -> anyhow::Result<SchemaState> {
    match migration::compare(db).await? {
        state @ (SchemaState::Ahead(_) | SchemaState::Unrecorded) => bail!("{state}"),
        state => Ok(state),
    }
}

async fn adopt(db: &DatabaseConnection) -> anyhow::Result<Vec<String>> {
    migration::adopt(db).await.map_err(|error| match error {
        AdoptError::Database(error) => explain(error),
        other => other.into(),
    })
}

/// Adds the solution, if it is known.
fn explain(error: DbErr) -> anyhow::Error {
    migration::explain_refusal(&error).map_or_else(|| error.into(), anyhow::Error::msg)
}

/// Rebuilds rows that a restore has left out.
async fn refill(db: &DatabaseConnection) -> anyhow::Result<()> {
    let tables = migration::refill(db).await.map_err(explain)?;
    if !tables.is_empty() {
        tell(&format!("rebuilt the rows of {}", tables.join(", ")));
    }
    Ok(())
}

fn report(done: &str, steps: &[String], nothing: &str) {
    for step in steps {
        tell(&format!("{done} {step}"));
    }
    if steps.is_empty() {
        tell(nothing);
    }
}
