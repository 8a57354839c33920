//! The command line: parse, dispatch.

mod migrate;

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use kinoteka::account::operator;
use kinoteka::app::Application;
use kinoteka::config::{
    self, COMMON_FLAGS, Cli, Command, DatabaseArgs, HashArgs, OTHER_VARIABLES, RoleCommand, ServeArgs, StatusCommand,
    UserCommand,
};
use kinoteka::status::{Gatherer, print as show};
use kinoteka::telemetry::LogFormat;
use kinoteka::{library, log, telemetry};
use migration::SchemaState;
use migration::connect::{PoolSettings, Writer, open_writer};
use settings::Invocation;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The system's allocator took a third of the time of a page with lists.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let _flush = log::FlushOnDrop;
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            log::print(&format!("error: cannot start the async runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(run());
    // A blocked thread does not prevent the exit.
    runtime.shutdown_timeout(RUNTIME_TIMEOUT);
    outcome
}

/// How long the exit of the process waits for busy threads.
const RUNTIME_TIMEOUT: Duration = Duration::from_secs(1);

async fn run() -> ExitCode {
    let invocation = settings::read::<Cli>(COMMON_FLAGS);
    match run_command(&invocation).await {
        Ok(code) => code,
        Err(error) => {
            log::print(&format!("error: {}", invocation.name_variables(&describe(&error))));
            ExitCode::FAILURE
        }
    }
}

/// The error with its causes, and the remedy if the database's refusal has a known one.
fn describe(error: &anyhow::Error) -> String {
    let remedy = error.chain().find_map(|cause| cause.downcast_ref().and_then(migration::explain_refusal));
    match remedy {
        Some(remedy) => format!("{error:#}; {remedy}"),
        None => format!("{error:#}"),
    }
}

async fn run_command(invocation: &Invocation<Cli>) -> anyhow::Result<ExitCode> {
    let unknown = invocation.unknown_variables(OTHER_VARIABLES, false);
    let args = match &invocation.arguments.command {
        None => Some(&invocation.arguments.serve),
        Some(Command::Serve(args)) => Some(&**args),
        Some(_) => None,
    };
    if let Some(args) = args {
        telemetry::start_logging(args.log_format, &args.log_filter)?;
        let doubts = args.warnings().into_iter().map(|warning| invocation.name_variables(&warning));
        unknown.into_iter().chain(doubts).for_each(|warning| tracing::warn!("{warning}"));
        args.check()?;
        serve(args).await?;
        return Ok(ExitCode::SUCCESS);
    }
    unknown.iter().for_each(|warning| log::print(&format!("warning: {warning}")));
    if let Some(Command::Role(_) | Command::User(_)) = &invocation.arguments.command {
        // Operators' changes to accounts are logged as events.
        telemetry::start_logging(LogFormat::Pretty, "warn,kinoteka=info")?;
    }
    match &invocation.arguments.command {
        None | Some(Command::Serve(_)) => {}
        Some(Command::Migrate(command)) => return migrate::run(command).await,
        Some(Command::Role(command)) => change_role(command).await?,
        Some(Command::User(UserCommand::ResetPassword { user, hashing, database })) => {
            reset_password(user, hashing, database).await?;
        }
        Some(Command::Config { serve, markdown }) => show_config(invocation, serve, *markdown)?,
        Some(Command::Status(command)) => return show_status(command).await,
        Some(Command::Schema) => print(&library::sdl())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show_config(invocation: &Invocation<Cli>, args: &ServeArgs, markdown: bool) -> anyhow::Result<()> {
    if markdown {
        return print(&config::reference());
    }
    args.check()?;
    print(&config::describe(invocation, args))?;
    let warnings = args.warnings();
    warnings.iter().for_each(|warning| log::print(&format!("warning: {}", invocation.name_variables(warning))));
    Ok(())
}

async fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let application = tokio::select! {
        application = Application::build(args, None) => application?,
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
        tracing::warn!("a second signal: stopping immediately");
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

/// SIGTERM and SIGINT, from the creation of this value.
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

async fn change_role(command: &RoleCommand) -> anyhow::Result<()> {
    match command {
        RoleCommand::Grant(args) => {
            operator::grant_role(&open_current(&args.database).await?, &args.user, args.role.into()).await?;
            tell(&format!("granted the role to {}", args.user));
        }
        RoleCommand::Revoke(args) => {
            operator::revoke_role(&open_current(&args.database).await?, &args.user, args.role.into()).await?;
            tell(&format!("revoked the role from {}", args.user));
        }
    }
    Ok(())
}

/// The interval of `status --watch`.
const WATCH_GAP: Duration = Duration::from_secs(2);

/// Its exit code says whether everything is well.
async fn show_status(command: &StatusCommand) -> anyhow::Result<ExitCode> {
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
            return Ok(if document.is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        tokio::time::sleep(WATCH_GAP).await;
    }
}

/// Clears the terminal and moves to the top.
const CLEAR: &str = "\x1b[H\x1b[2J\x1b[3J";

async fn reset_password(user: &str, hashing: &HashArgs, database: &DatabaseArgs) -> anyhow::Result<()> {
    let given = read_password()?;
    let password = given.clone().unwrap_or_else(operator::make_password);
    let db = open_current(database).await?;
    operator::reset_password(&db, &hashing.open(1, 0, 0)?, user, &password).await?;
    match given {
        Some(_) => tell(&format!("{user} has the new password; all sessions have ended")),
        None => print(&format!("{password}\n")).context("the new password was set but not printed; reset it again")?,
    }
    Ok(())
}

/// The first line of standard input, if it has one.
fn read_password() -> anyhow::Result<Option<String>> {
    let mut line = String::new();
    let input = io::stdin();
    if !input.is_terminal() {
        input.lock().read_line(&mut line).context("cannot read the password from standard input")?;
    }
    let password = line.trim_end_matches(['\r', '\n']);
    Ok((!password.is_empty()).then(|| password.to_owned()))
}

/// Opens a database, and checks that this program can use its schema.
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

/// Reports on standard output what was done.
fn tell(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints a result on standard output.
fn print(text: &str) -> anyhow::Result<()> {
    let mut output = io::stdout();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).context("cannot write to standard output")
}
