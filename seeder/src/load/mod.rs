//! Drives a server as its users do: the eleven actions, through the GraphQL API only.
//!
//! - `preflight`: is there a server with the right schema? `accounts`: who acts.
//! - `documents`, `api`: the requests, and retries until there is a response.
//! - `stock`: the objects to act on. `act`, `own`: do what the script says. `pace`: when.
//! - `listen`: subscribers that record events. `echo`: sessions that read changes back immediately.
//! - `ledger`, `verify`: what the run has created, read back. `recorder`: checks it, and writes the history.
//! - `stats`, `timeline`, `outages`, `report`: what was done, how fast, and the errors. `screen`, `paint`: on a
//!   terminal. `page`, `plot`: as a page.

mod accounts;
mod act;
mod api;
mod documents;
mod echo;
mod ledger;
mod listen;
mod outages;
mod own;
mod pace;
mod page;
mod paint;
mod plot;
mod preflight;
mod recorder;
mod report;
mod screen;
mod stats;
mod stock;
mod timeline;
mod verify;

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, anyhow, bail};
use reqwest::Url;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use accounts::LoadAccounts;
use act::LoadActor;
use api::{Api, RequestFailure};
use ledger::{Ledger, text_of};
use listen::Listeners;
use outages::OutageKind;
use pace::Behind;
pub use pace::Pace;
use paint::Paint;
pub use preflight::parse_url;
use recorder::Recorder;
use report::{ListenersReport, Report};
use screen::Screen;
use stats::Stats;
use stock::Stock;

use crate::history::check::Conclusion;
use crate::history::line::{FORMAT, HistoryRun, VERSION};
use crate::interruption;
use crate::script::Mix;

/// How often publications are listed again.
const PUBLICATIONS_EVERY: Duration = Duration::from_secs(5);
/// How often movies are listed again.
const MOVIES_EVERY: Duration = Duration::from_secs(60);
/// One action in this many may be refused by the server's limits.
const LIMITED_ONE_IN: u64 = 100;
/// How long a replica may lag at the end.
const READ_BACK_PATIENCE: Duration = Duration::from_secs(10);
/// The first pause before everything is read back again. Each later one is twice as long.
const READ_BACK_PAUSE: Duration = Duration::from_millis(500);
/// A rate counts as not reached if actions are further behind than this at the end.
const BEHIND_MAX: Duration = Duration::from_secs(1);

/// The options of a load.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// The servers.
    pub urls: Vec<Url>,
    /// The password of the demo accounts.
    pub password: String,
    /// Maximum number of members that act.
    pub members_max: u32,
    /// The rate or the workers.
    pub pace: Pace,
    /// The weights of the actions.
    pub mix: Mix,
    /// The duration; `None`: until a signal.
    pub duration: Option<Duration>,
    /// The seed of the script.
    pub rng_seed: u64,
    /// The number of subscribers.
    pub listeners: usize,
    /// How long requests are retried.
    pub retry_for: Duration,
    /// Whether to read everything back.
    pub verify: bool,
    /// The file of the history.
    pub history: Option<PathBuf>,
    /// Whether to print actions on a terminal, too.
    pub actions: bool,
    /// Whether to omit actions and the table.
    pub quiet: bool,
    /// The file of the report as a page.
    pub page: Option<PathBuf>,
    /// Whether to print the report as JSON.
    pub json: bool,
}

