//! The data of requests: what their operations read from.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use graphql::{Context, FoundRows, OperationKind, Prepared, SharedRows};

use super::Backends;
use crate::answer::Budget;
use crate::comment::objects::CommentCursor;
use crate::executor;
use crate::kit::rows::{RequestData, Services, Statement};
use crate::viewer::Caller;

/// How long rows are kept for the executions of events at most. They are gone before that if none runs.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// Makes the contexts of operations.
pub struct DomainContexts {
    queries: Arc<Services>,
    changes: Arc<Services>,
    event_rows: Mutex<EventRows>,
}

/// The rows that the executions of events have read lately.
struct EventRows {
    rows: Weak<FoundRows<Statement>>,
    begun: Instant,
}

impl DomainContexts {
    /// Contexts with these backends.
    pub fn new(Backends { queries, changes }: Backends) -> Self {
        let event_rows = Mutex::new(EventRows { rows: Weak::new(), begun: Instant::now() });
        Self { queries: Arc::new(queries), changes: Arc::new(changes), event_rows }
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
        let services = Arc::clone(services);
        Context::new(Arc::new(RequestData { services, caller: Some(caller), budget: Some(budget), shared: None }))
    }

    fn event_context(&self, caller: Caller, budget: Arc<Budget>, since: Instant) -> Context {
        let (services, shared) = (Arc::clone(&self.changes), SharedRows { rows: self.event_rows(), since });
        let (caller, budget, shared) = (Some(caller), Some(budget), Some(shared));
        Context::new(Arc::new(RequestData { services, caller, budget, shared }))
    }

    fn context_of(&self, prepared: &Prepared, caller: Caller, budget: Arc<Budget>) -> Context {
        if !joins_cursor(prepared) {
            return self.context(prepared.kind(), caller, budget);
        }
        let services = Arc::new(self.queries.of_one_moment());
        Context::new(Arc::new(RequestData { services, caller: Some(caller), budget: Some(budget), shared: None }))
    }
}

/// Whether a query reads the feed's cursor together with something else: what that shows, the cursor stands behind.
fn joins_cursor(prepared: &Prepared) -> bool {
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
