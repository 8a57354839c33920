//! The feed of comments: every committed one, once, in one order that is the same for all.
//! `docs/subscriptions.md` has the promise and what it rests on.
//!
//! Triggers write events ([`event`]) in the transaction of the change. One [`tail`] an instance reads
//! them, by the SQL of [`source`], into the [`hub`], which keeps the newest. A [`follower`] reads on
//! from there or from a [`cursor`]. Each [`group`] of listeners with the same [`document`] has one, and
//! one [`execution`] for all of them; [`share`] catches up whoever comes back and lets it join.
//! [`retention`] removes what is old.

mod cursor;
mod document;
mod event;
mod execution;
mod follower;
mod group;
mod hub;
mod retention;
mod share;
mod source;
mod tail;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;

pub use cursor::Cursor;
pub use event::{About, Event, Kind, Kinds, Mark, Position, Topic};
pub use execution::{Sent, events};
pub use hub::Hub;
pub use retention::remove as remove_old_events;
pub use share::Shared;
pub use source::Source;

use crate::db::Db;
use crate::kit::Wake;
use hub::RECENT_MAX;
use tail::Tail;

/// How the feed is run.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
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
    pub async fn start(db: &Db, settings: Settings) -> anyhow::Result<Self> {
        let source = Source::new(db);
        let newest = async {
            source::settle(&db.write).await?;
            anyhow::Ok(source.connect().await?.read_newest(RECENT_MAX).await?)
        };
        let newest = newest.await.context("cannot read the feed of comments; is --database-url a standby?")?;
        let (hub, wake) = (Arc::new(Hub::new(source, newest)), Wake::default());
        let tail = Tail { hub: Arc::clone(&hub), db: db.write.clone(), wake: wake.clone(), pause: settings.pause };
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