/// Locks. A panic while the lock was held leaves the data valid.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a load until its time is over or a signal comes, and prints a report. A second signal ends it immediately.
///
/// # Errors
/// The load cannot start; what was read back is not what was acknowledged; the server's limits refused more than a
/// few actions; the rate was not reached; the server is down at the end; no action was done.
pub async fn run(options: LoadOptions) -> anyhow::Result<()> {
    // If the page cannot be written, fail before anything is done.
    let page = options.page.as_ref().map(|path| open_page(path)).transpose()?;
    let (actor, echoes) = prepare(&options).await?;
    let actor = Arc::new(actor);
    let load = async {
        let mut listeners = listen(&options, &actor).await?;
        let stats = Arc::new(Stats::new(options.page.is_some())?);
        let behind = drive(&options, &actor, &stats, echoes).await;
        let elapsed = stats.elapsed();
        let verdict = check(&options, &actor, listeners.as_mut()).await?;
        if let Some(listeners) = &mut listeners {
            listeners.close().await;
        }
        Ok(Report {
            url: options.urls.iter().map(Url::as_str).collect::<Vec<_>>().join(", "),
            run: actor.ledger.run().to_owned(),
            rng_seed: options.rng_seed,
            elapsed,
            lines: stats.lines(),
            seconds: stats.seconds(),
            examples: stats.examples(),
            retries: actor.api.retries(),
            limits: actor.api.limits(),
            silence: actor.api.silence(),
            outages: {
                let mut outages = actor.api.outages();
                let feed = listeners.as_ref().and(verdict.conclusion.as_ref());
                outages.extend(feed.map(|conclusion| (OutageKind::Feed, conclusion.feed_outages)));
                outages
            },
            listeners: listeners.map(|listeners| {
                let (events, connections, restarts) = listeners.counts();
                ListenersReport { count: options.listeners, events, connections, restarts }
            }),
            rate: match options.pace {
                Pace::Steady { rate, .. } => Some((rate, behind)),
                Pace::Paused { .. } => None,
            },
            read_back: options.verify.then(|| verdict.conclusion.as_ref().map_or(0, |known| known.counts.found)),
            faults: verdict.faults,
        })
    };
    let twice = async {
        interruption::first().await;
        actor.stopper.send_replace(true);
        interruption::second().await;
    };
    let report: anyhow::Result<Report> = tokio::select! {
        report = load => report,
        () = twice => {
            actor.recorder.stop().await;
            Err(anyhow!("ended by a second signal, without a report"))
        }
    };
    let report = report?;
    let verdict = judge(&report, actor.api.outage());
    let failure = verdict.as_ref().err().map(|reason| format!("{reason:#}"));
    let paint = Paint::stdout();
    let text = match options.json {
        true => report.to_json(failure.as_deref()).to_string(),
        false => report.to_text(paint) + &paint.verdict(verdict.is_ok(), io::stdout().is_terminal()),
    };
    // If nobody reads the text, the status still has the result.
    let _ = writeln!(io::stdout(), "{text}");
    if let Some(mut file) = page {
        let text = page::page(&report, failure.as_deref());
        file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).context("--report")?;
    }
    verdict
}

/// Opens the file of the report. Its old content stays until there is a new report.
fn open_page(path: &Path) -> anyhow::Result<File> {
    let file = File::options().write(true).create(true).truncate(false).open(path);
    file.with_context(|| format!("--report {}: the file cannot be written", path.display()))
}

/// The queue of changes to read back immediately, if that is on.
type Echoes = Option<mpsc::UnboundedReceiver<echo::Echo>>;

/// Logs in and reads what the server has.
async fn prepare(options: &LoadOptions) -> anyhow::Result<(LoadActor, Echoes)> {
    for url in &options.urls {
        preflight::check(&Api::new(vec![url.clone()], Duration::ZERO)?).await?;
    }
    let api = Api::new(options.urls.clone(), Duration::ZERO)?;
    let accounts = LoadAccounts::log_in(&api, &options.password, options.members_max).await?;
    let api = Api::new(options.urls.clone(), options.retry_for)?;
    let stock =
        Stock::read(&api).await.map_err(|failure| anyhow!("cannot list the catalogue: {}", failure.message()))?;
    if stock.is_empty() {
        bail!("the server has no movies: seed its database first (`seeder seed --with-demo-accounts`)");
    }
    let run = HistoryRun {
        format: FORMAT.to_owned(),
        version: VERSION,
        id: format!("{:08x}", rand::random::<u32>()),
        started: SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
        urls: options.urls.iter().map(Url::to_string).collect(),
        rng_seed: options.rng_seed,
        listeners: u32::try_from(options.listeners)?,
    };
    let ledger = Ledger::new(run.id.clone(), options.verify);
    let recorder = if options.verify || options.listeners > 0 {
        Recorder::start(run, options.history.clone())?
    } else {
        Recorder::off()
    };
    let (echoes, inbox) = options.history.as_ref().map(|_| mpsc::unbounded_channel()).unzip();
    let (screen, stopper) = (Screen::new(options.quiet, options.json, options.actions), watch::Sender::new(false));
    Ok((LoadActor { api, accounts, stock, ledger, recorder, echoes: Mutex::new(echoes), screen, stopper }, inbox))
}

