//! Drives a server as its users' programs do: the eleven actions, through the GraphQL API alone.
//!
//! - `preflight`: is there a server that we know? `accounts`: who acts.
//! - `documents`, `api`: what is asked, and getting an answer whatever happens to the server.
//! - `stock`: what there is to act on. `act`: does what the script says. `pace`: when.
//! - `listen`: subscribers that check what they get.
//! - `ledger`, `verify`: what was acknowledged, and whether it is there.
//! - `stats`, `report`: what was done, how fast, and what went wrong.

mod accounts;
mod act;
mod api;
mod documents;
mod ledger;
mod listen;
mod pace;
mod preflight;
mod report;
mod stats;
mod stock;
mod verify;

use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{anyhow, bail};
use indicatif::ProgressBar;
use reqwest::Url;
use seeder::script::Mix;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{interval, sleep};

use accounts::Accounts;
use act::{Actor, print_line};
use api::Api;
use ledger::{Ledger, text_of};
use listen::Listeners;
pub use pace::Pace;
pub use preflight::parse_url;
use report::Report;
use stats::Stats;
use stock::Stock;
use verify::Verdict;

/// How often publications are listed anew.
const REFRESH_EVERY: Duration = Duration::from_secs(5);
/// How often the table is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(500);
/// How late actions may begin before the rate counts as out of reach.
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

/// Runs a load until its time is over or `interruption` resolves, and reports.
///
/// # Errors
/// The load cannot start; what was read back is not what was acknowledged; the rate was out of
/// reach; nothing at all was done.
pub async fn run(options: Options, interruption: impl Future<Output = ()>) -> anyhow::Result<()> {
    let api = Api::new(options.url.clone(), Duration::ZERO)?;
    preflight::check(&api).await?;
    let accounts = Accounts::log_in(&api, &options.password, options.members_max).await?;
    let api = Api::new(options.url.clone(), options.retry_for)?;
    let stock = Stock::read(&api).await.map_err(|failure| anyhow!("cannot list the catalogue: {}", failure.message()))?;
    if stock.subject(stock::Kind::Movie, seeder::script::Draw::FIRST).is_none() {
        bail!("the server has no movies: seed its database first (`seeder seed --with-demo-accounts`)");
    }

    let bar = (!options.quiet && io::stderr().is_terminal()).then(|| {
        let style = indicatif::ProgressStyle::with_template("{msg}");
        ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_spinner()))
    });
    let ledger = Ledger::new(format!("{:08x}", rand::random::<u32>()));
    let actor = Arc::new(Actor { api, accounts, stock, ledger, print: printer(&options, bar.clone()) });
    let stats = Arc::new(Stats::new()?);
    let listeners = start_listeners(&options, &actor).await?;

    let (stopper, stop) = watch::channel(false);
    let acting = pace::act(&actor, &stats, &options.pace, &options.mix, options.rng_seed, &stop);
    let timing = async {
        tokio::select! {
            () = wait(options.duration) => {}
            () = interruption => {}
            () = keep_fresh(&actor, &stats, bar.as_ref()) => {}
        }
        // An error means that nobody acts any more.
        let _ = stopper.send(true);
        stats.elapsed()
    };
    let (behind, elapsed) = tokio::join!(acting, timing);
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }

    let verdict = if options.verify { Some(check(&actor, listeners.as_ref()).await) } else { None };
    let report = Report {
        url: options.url.to_string(),
        run: actor.ledger.run().to_owned(),
        rng_seed: options.rng_seed,
        elapsed,
        lines: stats.lines(),
        retries: actor.api.retries(),
        outages: actor.api.outages(),
        listeners: listeners.map(|listeners| {
            let (events, connections) = listeners.counts();
            (options.listeners, events, connections)
        }),
        rate: match options.pace {
            Pace::Steady { rate, .. } => Some((rate, behind)),
            Pace::Paused { .. } => None,
        },
        verdict,
    };
    print_line(&if options.json { report.to_json().to_string() } else { report.to_text() });
    judge(&report, elapsed)
}

/// What makes a run a failure.
fn judge(report: &Report, elapsed: Duration) -> anyhow::Result<()> {
    if let Some(verdict) = &report.verdict
        && !verdict.faults.is_empty()
    {
        bail!("{} faults were found: the report lists them", verdict.faults.len());
    }
    if report.lines.iter().all(|line| line.done == 0) {
        bail!("nothing was done: the report has the reasons");
    }
    if let Some((rate, behind)) = report.rate
        && behind > BEHIND_MAX.max(elapsed.mul_f64(0.05))
    {
        bail!(
            "{rate} actions/s are out of reach: the last began {:.1} s late; ask for less, or give the server more",
            behind.as_secs_f64()
        );
    }
    Ok(())
}

fn printer(options: &Options, bar: Option<ProgressBar>) -> Box<act::Printer> {
    if options.quiet || options.json {
        return Box::new(|_| {});
    }
    match bar {
        // Above the table.
        Some(bar) => Box::new(move |line| bar.suspend(|| print_line(line))),
        None => Box::new(print_line),
    }
}

async fn start_listeners(options: &Options, actor: &Arc<Actor>) -> anyhow::Result<Option<Listeners>> {
    if options.listeners == 0 {
        return Ok(None);
    }
    let data = actor.api.query(None, documents::CURSOR, &json!({})).await;
    let data = data.map_err(|failure| anyhow!("the feed of comments gives no cursor: {}", failure.message()))?;
    let cursor = text_of(&data, "commentCursor");
    Ok(Some(Listeners::start(options.listeners, &options.url, cursor, actor)))
}

async fn wait(duration: Option<Duration>) {
    match duration {
        Some(duration) => sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// Lists publications anew and draws the table, for ever.
async fn keep_fresh(actor: &Actor, stats: &Stats, bar: Option<&ProgressBar>) {
    let refresh = async {
        loop {
            sleep(REFRESH_EVERY).await;
            // A server that is away is waited for; what was listed before will do meanwhile.
            let _ = actor.stock.refresh(&actor.api).await;
        }
    };
    let draw = async {
        let mut ticks = interval(DRAW_EVERY);
        loop {
            ticks.tick().await;
            if let Some(bar) = bar {
                bar.set_message(report::table(&stats.lines(), stats.elapsed()));
                bar.tick();
            }
        }
    };
    tokio::join!(refresh, draw);
}

async fn check(actor: &Actor, listeners: Option<&Listeners>) -> Verdict {
    let mut verdict = Verdict::default();
    if let Some(listeners) = listeners {
        verdict.faults.extend(listeners.verify().await);
    }
    match verify::verify(actor).await {
        Ok(read) => {
            verdict.compared = read.compared;
            verdict.faults.extend(read.faults);
        }
        Err(failure) => verdict.faults.push(format!("nothing more can be read back: {}", failure.message())),
    }
    verdict
}
