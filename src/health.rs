//! Whether the server can serve, and its metrics, as [`http`](crate::http) reports them to orchestrators.
//!
//! A task [looks](Health::watch) at the databases continuously, with its own connections. A health check returns what
//! it saw last, so that the response waits for nothing.

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

/// The interval of looks at the servers.
const LOOK_GAP: Duration = Duration::from_millis(250);

/// The interval of looks at the schema and its triggers.
const SCHEMA_GAP: Duration = Duration::from_secs(1);

/// The interval of looks at the rights, unless a change has failed because of missing rights.
const RIGHTS_GAP: Duration = Duration::from_secs(10);

/// A schema that cannot be read for this long is a reason not to serve. A single broken connection is not.
const UNREAD_MAX: Duration = Duration::from_secs(3);

/// The state behind the responses. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Health {
    db: Db,
    stopping: Arc<AtomicBool>,
    seen: Arc<Mutex<HealthState>>,
}

/// The last observations.
#[derive(Debug, Default)]
struct HealthState {
    /// Why the schema prevents serving.
    schema: Option<String>,
    schema_at: Option<Instant>,
    schema_read: Option<Instant>,
    /// Tables with missing rights, and when they were checked.
    rights: Option<String>,
    rights_at: Option<Instant>,
    readiness: Option<Readiness>,
}

impl Health {
    /// The health of a server with this database. It is unknown before the first [look](Self::look).
    pub fn new(db: Db) -> Self {
        Self { db, stopping: Arc::default(), seen: Arc::default() }
    }

    /// From now on the server is not ready.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Looks continuously. Never returns.
    pub async fn watch(self) {
        // They do not wait for each other: the first determines how soon a lost server is noticed.
        let servers = async {
            loop {
                tokio::time::sleep(LOOK_GAP).await;
                self.look_at_servers().await;
            }
        };
        let contents = async {
            loop {
                // Also a pause between consecutive failed changes.
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
        self.update();
    }

    /// Looks at the schema and the rights at their intervals.
    async fn look_at_contents(&self) {
        if self.is_due(|seen| seen.schema_at, SCHEMA_GAP) {
            self.look_at_schema().await;
        }
        if self.is_due(|seen| seen.rights_at, RIGHTS_GAP) && !self.db.cluster.is_leader_away() {
            self.look_at_rights().await;
        }
        self.update();
    }

    /// Updates the readiness, and logs what has changed.
    fn update(&self) {
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
                // Its triggers may differ.
                SchemaState::Newer(_) | SchemaState::Ahead(_) => return Ok(None),
                SchemaState::Current => {}
                state => return Ok(Some(state.to_string())),
            }
            // On the server where the schema was read: a replica may have another one now.
            let silent = migration::silent_triggers(reader).await?;
            Ok((!silent.is_empty()).then(|| format!("triggers do not fire: {}", silent.join(", "))))
        });
        let found = found.await;
        let now = Instant::now();
        let mut seen = self.lock();
        // If it could not be read, the next look tries again.
        seen.schema_at = found.is_ok().then_some(now);
        match found {
            Ok(trouble) => {
                seen.schema = trouble;
                seen.schema_read = Some(now);
            }
            Err(error) => {
                tracing::debug!("the schema cannot be read: {error}");
                if is_full(&error) && seen.schema_read.is_some() {
                    // There is no room for a look, and nothing indicates another leader.
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

    /// A newer schema is not a reason to refuse: during a rollout, the previous version continues to serve.
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
            // With SQLite, no other instance could do it.
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
