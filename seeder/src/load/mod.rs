//! Drives a server as its users' programs do: the eleven actions, through the GraphQL API alone.
//!
//! - `preflight`: is there a server that we know? `accounts`: who acts.
//! - `documents`, `api`: what is asked, and getting an answer whatever happens to the server.
//! - `stock`: what there is to act on. `act`, `own`: does what the script says. `pace`: when.
//! - `listen`: subscribers that record what they get. `echo`: sessions that read what was changed.
//! - `ledger`, `verify`: what the run has made, read back. `recorder`: has all of it judged, and writes the history.
//! - `stats`, `timeline`, `outages`, `report`: what was done, how fast, and what went wrong. `screen`, `paint`: on a
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
use api::{Api, Failure};
use ledger::{Ledger, text_of};
use listen::Listeners;
use outages::OperationKind;
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

/// How often publications are listed anew.
const PUBLICATIONS_EVERY: Duration = Duration::from_secs(5);
/// How often movies are.
const MOVIES_EVERY: Duration = Duration::from_secs(60);
/// One action in so many may be refused by the server's limits.
const LIMITED_ONE_IN: u64 = 100;
/// How long a replica may lag behind at the end.
const READ_BACK_PATIENCE: Duration = Duration::from_secs(10);
/// The first pause before everything is read back again; each next one is twice as long.
const READ_BACK_PAUSE: Duration = Duration::from_millis(500);
/// How far behind actions may be at the end before the rate counts as out of reach.
const BEHIND_MAX: Duration = Duration::from_secs(1);

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The servers.
    pub urls: Vec<Url>,
    /// The password of the demo accounts.
    pub password: String,
    /// How many members act at most.
    pub members_max: u32,
    /// How much is done, and when.
    pub pace: Pace,
    /// How much of each action.
    pub mix: Mix,
    /// For how long; until a signal comes, if left out.
    pub duration: Option<Duration>,
    /// The seed of the script.
    pub rng_seed: u64,
    /// How many subscribers listen.
    pub listeners: usize,
    /// How long a silent server is waited for.
    pub retry_for: Duration,
    /// Whether what was acknowledged is read back.
    pub verify: bool,
    /// Where the history is written.
    pub history: Option<PathBuf>,
    /// Whether actions are printed on a terminal, too.
    pub actions: bool,
    /// Whether actions and the table are left out.
    pub quiet: bool,
    /// Where the report is written as a page.
    pub page: Option<PathBuf>,
    /// Whether the report is JSON.
    pub json: bool,
}

/// Locks; whoever panicked while holding the lock has left the data as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a load until its time is over or a signal comes, and reports. A second signal ends it at once.
///
/// # Errors
/// The load cannot start; what was read back is not what was acknowledged; the server's limits refused more than a
/// few actions; the rate was out of reach; the server is away at the end; nothing at all was done.
pub async fn run(options: Options) -> anyhow::Result<()> {
    // A page that cannot be written is known before anything is done.
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
                outages.extend(feed.map(|conclusion| (OperationKind::Feed, conclusion.feed_outages)));
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
    // Whoever does not read it learns from the status how it went.
    let _ = writeln!(io::stdout(), "{text}");
    if let Some(mut file) = page {
        let text = page::page(&report, failure.as_deref());
        file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).context("--report")?;
    }
    verdict
}

/// Opens the file of the report. What is in it stays until there is a new report.
fn open_page(path: &Path) -> anyhow::Result<File> {
    let file = File::options().write(true).create(true).truncate(false).open(path);
    file.with_context(|| format!("--report {}: the file cannot be written", path.display()))
}

/// What is to be read back at once, if that is.
type Echoes = Option<mpsc::UnboundedReceiver<echo::Echo>>;

/// Logs in, and looks at what there is.
async fn prepare(options: &Options) -> anyhow::Result<(LoadActor, Echoes)> {
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

/// Acts until it is time to stop, or somebody says so. Gives how far actions were behind.
async fn drive(options: &Options, actor: &Arc<LoadActor>, stats: &Arc<Stats>, echoes: Echoes) -> Behind {
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

/// Lists movies and publications anew, for ever.
async fn keep_fresh(actor: &LoadActor) {
    // A server that is away is waited for; what was listed before will do meanwhile.
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

async fn listen(options: &Options, actor: &Arc<LoadActor>) -> anyhow::Result<Option<Listeners>> {
    if options.listeners == 0 {
        return Ok(None);
    }
    let data = actor.api.query(documents::CURSOR, &json!({})).await;
    let data = data.map_err(|failure| anyhow!("the feed of comments gives no cursor: {}", failure.message()))?;
    let listeners = Listeners::start(options.listeners, &options.urls, text_of(&data, "commentCursor"), actor);
    Ok(Some(listeners.await?))
}

/// What a run is found to be.
struct Verdict {
    conclusion: Option<Conclusion>,
    /// What is wrong, a sentence each.
    faults: Vec<String>,
}

/// What listeners have found and, if it is asked for, what comes of reading everything back.
async fn check(options: &Options, actor: &LoadActor, listeners: Option<&mut Listeners>) -> anyhow::Result<Verdict> {
    let mut faults = Vec::new();
    let mut read = false;
    if options.verify {
        match read_back(actor).await {
            Ok(()) => read = true,
            Err(failure) => faults.push(format!("nothing more can be read back: {}", failure.message())),
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

/// Reads back until nothing is wrong: a replica may lag behind for a while.
async fn read_back(actor: &LoadActor) -> Result<(), Failure> {
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

/// What makes a run a failure.
fn judge(report: &Report, outage: Option<Duration>) -> anyhow::Result<()> {
    if !report.faults.is_empty() {
        bail!("{} faults were found: the report lists them", report.faults.len());
    }
    if let Some(outage) = outage {
        bail!("the server has been away for the last {:.1} s", outage.as_secs_f64());
    }
    let (limited, asked) = report.limited();
    if limited * LIMITED_ONE_IN > asked {
        bail!("the server's limits refused {limited} of {asked} actions: {}", report.remedy());
    }
    if report.lines.iter().all(|line| line.done == 0) {
        bail!("nothing was done: the report has the reasons");
    }
    if let Some((rate, behind)) = report.rate
        && behind > BEHIND_MAX
    {
        bail!(
            "{rate} actions/s are out of reach: the load ended {:.1} s behind; ask for less, or give the server more",
            behind.as_secs_f64()
        );
    }
    Ok(())
}
