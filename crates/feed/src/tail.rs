//! Reads the feed for all listeners of this instance. One reader keeps its position however often the database is
//! down.

use std::sync::Arc;
use std::time::Duration;

use db::{Cluster, Wake};
use futures_util::future::pending;
use migration::connect;
use request::error::{describe, describe_driver, is_stale_statement};
use request::planted::{self, PlantedFault};
use sea_orm::DatabaseConnection;
use telemetry::metrics;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::event::Event;
use super::hub::{Hub, RECENT_MAX};
use super::source::{FeedConnection, FeedOrder, TickRow, settle};

/// Maximum number of events in one statement.
const PAGE: usize = 1_000;

/// A statement that takes longer waits for a database that is gone.
pub(super) const TIMEOUT: Duration = Duration::from_secs(15);

/// Minimum time between two looks, however many hints come.
const GAP_MIN: Duration = Duration::from_millis(1);

/// The same when comments are frequent: a tick had several, or came right after another. Each tick is a commit, so
/// comments within this time share one.
const GAP_MIN_BUSY: Duration = Duration::from_millis(5);

/// Comments are frequent if new events of two looks are closer than this.
const BUSY: Duration = Duration::from_millis(3);

/// The time between two looks while events wait for a transaction to end: at first, and later.
const SHORT: Duration = Duration::from_millis(2);
const SHORT_MAX: Duration = Duration::from_millis(50);

/// Minimum time between two hints to other instances.
const NOTIFY_GAP: Duration = Duration::from_millis(5);

/// The pause before a reconnect: at first, and later.
const RETRY: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// Reads the feed into a hub.
pub(super) struct Tail {
    pub(super) hub: Arc<Hub>,
    /// The database, to start a new epoch.
    pub(super) db: DatabaseConnection,
    /// Reports when there is a leader again.
    pub(super) cluster: Cluster,
    /// Set when this instance has committed something.
    pub(super) wake: Wake,
    /// The longest pause between two looks.
    pub(super) pause: Duration,
}

