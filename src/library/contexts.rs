//! The data of requests: what their operations read from.

use std::sync::Arc;

use graphql::{Context, OperationKind, Prepared};

use super::Backends;
use crate::answer::Budget;
use crate::comment::objects::CommentCursor;
use crate::executor;
use crate::kit::rows::{RequestData, Services};
use crate::viewer::Caller;

/// Makes the contexts of operations.
pub struct DomainContexts {
    queries: Arc<Services>,
    changes: Arc<Services>,
}

impl DomainContexts {
    /// Contexts with these backends.
    pub fn new(Backends { queries, changes }: Backends) -> Self {
        Self { queries: Arc::new(queries), changes: Arc::new(changes) }
    }
}

impl executor::Contexts for DomainContexts {
    fn context(&self, kind: OperationKind, caller: Caller, budget: Arc<Budget>) -> Context {
        let services = match kind {
            OperationKind::Query => &self.queries,
            OperationKind::Mutation | OperationKind::Subscription => &self.changes,
        };
        let data = RequestData { services: Arc::clone(services), caller: Some(caller), budget: Some(budget) };
        Context::new(Arc::new(data))
    }

    fn context_of(&self, prepared: &Prepared, caller: Caller, budget: Arc<Budget>) -> Context {
        if !joins_cursor(prepared) {
            return self.context(prepared.kind(), caller, budget);
        }
        let services = Arc::new(self.queries.of_one_moment());
        Context::new(Arc::new(RequestData { services, caller: Some(caller), budget: Some(budget) }))
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
