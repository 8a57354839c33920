//! When actions start: with the original's pauses, or at a fixed rate however slow the server is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::sleep_until;

use super::act::{ActionOutcome, LoadActor};
use super::stats::Stats;
use crate::script::{Action, LoadScript, Mix};

/// The rate or the workers.
#[derive(Clone, Debug)]
pub enum Pace {
    /// Workers. Each does all actions in parallel with their pauses.
    Paused {
        /// The number of workers.
        workers: u32,
    },
    /// A fixed rate, however long actions take.
    Steady {
        /// Actions per second.
        rate: f64,
        /// Maximum number of concurrent actions.
        in_flight_max: usize,
    },
}

/// How late the last action started or, if longer, how long running actions took to end when the time was over. Zero
/// with pauses.
pub type Behind = Duration;

/// Acts until the actor is stopped, then waits for running actions.
pub async fn act(actor: &Arc<LoadActor>, stats: &Arc<Stats>, pace: &Pace, mix: &Mix, rng_seed: u64) -> Behind {
    let stop = actor.stopper.subscribe();
    match pace {
        Pace::Paused { workers } => {
            let mut loops = JoinSet::new();
            for worker in 0..*workers {
                for action in Action::ALL.into_iter().filter(|action| mix.weight(*action) > 0.0) {
                    let script = LoadScript::paced(rng_seed, worker, action, mix);
                    loops.spawn(with_pauses(Arc::clone(actor), Arc::clone(stats), script, stop.clone()));
                }
            }
            loops.join_all().await;
            Duration::ZERO
        }
        Pace::Steady { rate, in_flight_max } => {
            steadily(actor, stats, LoadScript::mixed(rng_seed, mix, *rate), *in_flight_max, stop).await
        }
    }
}

async fn with_pauses(actor: Arc<LoadActor>, stats: Arc<Stats>, script: LoadScript, mut stop: watch::Receiver<bool>) {
    for step in script {
        tokio::select! {
            () = tokio::time::sleep(step.pause) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let began = Instant::now();
        let outcome = actor.perform(&step).await;
        note(&actor, &stats, step.action, began.elapsed(), &outcome);
    }
}

/// Counts an action, and warns of each limit of the server when it is first reached.
fn note(actor: &LoadActor, stats: &Stats, action: Action, took: Duration, outcome: &ActionOutcome) {
    stats.count(action, took, outcome);
    if outcome.is_err() {
        for warning in actor.api.new_limits() {
            actor.screen.warn(&warning);
        }
    }
}

/// Starts each action at its scheduled time. If it starts late because too many are running, its latency still counts
/// from the scheduled time.
async fn steadily(
    actor: &Arc<LoadActor>,
    stats: &Arc<Stats>,
    script: LoadScript,
    in_flight_max: usize,
    mut stop: watch::Receiver<bool>,
) -> Behind {
    let free = Arc::new(Semaphore::new(in_flight_max));
    let mut under_way = JoinSet::new();
    let mut due = Instant::now();
    let mut behind = Duration::ZERO;
    for step in script {
        due += step.pause;
        let permit = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            permit = async {
                sleep_until(due.into()).await;
                Arc::clone(&free).acquire_owned().await
            } => permit,
        };
        let Ok(permit) = permit else { break };
        behind = due.elapsed();
        let (actor, stats) = (Arc::clone(actor), Arc::clone(stats));
        under_way.spawn(async move {
            let outcome = actor.perform(&step).await;
            note(&actor, &stats, step.action, due.elapsed(), &outcome);
            drop(permit);
        });
        while let Some(ended) = under_way.try_join_next() {
            ended.unwrap_or_else(pass_on);
        }
    }
    // An action that was due and did not start is as late as it is now.
    behind = behind.max(due.elapsed());
    let stopped = Instant::now();
    under_way.join_all().await;
    behind.max(stopped.elapsed())
}

/// A panic in an action ends the load.
fn pass_on(ended: JoinError) {
    if let Ok(panic) = ended.try_into_panic() {
        std::panic::resume_unwind(panic);
    }
}
