//! The command line: parse, dispatch.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use kinoteka::account::operator;
use kinoteka::app::Application;
use kinoteka::config::{
    Cli, Command, DatabaseArgs, HashArgs, MigrateCommand, RoleCommand, ServeArgs, StatusCommand, UserCommand,
};
use kinoteka::status::{Gatherer, print as show};
use kinoteka::telemetry::LogFormat;
use kinoteka::{library, log, stored_texts, telemetry};
use migration::connect::{Access, PoolSettings, Writer, open, open_writer};
use migration::{AdoptError, Migration, SchemaState};
use sea_orm::DbErr;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A third of the time of a page with lists went into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let _flush = log::FlushOnDrop;
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            log::print(&format!("error: no tasks can be run: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(run());
    // What is stuck does not keep the process.
    runtime.shutdown_timeout(RUNTIME_TIMEOUT);
    outcome
}

/// How long the end of the process waits for threads that are still at work.
const RUNTIME_TIMEOUT: Duration = Duration::from_secs(1);

async fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Some(Command::Status(command)) => return status(&command).await,
        None => serve(cli.serve).await,
        Some(Command::Serve(args)) => serve(*args).await,
        Some(Command::Migrate(command)) => migrate(command).await,
        Some(Command::Role(command)) => change_role(command).await,
        Some(Command::User(UserCommand::ResetPassword { user, hashing, database })) => {
            reset_password(&user, &hashing, &database).await
        }
        Some(Command::Schema) => print(&library::sdl()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    log::print(&format!("error: {error:#}"));
    ExitCode::FAILURE
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
        log::flush_within(LAST_WORDS_TIMEOUT);
        std::process::exit(1);
    });
    application
        .run(async {
            let _ = stopped.await;
        })
        .await
}

/// How long a second signal waits for the log.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_millis(100);

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
        MigrateCommand::Up { database, steps, waiting } => {
            let db = open_database(&database).await?.db;
            match refuse_unknown_steps(&db).await? {
                state @ SchemaState::Newer(_) => tell(&format!("nothing to apply: {state}")),
                _ => {
                    let applied = waiting.migration(&log::print).up(&db, steps).await.map_err(explain)?;
                    report("applied", &applied, "nothing to apply: the schema is current");
                    refill(&db).await?;
                }
            }
        }
        MigrateCommand::Down { database, steps, waiting } => {
            let db = open_database(&database).await?.db;
            if let SchemaState::Newer(steps) = refuse_unknown_steps(&db).await? {
                bail!("{} unknown here: take steps back with the program that made them", steps.join(", "));
            }
            let taken_back = waiting.migration(&log::print).down(&db, steps).await.map_err(explain)?;
            report("took back", &taken_back, "nothing to take back");
        }
        MigrateCommand::Finish { database } => {
            let db = open_database(&database).await?.db;
            refuse_unknown_steps(&db).await?;
            let done = match migration::finish(&db).await? {
                true => "the comment feed is ordered by ticks now",
                false => "nothing to finish",
            };
            print(&format!("{done}\n"))?;
        }
        MigrateCommand::Adopt { database } => {
            let db = open_database(&database).await?.db;
            report("recorded", &adopt(&db).await?, "nothing to record: all steps were known");
            refill(&db).await?;
        }
        MigrateCommand::Status { database } => {
            let db = open(&database.url()?, Access::Read, POOL).await.context("--database-url")?;
            for step in migration::status(&db).await? {
                print(&format!("{} {}\n", if step.applied { "applied" } else { "pending" }, step.name))?;
            }
            let state = migration::compare(&db).await?;
            if matches!(state, SchemaState::Current | SchemaState::Newer(_)) {
                for line in stored_texts::report(&db).await.context("cannot count blank texts and twins")? {
                    print(&format!("{line}\n"))?;
                }
            }
            for index in Migration::default().unfinished_indexes(&db).await? {
                print(&format!("unfinished index {index}: queries that use it are slow; run `kinoteka migrate up`\n"))?;
            }
            print(&format!("{state}\n"))?;
        }
    }
    Ok(())
}

async fn change_role(command: RoleCommand) -> anyhow::Result<()> {
    match command {
        RoleCommand::Grant(args) => {
            operator::grant_role(&open_current(&args.database).await?, &args.user, args.role.into()).await?;
            tell(&format!("{} has the role now", args.user));
        }
        RoleCommand::Revoke(args) => {
            operator::revoke_role(&open_current(&args.database).await?, &args.user, args.role.into()).await?;
            tell(&format!("{} has the role no more", args.user));
        }
    }
    Ok(())
}

