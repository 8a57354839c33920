//! The feed of comments: every committed event, once, in one order that is the same for all.
//! `docs/subscriptions.md` has the promise and its basis.
//!
//! Triggers write events ([`event`]) in the transaction of the change. One [`tail`] per instance reads them, with the
//! SQL of [`source`], into the [`hub`], which keeps the newest in memory and has an inbox for each follower. After a
//! commit, [`Wake`] wakes the tail.
//!
//! A [`follower`] starts at a [`cursor`]. It reads from the table, then from memory, then from its inbox. The last
//! step is taken under the hub's lock, so nothing is missed between them.
//!
//! Listeners with the same [`operation`] (the plan, the variables without the cursor, and the viewer if the plan is
//! personal) form a [`group`] with one follower and one [`execution`], which resolves up to 32 events at once.
//! Results go through a shared ring: a slow listener costs nothing, and is ended when it is overtaken. [`share`]
//! sends a returning listener what it missed, with an execution for that, and then adds it to its group.
//!
//! [`retention`] removes old events.

mod cursor;
mod event;
mod execution;
mod follower;
mod group;
mod hub;
mod list_cursor;
mod operation;
mod retention;
mod share;
mod source;
mod stamping;
mod tail;
#[cfg(test)]
mod testing;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use db::{Db, Wake};
use tokio::task::JoinSet;

pub use cursor::{CursorScope, FeedCursor, ListedEvents, Snapshot};
pub use event::{About, Event, EventKind, Kinds, Mark, Position, Stamp, Topic};
pub use execution::EventWithCursor;
pub use hub::Hub;
pub use operation::{ReadRootField, RootField};
pub use retention::remove as remove_old_events;
pub use share::SharedExecutor;
pub use source::{CONNECTIONS_MAX, Source};

use hub::RECENT_MAX;
use tail::Tail;

/// The settings of the feed.
#[derive(Clone, Copy, Debug)]
pub struct FeedSettings {
    /// The longest pause before looking for new events.
    pub pause: Duration,
    /// How long events are stored.
    pub retention: Duration,
}

/// The running feed. It ends when this is dropped.
#[derive(Debug)]
pub struct Feed {
    /// The shared state of the listeners.
    pub hub: Arc<Hub>,
    /// Call this after a commit.
    pub wake: Wake,
    tasks: JoinSet<()>,
}

impl Feed {
    /// Reads the current position, and starts to follow the feed.
    ///
    /// # Errors
    /// The feed cannot be read.
    pub async fn start(db: &Db, settings: FeedSettings) -> anyhow::Result<Self> {
        let source = Source::new(db);
        let newest = async {
            if db.cluster.is_leader_away() {
                // When there is a leader, the tail continues from there, or restarts if the leader has another
                // history.
                return Ok(source::of_replica(db).await?.read_newest(RECENT_MAX).await?);
            }
            source::settle(&db.write).await?;
            anyhow::Ok(source.connect().await?.read_newest(RECENT_MAX).await?)
        };
        let newest = newest.await.context("cannot read the feed of comments")?;
        let (hub, wake) = (Arc::new(Hub::new(source, newest)), Wake::default());
        let tail = Tail {
            hub: Arc::clone(&hub),
            db: db.write.clone(),
            cluster: db.cluster.clone(),
            wake: wake.clone(),
            pause: settings.pause,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(tail.run());
        tasks.spawn(retention::run(db.clone(), settings.retention));
        Ok(Self { hub, wake, tasks })
    }

    /// Ends all listeners and closes the feed's connections.
    pub async fn close(mut self) {
        self.hub.stop();
        self.tasks.shutdown().await;
        self.hub.source.close().await;
    }
}
