//! The command line: parse, dispatch.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use kinoteka::app::Application;
use kinoteka::config::{Cli, Command, DatabaseArgs, MigrateCommand, ServeArgs};
use kinoteka::db;
use kinoteka::{schema, telemetry};
use migration::SchemaState;
use migration::connect::{Access, PoolSettings, open};
use sea_orm::DatabaseConnection;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A third of the time of a page with lists went into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => serve(cli.serve).await,
        Some(Command::Serve(args)) => serve(*args).await,
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
    let mut signals = Signals::listen()?;
    let application = tokio::select! {
        application = Application::build(&args, None) => application?,
        () = signals.next() => return Ok(()),
    };
    tracing::info!("serving at http://{}/graphql", application.address()?);
    if args.ide() {
        tracing::info!("the IDE is at http://{}/", application.address()?);
    }
    if let Some(address) = application.metrics_address()? {
        tracing::info!("metrics are at http://{address}/metrics");
    }
    let (stop, stopped) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        signals.next().await;
        // An error means that the server ended by itself.
        let _ = stop.send(());
        signals.next().await;
        tracing::warn!("a second signal: stopping at once");
        std::process::exit(1);
    });
    application
        .run(async {
            let _ = stopped.await;
        })
        .await
}

/// SIGTERM and SIGINT, from the moment of listening on.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn migrate(command: MigrateCommand) -> anyhow::Result<()> {
    match command {
        MigrateCommand::Up { database, steps } => {
            let db = open_database(&database).await?;
            refuse_unknown_steps(&db).await?;
            report("applied", &migration::up(&db, steps).await?, "nothing to apply: the schema is current");
        }
        MigrateCommand::Down { database, steps } => {
            let db = open_database(&database).await?;
            refuse_unknown_steps(&db).await?;
            report("took back", &migration::down(&db, steps).await?, "nothing to take back");
        }
        MigrateCommand::Adopt { database } => {
            let db = open_database(&database).await?;
            report("recorded", &migration::adopt(&db).await?, "nothing to record: all steps were known");
        }
        MigrateCommand::Status { database } => {
            let url = db::parse_url("--database-url", &database.database_url)?;
            let db = open(&url, Access::Read, POOL).await.context("--database-url")?;
            for step in migration::status(&db).await? {
                println!("{} {}", if step.applied { "applied" } else { "pending" }, step.name);
            }
            println!("{}", migration::compare(&db).await?);
        }
    }
    Ok(())
}

const POOL: PoolSettings = PoolSettings { connections_max: 1, acquire_timeout: Duration::from_secs(5) };

async fn open_database(database: &DatabaseArgs) -> anyhow::Result<DatabaseConnection> {
    let url = db::parse_url("--database-url", &database.database_url)?;
    open(&url, Access::Write, POOL).await.context("--database-url")
}

/// sea-orm-migration would stop with a text about files.
async fn refuse_unknown_steps(db: &DatabaseConnection) -> anyhow::Result<()> {
    match migration::compare(db).await? {
        state @ (SchemaState::Ahead(_) | SchemaState::Unrecorded) => bail!("{state}"),
        SchemaState::Current | SchemaState::Behind(_) => Ok(()),
    }
}

fn report(done: &str, steps: &[String], nothing: &str) {
    for step in steps {
        println!("{done} {step}");
    }
    if steps.is_empty() {
        println!("{nothing}");
    }
}