/// Between two times of `status --watch`.
const WATCH_GAP: Duration = Duration::from_secs(2);

/// Its code says whether all is well.
async fn status(command: &StatusCommand) -> ExitCode {
    match show_status(command).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&error),
    }
}

async fn show_status(command: &StatusCommand) -> anyhow::Result<bool> {
    telemetry::start_logging(LogFormat::Pretty, "warn")?;
    let gatherer = Gatherer::new(command.sources.command_sources()?)?;
    loop {
        let document = match command.watch {
            true => gatherer.look().await,
            false => Arc::new(gatherer.look_until_settled().await),
        };
        let text = match command.json {
            true => format!("{}\n", serde_json::to_string(&*document)?),
            false => show::print(&document),
        };
        let clear = if command.watch && io::stdout().is_terminal() { CLEAR } else { "" };
        let mut output = anstream::stdout();
        output.write_all(format!("{clear}{text}").as_bytes()).and_then(|()| output.flush())?;
        if !command.watch {
            return Ok(document.is_well);
        }
        tokio::time::sleep(WATCH_GAP).await;
    }
}

/// Has a terminal begin at the top of an empty screen.
const CLEAR: &str = "\x1b[H\x1b[2J\x1b[3J";

async fn reset_password(user: &str, hashing: &HashArgs, database: &DatabaseArgs) -> anyhow::Result<()> {
    let given = read_password()?;
    let password = given.clone().unwrap_or_else(operator::make_password);
    let db = open_current(database).await?;
    operator::reset_password(&db, &hashing.open(1, 0, 0)?, user, &password).await?;
    match given {
        Some(_) => tell(&format!("{user} has the new password; all sessions have ended")),
        None => print(&format!("{password}\n")).context("the password is a new one that nobody knows, set another")?,
    }
    Ok(())
}

/// The first line of standard input, if somebody has put one there.
fn read_password() -> anyhow::Result<Option<String>> {
    let mut line = String::new();
    let input = io::stdin();
    if !input.is_terminal() {
        input.lock().read_line(&mut line).context("the password cannot be read from standard input")?;
    }
    let password = line.trim_end_matches(['\r', '\n']);
    Ok((!password.is_empty()).then(|| password.to_owned()))
}

/// A database with a schema that this program can use.
async fn open_current(database: &DatabaseArgs) -> anyhow::Result<Writer> {
    let writer = open_database(database).await?;
    match migration::compare(&writer.db).await? {
        SchemaState::Current | SchemaState::Newer(_) => Ok(writer),
        state => bail!("{state}"),
    }
}

const POOL: PoolSettings = PoolSettings { connections_max: 1, acquire_timeout: Duration::from_secs(5) };

async fn open_database(database: &DatabaseArgs) -> anyhow::Result<Writer> {
    open_writer(&database.url()?, POOL, None).await.context("--database-url")
}

/// sea-orm-migration would stop with a text about files.
async fn refuse_unknown_steps(db: &sea_orm::DatabaseConnection) -> anyhow::Result<SchemaState> {
    match migration::compare(db).await? {
        state @ (SchemaState::Ahead(_) | SchemaState::Unrecorded) => bail!("{state}"),
        state => Ok(state),
    }
}

async fn adopt(db: &sea_orm::DatabaseConnection) -> anyhow::Result<Vec<String>> {
    migration::adopt(db).await.map_err(|error| match error {
        AdoptError::Database(error) => explain(error),
        other => other.into(),
    })
}

/// Says what to do, where that is known.
fn explain(error: DbErr) -> anyhow::Error {
    migration::explain_refusal(&error).map_or_else(|| error.into(), anyhow::Error::msg)
}

/// Makes again what a restore has left out.
async fn refill(db: &sea_orm::DatabaseConnection) -> anyhow::Result<()> {
    let tables = migration::refill(db).await.map_err(explain)?;
    if !tables.is_empty() {
        tell(&format!("made the rows of {} again", tables.join(", ")));
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

/// Says on standard output what was done, for whoever reads it.
fn tell(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints on standard output what was asked for.
fn print(text: &str) -> anyhow::Result<()> {
    let mut output = io::stdout();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).context("standard output cannot be written")
}
