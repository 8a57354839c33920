//! Drives a server as its users' programs do: the eleven actions, through the GraphQL API alone.
//!
//! - `preflight`: is there a server that we know? `accounts`: who acts.
//! - `documents`, `api`: what is asked, and getting an answer whatever happens to the server.
//! - `stock`: what there is to act on. `act`, `own`: does what the script says. `pace`: when.
//! - `listen`: subscribers that check what they get.
//! - `ledger`, `verify`: what was acknowledged, and whether it is there.
//! - `stats`, `report`, `screen`: what was done, how fast, and what went wrong.

mod accounts;
mod act;
mod api;
mod documents;
mod ledger;
mod listen;
mod own;
mod pace;
mod preflight;
mod report;
mod screen;
mod stats;
mod stock;
mod verify;

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{anyhow, bail};
use reqwest::Url;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;

use accounts::LoadAccounts;
use act::LoadActor;
use api::Api;
use ledger::{Ledger, text_of};
use listen::Listeners;
use pace::Behind;
pub use pace::Pace;
pub use preflight::parse_url;
use report::Report;
use screen::Screen;
use stats::Stats;
use stock::Stock;
use verify::Verdict;

use crate::interruption;
use crate::script::Mix;

/// How often publications are listed anew.
const PUBLICATIONS_EVERY: Duration = Duration::from_secs(5);
/// How often movies are.
const MOVIES_EVERY: Duration = Duration::from_secs(60);
/// One action in so many may be refused by the server's limits.
const LIMITED_ONE_IN: u64 = 100;
/// How far behind actions may be at the end before the rate counts as out of reach.
const BEHIND_MAX: Duration = Duration::from_secs(1);

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server.
    pub url: Url,
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
    /// Whether actions and the table are left out.
    pub quiet: bool,
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
    let actor = Arc::new(prepare(&options).await?);
    let load = async {
        let listeners = listen(&options, &actor).await?;
        let stats = Arc::new(Stats::new()?);
        let behind = drive(&options, &actor, &stats).await;
        let elapsed = stats.elapsed();
        let verdict = check(&options, &actor, listeners.as_ref()).await;
        Ok(Report {
            url: options.url.to_string(),
            run: actor.ledger.run().to_owned(),
            rng_seed: options.rng_seed,
            elapsed,
            lines: stats.lines(),
            examples: stats.examples(),
            retries: actor.api.retries(),
            limits: actor.api.limits(),
            outages: actor.api.outages(),
            listeners: listeners.map(|listeners| {
                let (events, connections) = listeners.counts();
                (options.listeners, events, connections)
            }),
            rate: match options.pace {
                Pace::Steady { rate, .. } => Some((rate, behind)),
                Pace::Paused { .. } => None,
            },
            read_back: options.verify.then_some(verdict.compared),
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
        () = twice => Err(anyhow!("ended by a second signal, without a report")),
    };
    let report = report?;
    let text = if options.json { report.to_json().to_string() } else { report.to_text() };
    // Whoever does not read it learns from the status how it went.
    let _ = writeln!(io::stdout(), "{text}");
    judge(&report, actor.api.outage())
}

/// Logs in, and looks at what there is.
async fn prepare(options: &Options) -> anyhow::Result<LoadActor> {
    let api = Api::new(options.url.clone(), Duration::ZERO)?;
    preflight::check(&api).await?;
    let accounts = LoadAccounts::log_in(&api, &options.password, options.members_max).await?;
    let api = Api::new(options.url.clone(), options.retry_for)?;
    let stock =
        Stock::read(&api).await.map_err(|failure| anyhow!("cannot list the catalogue: {}", failure.message()))?;
    if stock.is_empty() {
        bail!("the server has no movies: seed its database first (`seeder seed --with-demo-accounts`)");
    }
    let ledger = Ledger::new(format!("{:08x}", rand::random::<u32>()), options.verify);
    let (screen, stopper) = (Screen::new(options.quiet, options.json), watch::Sender::new(false));
    Ok(LoadActor { api, accounts, stock, ledger, screen, stopper })
}

/// Acts until it is time to stop, or somebody says so. Gives how far actions were behind.
async fn drive(options: &Options, actor: &Arc<LoadActor>, stats: &Arc<Stats>) -> Behind {
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
    let (behind, ()) = tokio::join!(acting, timing);
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
    let data = actor.api.query(None, documents::CURSOR, &json!({})).await;
    let data = data.map_err(|failure| anyhow!("the feed of comments gives no cursor: {}", failure.message()))?;
    let listeners = Listeners::start(options.listeners, &options.url, text_of(&data, "commentCursor"), actor);
    Ok(Some(listeners.await?))
}

/// What listeners have found and, if it is asked for, what comes of reading everything back.
async fn check(options: &Options, actor: &LoadActor, listeners: Option<&Listeners>) -> Verdict {
    let mut verdict = Verdict::default();
    let notes = actor.ledger.take();
    if options.verify
        && let Err(failure) = verify::verify(actor, &notes, &mut verdict).await
    {
        verdict.faults.push(format!("nothing more can be read back: {}", failure.message()));
    }
    if let Some(listeners) = listeners {
        if options.verify {
            verdict.faults.extend(listeners.compare(&notes).await);
        }
        verdict.faults.extend(listeners.faults());
    }
    verdict
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
