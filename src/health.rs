//! Whether the server can serve, and what it has counted, as [`http`](crate::http) tells orchestrators.
//!
//! A task [looks](Health::watch) at the databases all the time, by connections of its own. Who asks is told what it saw
//! last, so that the answer waits for nothing.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use migration::SchemaState;
use migration::connect::Access;

use crate::db::{self, Db};
use crate::error::is_full;
use crate::http::{Readiness, Status};
use crate::metrics::{self, Pool};

/// Between two looks at the servers.
const LOOK_GAP: Duration = Duration::from_millis(250);

/// Between two looks at the schema and its triggers.
const SCHEMA_GAP: Duration = Duration::from_secs(1);

/// Between two looks at the rights, unless a change has failed for want of some.
const RIGHTS_GAP: Duration = Duration::from_secs(10);

/// A schema that cannot be read for so long is a reason not to serve; a connection that was cut is none.
const UNREAD_MAX: Duration = Duration::from_secs(3);

/// What the answers depend on. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Health {
    db: Db,
    stopping: Arc<AtomicBool>,
    seen: Arc<Mutex<HealthState>>,
}

/// What was seen last.
#[derive(Debug, Default)]
struct HealthState {
    /// Why nothing can be served, as the schema says.
    schema: Option<String>,
    schema_at: Option<Instant>,
    schema_read: Option<Instant>,
    /// Tables on which rights are missing, and when that was looked at.
    rights: Option<String>,
    rights_at: Option<Instant>,
    readiness: Option<Readiness>,
}

impl Health {
    /// The health of a server that uses this database. Nothing is known of it before the first [look](Self::look).
    pub fn new(db: Db) -> Self {
        Self { db, stopping: Arc::default(), seen: Arc::default() }
    }

    /// From now on the server is not ready.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Looks again and again; never ends by itself.
    pub async fn watch(self) {
        // One does not wait for the other: how soon a server is known to be away depends on the first.
        let servers = async {
            loop {
                tokio::time::sleep(LOOK_GAP).await;
                self.look_at_servers().await;
            }
        };
        let contents = async {
            loop {
                // Also between changes that fail one after the other.
                tokio::time::sleep(LOOK_GAP).await;
                if self.db.writes.wait_for_missing_rights().now_or_never().is_some() {
                    self.lock().rights_at = None;
                }
                self.look_at_contents().await;
            }
        };
        tokio::join!(servers, contents);
    }

    /// Looks at the servers, the schema and the rights.
    pub async fn look(&self) {
        self.db.cluster.look().await;
        self.look_at_contents().await;
    }

    async fn look_at_servers(&self) {
        self.db.cluster.look().await;
        self.tell();
    }

    /// From time to time looks at schema and rights.
    async fn look_at_contents(&self) {
        if self.is_due(|seen| seen.schema_at, SCHEMA_GAP) {
            self.look_at_schema().await;
        }
        if self.is_due(|seen| seen.rights_at, RIGHTS_GAP) && !self.db.cluster.is_leader_away() {
            self.look_at_rights().await;
        }
        self.tell();
    }

    /// Judges anew, and logs what has changed.
    fn tell(&self) {
        let readiness = self.judge();
        let before = self.lock().readiness.replace(readiness.clone());
        if before.is_some_and(|before| before != readiness) {
            match &readiness {
                Readiness::Full => tracing::info!("the server is ready again: {readiness}"),
                _ => tracing::warn!("the server's state: {readiness}"),
            }
        }
    }

    async fn look_at_schema(&self) {
        let (_, reader) = self.db.cluster.watchers();
        let found = self.db.cluster.in_time(async {
            match migration::compare(reader).await? {
                // Its triggers are others.
                SchemaState::Newer(_) | SchemaState::Ahead(_) => return Ok(None),
                SchemaState::Current => {}
                state => return Ok(Some(state.to_string())),
            }
            // Where the schema was read: a replica may have another one at this moment.
            let silent = migration::silent_triggers(reader).await?;
            Ok((!silent.is_empty()).then(|| format!("triggers do not fire: {}", silent.join(", "))))
        });
        let found = found.await;
        let now = Instant::now();
        let mut seen = self.lock();
        // If it cannot be read, the next look tries again.
        seen.schema_at = found.is_ok().then_some(now);
        match found {
            Ok(trouble) => {
                seen.schema = trouble;
                seen.schema_read = Some(now);
            }
            Err(error) => {
                tracing::debug!("the schema cannot be read: {error}");
                if is_full(&error) && seen.schema_read.is_some() {
                    // There is no room to look, and nothing says that it is another one.
                    seen.schema_read = Some(now);
                }
                if seen.schema_read.is_none_or(|read| now.duration_since(read) > UNREAD_MAX) {
                    seen.schema = Some("the schema cannot be read".to_owned());
                }
            }
        }
    }

    async fn look_at_rights(&self) {
        let (leader, _) = self.db.cluster.watchers();
        let missing = self.db.cluster.in_time(db::missing_rights(leader, Access::Write)).await;
        let mut seen = self.lock();
        seen.rights_at = Some(Instant::now());
        let Ok(missing) = missing else { return };
        let tables = missing.iter().map(|missing| missing.table.as_str()).collect::<Vec<_>>().join(", ");
        let trouble = (!missing.is_empty()).then(|| format!("the server's role lacks rights on {tables}"));
        if trouble.is_some() && seen.rights != trouble {
            let grants: Vec<_> = missing.iter().map(db::MissingRights::grant).collect();
            tracing::error!("the server's role lacks rights; let the owner of the tables run: {}", grants.join(" "));
        }
        seen.rights = trouble;
    }

    /// A newer schema is no reason to refuse: while a new version is rolled out, the old one goes on serving.
    fn judge(&self) -> Readiness {
        let (cluster, seen) = (&self.db.cluster, self.lock());
        let is_replica_away = cluster.is_replica_away();
        if cluster.is_leader_away() && is_replica_away != Some(false) {
            return Readiness::Down("the database does not answer".to_owned());
        }
        if let Some(trouble) = &seen.schema {
            return Readiness::Down(trouble.clone());
        }
        if cluster.is_leader_away() {
            return Readiness::ReadOnly("no database accepts changes".to_owned());
        }
        if let Some(reason) = self.db.writes.trouble() {
            let reason = format!("the database cannot be written: {reason}");
            // On SQLite there is no other instance that could do it.
            return match self.db.write.get_database_backend() {
                sea_orm::DbBackend::Postgres => Readiness::ReadOnly(reason),
                _ => Readiness::Stuck(reason),
            };
        }
        match &seen.rights {
            Some(trouble) => Readiness::ReadOnly(trouble.clone()),
            None => Readiness::Full,
        }
    }

    fn is_due(&self, at: impl Fn(&HealthState) -> Option<Instant>, gap: Duration) -> bool {
        at(&self.lock()).is_none_or(|at| at.elapsed() >= gap)
    }

    fn lock(&self) -> MutexGuard<'_, HealthState> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Status for Health {
    fn ready(&self) -> Readiness {
        if self.stopping.load(Ordering::Relaxed) {
            return Readiness::Down("the server is shutting down".to_owned());
        }
        self.lock().readiness.clone().unwrap_or_else(|| Readiness::Down("the server is starting".to_owned()))
    }

    fn metrics(&self) -> Result<String, fmt::Error> {
        let pools = self.db.pools().into_iter();
        metrics::render(pools.map(|(name, used)| Pool { name, max: used.max, open: used.open, in_use: used.in_use }))
    }
}
