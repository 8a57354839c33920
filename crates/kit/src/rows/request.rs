//! What a request brings along, and what all requests share.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use db::ReadPool;
use graphql::{Batches, Columns, Context, FieldError, SharedRows};
use request::answer::Budget;
use request::error::{ApiError, ApiResult, log_database};
use request::policy;
use request::viewer::{Caller, Role, Viewer};
use sea_orm::DbErr;

use super::statement::{Statement, StatementTexts};
use super::table::Record;
use crate::registry_cache::RegistryCache;
use crate::services::WriteServices;

/// What all requests share.
pub struct Services {
    /// The pool for reads.
    pub db: ReadPool,
    /// Rows of registries that may be a moment old. Mutations' answers have none.
    pub registry_cache: Option<Arc<RegistryCache>>,
    /// Look-ups that requests make together.
    pub batches: Batches<Statement, Arc<DbErr>>,
    /// Texts of statements that were made before.
    pub texts: Arc<StatementTexts>,
    /// What mutations need.
    pub writes: Arc<WriteServices>,
}

impl Services {
    /// The same with reads that all see one moment, and share nothing with those of other requests.
    #[must_use]
    pub fn of_one_moment(&self) -> Self {
        Self {
            db: self.writes.db.snapshot(),
            registry_cache: None,
            batches: Batches::new(),
            texts: Arc::clone(&self.texts),
            writes: Arc::clone(&self.writes),
        }
    }
}

/// What one request brings along.
pub struct RequestData {
    /// What it shares with others.
    pub services: Arc<Services>,
    /// Who sends it, if a transport has said so.
    pub caller: Option<Caller>,
    /// What its answer may take, if a transport has said so.
    pub budget: Option<Arc<Budget>>,
    /// Rows that it may share with others, if it tells of an event.
    pub shared: Option<SharedRows<Statement>>,
}

impl fmt::Debug for RequestData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestData").field("caller", &self.caller).finish_non_exhaustive()
    }
}

/// Typed access to what a request brings along.
pub trait ContextExt {
    /// What the request brings along.
    fn request(&self) -> &RequestData;

    /// What requests share.
    fn services(&self) -> &Services {
        &self.request().services
    }

    /// The pool for reads.
    fn db(&self) -> &ReadPool {
        &self.services().db
    }

    /// Where the request comes from; 0.0.0.0 if no transport has said so.
    fn address(&self) -> IpAddr {
        self.request().caller.as_ref().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |caller| caller.address)
    }

    /// Who asks, if they are signed in.
    fn viewer(&self) -> Option<Viewer> {
        self.request().caller.as_ref()?.viewer
    }

    /// The viewer, who has this role or a higher one.
    ///
    /// # Errors
    /// Nobody is signed in, or somebody with a lower role.
    fn viewer_with(&self, role: Role) -> ApiResult<Viewer> {
        let viewer = self.viewer().ok_or(ApiError::Unauthenticated)?;
        policy::require(viewer, role).map(|()| viewer)
    }

    /// Whether this user asks.
    fn is_viewer(&self, user: i32) -> bool {
        self.viewer().is_some_and(|viewer| viewer.user == user)
    }
}

/// What `read` finds for these keys, by one statement with what other requests ask of it at the same time.
///
/// # Errors
/// The database failed.
pub async fn look_up<'a, V, R>(
    context: &'a Context,
    statement: &Statement,
    keys: &[i32],
    read: impl FnOnce(&'a ReadPool, Vec<i32>) -> R,
) -> Result<Arc<V>, FieldError>
where
    V: Send + Sync + 'static,
    R: Future<Output = Result<V, DbErr>>,
{
    look_up_columns(context, statement, (keys, 0), |db, keys, _| read(db, keys)).await
}

/// The same for rows: `read` finds these columns and those that others ask for.
///
/// # Errors
/// The database failed.
pub async fn look_up_columns<'a, V, R>(
    context: &'a Context,
    statement: &Statement,
    (keys, columns): (&[i32], Columns),
    read: impl FnOnce(&'a ReadPool, Vec<i32>, Columns) -> R,
) -> Result<Arc<V>, FieldError>
where
    V: Send + Sync + 'static,
    R: Future<Output = Result<V, DbErr>>,
{
    let services = context.services();
    let read = async |keys, columns| read(&services.db, keys, columns).await.map_err(log_database);
    gather(context, statement, (keys, columns), read).await
}

/// The same for a look-up that logs its errors.
///
/// # Errors
/// The database failed.
pub(super) async fn gather<V, R>(
    context: &Context,
    statement: &Statement,
    (keys, columns): (&[i32], Columns),
    read: impl FnOnce(Vec<i32>, Columns) -> R,
) -> Result<Arc<V>, FieldError>
where
    V: Send + Sync + 'static,
    R: Future<Output = Result<V, Arc<DbErr>>>,
{
    let RequestData { services, shared, .. } = context.request();
    let found = services.batches.read_columns((statement, shared.as_ref()), keys, columns, read).await;
    Ok(found.map_err(ApiError::from)?)
}

/// Counts the texts of rows, which are kept until the answer is written.
///
/// # Errors
/// The answer has no room for them.
pub fn count_texts<'r, N: Record + 'r>(context: &Context, rows: impl Iterator<Item = &'r N>) -> Result<(), FieldError> {
    match &context.request().budget {
        Some(budget) => Ok(budget.count_bytes(rows.map(N::text_bytes).sum()).map_err(ApiError::from)?),
        None => Ok(()),
    }
}

impl ContextExt for Context {
    fn request(&self) -> &RequestData {
        self.data()
    }
}
