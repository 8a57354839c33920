//! The data of requests: the services that their operations use.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use graphql::{Context, FoundRows, OperationKind, PreparedOperation, SharedRows};
use quick_cache::sync::Cache;

use super::Backends;
use crate::budget::Budget;
use crate::comment::objects::CommentCursor;
use crate::db::Db;
use crate::executor;
use crate::kit::rows::{RequestData, Services, Statement};
use crate::position::{Position, ReadsFrom};
use crate::viewer::{Caller, Viewer};

/// The maximum number of sessions with a known position.
const SESSIONS_MAX: usize = 10_000;

/// How long a position is remembered. Replicas that lag this much are not used.
const KNOWN_FOR: Duration = Duration::from_secs(600);

/// The maximum age of rows that executions for events share. The rows are dropped earlier if none runs.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// Makes the contexts of operations.
pub struct DomainContexts {
    queries: Arc<Services>,
    fresh_queries: Arc<Services>,
    changes: Arc<Services>,
    db: Db,
    /// The positions that sessions must see, by session key, and when they were recorded.
    positions: Cache<i32, (Position, Instant)>,
    event_rows: Mutex<EventRows>,
}

/// The rows that recent executions for events have read.
struct EventRows {
    rows: Weak<FoundRows<Statement>>,
    begun: Instant,
}

impl DomainContexts {
    /// Contexts with these backends.
    pub fn new(Backends { queries, fresh_queries, changes, db }: Backends) -> Self {
        let [queries, fresh_queries, changes] = [queries, fresh_queries, changes].map(Arc::new);
        let event_rows = Mutex::new(EventRows { rows: Weak::new(), begun: Instant::now() });
        Self { queries, fresh_queries, changes, db, positions: Cache::new(SESSIONS_MAX), event_rows }
    }

    fn known(&self, viewer: Option<Viewer>) -> Option<Position> {
        let (position, since) = self.positions.get(&viewer?.session)?;
        (since.elapsed() < KNOWN_FOR).then_some(position)
    }

    fn note(&self, viewer: Option<Viewer>, position: Position) {
        if let Some(viewer) = viewer {
            let position = self.known(Some(viewer)).map_or(position, |known| known.max(position));
            self.positions.insert(viewer.session, (position, Instant::now()));
        }
    }

    fn context_with(services: &Arc<Services>, caller: Caller, budget: Arc<Budget>) -> Context {
        let services = Arc::clone(services);
        Context::new(Arc::new(RequestData { services, caller: Some(caller), budget: Some(budget), shared: None }))
    }

    async fn choose(&self, caller: &Caller) -> ReadsFrom {
        if !self.db.has_replicas() {
            return ReadsFrom::Replicas;
        }
        let Some(position) =
            caller.after.map(|after| self.known(caller.viewer).map_or(after, |known| known.max(after)))
        else {
            // For a signed-in user, the leader was queried.
            return if caller.viewer.is_some() { Db::without_leader() } else { ReadsFrom::Replicas };
        };
        let (reads_from, position) = self.db.reads_after(position).await;
        if reads_from != ReadsFrom::StaleReplicas {
            self.note(caller.viewer, position);
        }
        reads_from
    }

    fn event_rows(&self) -> Arc<FoundRows<Statement>> {
        let mut current = self.event_rows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rows) = current.rows.upgrade().filter(|_| current.begun.elapsed() < KEPT_FOR) {
            return rows;
        }
        let rows = Arc::new(FoundRows::new());
        *current = EventRows { rows: Arc::downgrade(&rows), begun: Instant::now() };
        rows
    }
}

impl executor::Contexts for DomainContexts {
    fn context(&self, kind: OperationKind, caller: Caller, budget: Arc<Budget>) -> Context {
        let services = match kind {
            OperationKind::Query => &self.queries,
            OperationKind::Mutation | OperationKind::Subscription => &self.changes,
        };
        Self::context_with(services, caller, budget)
    }

    fn query_context(
        &self,
        prepared: &PreparedOperation,
        reads_from: ReadsFrom,
        caller: Caller,
        budget: Arc<Budget>,
    ) -> Context {
        if joins_cursor(prepared) {
            return Self::context_with(&Arc::new(self.queries.of_one_moment()), caller, budget);
        }
        let services = match reads_from {
            ReadsFrom::Replicas | ReadsFrom::StaleReplicas => &self.queries,
            ReadsFrom::FreshReplicas => &self.fresh_queries,
            ReadsFrom::Leader => &self.changes,
        };
        Self::context_with(services, caller, budget)
    }

    fn reads_from<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, ReadsFrom> {
        Box::pin(self.choose(caller))
    }

    fn asks_positions(&self) -> bool {
        self.db.has_replicas() && !self.db.cluster.is_leader_away()
    }

    fn position_after(&self, viewer: Option<Viewer>) -> BoxFuture<'_, Option<Position>> {
        Box::pin(async move {
            if !self.db.has_replicas() {
                return None;
            }
            // Without a position, the client would continue with an older one and might not see its change.
            let Some(position) = self.db.position().await else { return Some(Position::UNKNOWN) };
            self.note(viewer, position);
            Some(position)
        })
    }

    fn event_context(&self, caller: Caller, budget: Arc<Budget>, since: Instant) -> Context {
        let (services, shared) = (Arc::clone(&self.changes), SharedRows { rows: self.event_rows(), since });
        let (caller, budget, shared) = (Some(caller), Some(budget), Some(shared));
        Context::new(Arc::new(RequestData { services, caller, budget, shared }))
    }
}

/// Whether a query reads the feed's cursor together with other fields. The cursor must then be the position after what
/// these show.
fn joins_cursor(prepared: &PreparedOperation) -> bool {
    let is_cursor = |field: &str| field == CommentCursor::FIELD;
    prepared.kind() == OperationKind::Query
        && prepared.root_fields().any(is_cursor)
        && prepared.root_fields().any(|field| !is_cursor(field) && !field.starts_with("__"))
}

impl std::fmt::Debug for DomainContexts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contexts").finish_non_exhaustive()
    }
}
