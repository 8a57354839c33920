//! The command line: parse, dispatch.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use kinoteka::app::Application;
use kinoteka::config::{Cli, Command, DatabaseArgs, MigrateCommand, ServeArgs};
use kinoteka::db::{self, DatabaseUrl, Db, PoolSettings};
use kinoteka::{schema, telemetry};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => serve(cli.serve).await,
        Some(Command::Serve(args)) => serve(args).await,
        Some(Command::Migrate(command)) => migrate(command).await,
        Some(Command::Schema) => {
            print!("{}", schema::export());
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    telemetry::start_logging(args.log_format, &args.log_filter)?;
    // Before the start, so that a signal during it is not lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let application = Application::build(&args, None).await?;
    tracing::info!("serving the {} at http://{}/graphql", args.database.database_url, application.address()?);
    application.run(stop).await
}

async fn migrate(command: MigrateCommand) -> anyhow::Result<()> {
    match command {
        MigrateCommand::Up { database, steps } => {
            let db = open(&database).await?;
            report("applied", &migration::up(&db.write, steps).await?, "nothing to apply: the schema is current");
        }
        MigrateCommand::Down { database, steps } => {
            let db = open(&database).await?;
            report("took back", &migration::down(&db.write, steps).await?, "nothing to take back");
        }
        MigrateCommand::Adopt { database } => {
            let db = open(&database).await?;
            report("recorded", &migration::adopt(&db.write).await?, "nothing to record: all steps were known");
        }
        MigrateCommand::Status { database } => {
            let db = open_existing(database).await?;
            for step in migration::status(&db.write).await? {
                println!("{} {}", if step.applied { "applied" } else { "pending" }, step.name);
            }
            println!("{}", migration::compare(&db.write).await?);
        }
    }
    Ok(())
}

/// Opens a database that is only looked at: no file is made.
async fn open_existing(mut database: DatabaseArgs) -> anyhow::Result<Db> {
    if let DatabaseUrl::Sqlite(options) = database.database_url {
        database.database_url = DatabaseUrl::Sqlite(Box::new(options.create_if_missing(false)));
    }
    open(&database).await
}

async fn open(database: &DatabaseArgs) -> anyhow::Result<Db> {
    let pool = PoolSettings { connections_max: 1, acquire_timeout: Duration::from_secs(5) };
    Ok(db::connect::connect(&database.database_url, None, pool, None).await?)
}

fn report(done: &str, steps: &[String], nothing: &str) {
    for step in steps {
        println!("{done} {step}");
    }
    if steps.is_empty() {
        println!("{nothing}");
    }
}