/// Why the feed cannot be read at the moment.
#[derive(Debug, thiserror::Error)]
pub(super) enum TailError {
    #[error("{}", describe_driver(.0))]
    Read(#[from] sqlx::Error),
    #[error("{}", describe(.0))]
    Settle(#[from] sea_orm::DbErr),
    #[error("no answer within {TIMEOUT:?}")]
    Silence,
}

impl TailError {
    /// Prepares the next attempt.
    pub(super) fn prepare_retry(&self) {
        if let Self::Read(error) = self
            && is_stale_statement(error)
        {
            connect::forget_statements();
        }
    }
}

impl Tail {
    /// Runs forever.
    pub(super) async fn run(self) {
        let mut retry = RETRY;
        loop {
            let started = Instant::now();
            let Err(trouble) = self.follow().await;
            trouble.prepare_retry();
            metrics::feed().connected.set(0);
            if started.elapsed() > RETRY_MAX {
                retry = RETRY;
                tracing::warn!("the feed has lost its connection to the database, trying again: {trouble}");
            } else {
                tracing::debug!("the feed cannot read the database yet: {trouble}");
            }
            self.cluster.pause(retry).await;
            retry = RETRY_MAX.min(retry * 2);
        }
    }

    async fn follow(&self) -> Result<std::convert::Infallible, TailError> {
        let settled = timeout(TIMEOUT, settle(&self.db)).await.map_err(|_| TailError::Silence)??;
        if settled {
            tracing::warn!("the feed's events are of another database: starting a new epoch; cursors expire");
        }
        let mut connection = timeout(TIMEOUT, self.hub.source.connect()).await.map_err(|_| TailError::Silence)??;
        timeout(TIMEOUT, connection.prepare_to_tick()).await.map_err(|_| TailError::Silence)??;
        let hints = Wake::default();
        // Aborted when this is dropped.
        let mut listening = tokio::task::JoinSet::new();
        let (source, call) = (self.hub.source.clone(), hints.clone());
        listening.spawn(async move {
            loop {
                if let Err(error) = listen(&source, &call).await {
                    tracing::debug!("cannot receive hints of other instances: {error}");
                }
                sleep(RETRY_MAX).await;
            }
        });
        self.hub.stamping.begin();
        let outcome = self.poll(&mut connection, &hints).await;
        self.hub.stamping.end();
        connection.discard();
        outcome
    }

    async fn poll(&self, connection: &mut FeedConnection, hints: &Wake) -> Result<std::convert::Infallible, TailError> {
        let mut short = SHORT;
        let mut looked;
        let mut news_at: Option<Instant> = None;
        // Whether to notify others of this instance's commits.
        let mut tell = false;
        let mut told = Instant::now();
        loop {
            looked = Instant::now();
            let look = timeout(TIMEOUT, self.look(connection)).await.map_err(|_| TailError::Silence)??;
            let Look { has_events, is_waiting, by_tick, gap, .. } = look;
            if tell && (has_events || is_waiting) && told.elapsed() >= NOTIFY_GAP {
                timeout(TIMEOUT, connection.notify()).await.map_err(|_| TailError::Silence)??;
                tell = false;
                told = Instant::now();
            } else if !has_events && !is_waiting {
                tell = false;
            }
            if look.has_more {
                continue;
            }
            short = if has_events || !is_waiting { SHORT } else { SHORT_MAX.min(short * 2) };
            let pause = match (is_waiting, tell) {
                (true, _) => short.min(self.pause),
                (false, true) => NOTIFY_GAP.min(self.pause),
                (false, false) => self.pause,
            };
            tokio::select! {
                () = self.wake.called() => tell = true,
                () = hints.called() => {}
                () = self.hub.stamping.wanted() => {}
                () = sleep_until(looked + pause) => {}
            }
            // A commit right after another: read both in one look.
            let is_close = has_events && news_at.is_some_and(|news_at| looked - news_at < BUSY);
            let gap = if by_tick && is_close { GAP_MIN_BUSY } else { gap };
            if has_events {
                news_at = Some(looked);
            }
            if looked.elapsed() < gap {
                sleep_until(looked + gap).await;
            }
        }
    }

    /// Dispatches new events.
    async fn look(&self, connection: &mut FeedConnection) -> Result<Look, TailError> {
        let request = self.hub.stamping.take();
        let tick = connection.tick().await?.filter(|tick| tick.order == FeedOrder::Ticks);
        self.hub.stamping.note(request, tick.as_ref());
        metrics::feed().ticked(tick.as_ref().map(|tick| tick.made));
        let (epoch, end) = self.hub.position();
        if let Some(TickRow { epoch: current, .. }) = tick.as_ref().filter(|tick| tick.end() == end)
            && *current == epoch
        {
            metrics::feed().looked(Duration::ZERO);
            // Also without events: the database has answered.
            self.hub.dispatch(&[]);
            return Ok(Look::default());
        }
        let mut page = connection.read(end, None, i64::try_from(PAGE).unwrap_or(i64::MAX)).await?;
        metrics::feed().looked(page.waiting.unwrap_or_default());
        if page.epoch != epoch || !page.intact {
            tracing::warn!("the database has another history than before: listeners have to restart");
            let newest = connection.read_newest(RECENT_MAX).await?;
            self.hub.restart(newest);
            return Ok(Look::default());
        }
        disturb(&mut page.events).await;
        self.hub.dispatch(&page.events);
        let is_full = page.events.len() == PAGE;
        let by_tick = page.order == FeedOrder::Ticks;
        if by_tick && !is_full && page.edge.position > end.position {
            self.hub.advance(page.edge);
        }
        let is_behind = |tick: &TickRow| by_tick && tick.tick > page.edge.position.tick;
        Ok(Look {
            has_events: !page.events.is_empty(),
            has_more: is_full || tick.as_ref().is_some_and(is_behind),
            is_waiting: page.waiting.is_some(),
            by_tick,
            gap: if by_tick && page.events.len() > 1 { GAP_MIN_BUSY } else { GAP_MIN },
        })
    }
}

/// The result of a look.
struct Look {
    has_events: bool,
    /// There are more events than were read.
    has_more: bool,
    /// An event is committed, but cannot be read yet.
    is_waiting: bool,
    by_tick: bool,
    /// The pause before the next look.
    gap: Duration,
}

impl Default for Look {
    fn default() -> Self {
        Self { has_events: false, has_more: false, is_waiting: false, by_tick: false, gap: GAP_MIN }
    }
}

/// Causes a planted fault, in a build for that. The last event stays, since the next look continues after it.
async fn disturb(events: &mut Vec<Event>) {
    let faults = [PlantedFault::DropEvent, PlantedFault::RepeatEvent, PlantedFault::SwapEvents];
    let Some(fault) = faults.into_iter().find(|fault| planted::is_planted(*fault)) else { return };
    // So that the next look has several.
    sleep(SHORT_MAX * 4).await;
    if events.len() < 3 || !planted::strikes(fault) {
        return;
    }
    match fault {
        PlantedFault::DropEvent => drop(events.remove(0)),
        PlantedFault::RepeatEvent => events.insert(0, events[0]),
        _ => events.swap(0, 1),
    }
}

/// Receives the hints of other instances until the connection is lost.
async fn listen(source: &super::source::Source, hints: &Wake) -> Result<(), sqlx::Error> {
    let Some(mut listener) = source.listen().await? else { return pending().await };
    while listener.try_recv().await?.is_some() {
        hints.call();
    }
    Ok(())
}
