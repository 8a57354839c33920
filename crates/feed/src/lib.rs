//! The feed of comments: every committed one, once, in one order that is the same for all.
//! `docs/subscriptions.md` has the promise and what it rests on.
//!
//! Triggers write events ([`event`]) in the transaction of the change. One [`tail`] an instance reads them, by the SQL of
//! [`source`], into the [`hub`], which keeps the newest in memory, and has an inbox for each that follows. Who commits
//! calls [`Wake`], which the tail waits for.
//!
//! A [`follower`] starts at a [`cursor`]. It reads from the table, then from memory, then from its inbox. The last step is
//! taken under the hub's lock, so nothing falls between.
//!
//! Listeners with the same [`operation`] (the plan, the variables without the cursor, and the viewer if the plan is
//! personal) are a [`group`], with one follower and one [`execution`], which resolves up to 32 events at once. Results go
//! through a ring that all share: a slow listener costs nothing, and is ended when it is overtaken. [`share`] gives whoever
//! comes back what it missed, by an execution of its own, and then lets it join its group where that stands.
//!
//! [`retention`] removes what is old.

mod cursor;
mod event;
mod execution;
mod follower;
mod group;
mod hub;
mod joined;
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

pub use cursor::{CursorScope, FeedCursor, Seen, Snapshot};
pub use event::{About, Event, EventKind, Kinds, Mark, Position, Stamp, Topic};
pub use execution::EventWithCursor;
pub use hub::Hub;
pub use operation::{ReadRootField, RootField};
pub use retention::remove as remove_old_events;
pub use share::SharedExecutor;
pub use source::{CONNECTIONS_MAX, Source};

use hub::RECENT_MAX;
use tail::Tail;

/// How the feed is run.
#[derive(Clone, Copy, Debug)]
pub struct FeedSettings {
    /// How long to wait at most before looking for new events.
    pub pause: Duration,
    /// How long events are kept.
    pub retention: Duration,
}

/// The running feed; it ends when this is dropped.
#[derive(Debug)]
pub struct Feed {
    /// What those who listen share.
    pub hub: Arc<Hub>,
    /// To be called after a commit.
    pub wake: Wake,
    tasks: JoinSet<()>,
}

impl Feed {
    /// Reads where the feed stands, and begins to follow it.
    ///
    /// # Errors
    /// The feed cannot be read.
    pub async fn start(db: &Db, settings: FeedSettings) -> anyhow::Result<Self> {
        let source = Source::new(db);
        let newest = async {
            if db.cluster.is_leader_away() {
                // The tail goes on from there once there is a leader, or begins anew if it has another history.
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

    /// Ends all listening and closes the feed's connections.
    pub async fn close(mut self) {
        self.hub.stop();
        self.tasks.shutdown().await;
        self.hub.source.close().await;
    }
}