/// Acts until the time is over or the load is stopped. Returns how far actions were behind.
async fn drive(options: &LoadOptions, actor: &Arc<LoadActor>, stats: &Arc<Stats>, echoes: Echoes) -> Behind {
    let mut stop = actor.stopper.subscribe();
    let acting = pace::act(actor, stats, &options.pace, &options.mix, options.rng_seed);
    let timing = async {
        tokio::select! {
            () = wait(options.duration) => {}
            _ = stop.wait_for(|stop| *stop) => {}
            () = keep_fresh(actor) => {}
            () = actor.screen.follow(stats) => {}
        }
        actor.stopper.send_replace(true);
    };
    let echoing = async {
        if let Some(echoes) = echoes {
            let sessions = echo::follow_sessions(Arc::clone(actor), actor.stopper.subscribe());
            tokio::join!(echo::follow(Arc::clone(actor), echoes), sessions);
        }
    };
    let acting = async {
        let behind = acting.await;
        actor.end_echoes();
        behind
    };
    let (behind, (), ()) = tokio::join!(acting, timing, echoing);
    actor.screen.clear();
    behind
}

async fn wait(duration: Option<Duration>) {
    match duration {
        Some(duration) => sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// Keeps listing movies and publications.
async fn keep_fresh(actor: &LoadActor) {
    // While the server is down, this waits; the old lists will do meanwhile.
    let publications = async {
        loop {
            sleep(PUBLICATIONS_EVERY).await;
            let _ = actor.stock.refresh_publications(&actor.api).await;
        }
    };
    let movies = async {
        loop {
            sleep(MOVIES_EVERY).await;
            let _ = actor.stock.refresh_movies(&actor.api).await;
        }
    };
    tokio::join!(publications, movies);
}

async fn listen(options: &LoadOptions, actor: &Arc<LoadActor>) -> anyhow::Result<Option<Listeners>> {
    if options.listeners == 0 {
        return Ok(None);
    }
    let data = actor.api.query(documents::CURSOR, &json!({})).await;
    let data = data.map_err(|failure| anyhow!("cannot get a cursor of the comment feed: {}", failure.message()))?;
    let listeners = Listeners::start(options.listeners, &options.urls, text_of(&data, "commentCursor"), actor);
    Ok(Some(listeners.await?))
}

/// The result of a run's checks.
struct Verdict {
    conclusion: Option<Conclusion>,
    /// The faults, one sentence each.
    faults: Vec<String>,
}

/// Collects the faults of listeners and, if requested, reads everything back.
async fn check(options: &LoadOptions, actor: &LoadActor, listeners: Option<&mut Listeners>) -> anyhow::Result<Verdict> {
    let mut faults = Vec::new();
    let mut read = false;
    if options.verify {
        match read_back(actor).await {
            Ok(()) => read = true,
            Err(failure) => faults.push(format!("cannot read everything back: {}", failure.message())),
        }
    }
    let heard = listeners.is_some() && options.verify;
    if let Some(listeners) = listeners {
        if heard {
            listeners.wait().await;
        }
        faults.extend(listeners.faults());
    }
    let conclusion = actor.recorder.end(read, heard).await?;
    if let Some(Conclusion { findings, .. }) = &conclusion {
        faults.extend(findings.first.iter().map(|finding| finding.sentence(options.history.is_some())));
        let more = findings.total() - findings.first.len() as u64;
        if more > 0 {
            faults.push(format!("{more} more faults of the same kinds"));
        }
    }
    Ok(Verdict { conclusion, faults })
}

/// Reads back until there are no faults: a replica may lag for a while.
async fn read_back(actor: &LoadActor) -> Result<(), RequestFailure> {
    let deadline = Instant::now() + READ_BACK_PATIENCE;
    let mut pause = READ_BACK_PAUSE;
    loop {
        verify::read_back(actor).await?;
        if actor.recorder.open().await.0 == 0 || Instant::now() + pause > deadline {
            return Ok(());
        }
        sleep(pause).await;
        pause *= 2;
    }
}

/// Returns the reason if a run has failed.
fn judge(report: &Report, outage: Option<Duration>) -> anyhow::Result<()> {
    if !report.faults.is_empty() {
        bail!("{} faults were found: the report lists them", report.faults.len());
    }
    if let Some(outage) = outage {
        bail!("the server has been down for the last {:.1} s", outage.as_secs_f64());
    }
    let (limited, total) = report.limited();
    if limited * LIMITED_ONE_IN > total {
        bail!("the server's limits refused {limited} of {total} actions: {}", report.remedy());
    }
    if report.lines.iter().all(|line| line.done == 0) {
        bail!("no action was done: the report has the reasons");
    }
    if let Some((rate, behind)) = report.rate
        && behind > BEHIND_MAX
    {
        bail!(
            "{rate} actions/s were not reached: the load ended {:.1} s behind; lower --rate, or use a faster server",
            behind.as_secs_f64()
        );
    }
    Ok(())
}
