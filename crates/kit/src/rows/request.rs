//! The data of a request, and what all requests share.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use db::ReadPool;
use graphql::{Batches, Columns, Context, FieldError, SharedRows};
use request::budget::Budget;
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
    /// Cached registry rows. The responses of mutations do not use them.
    pub registry_cache: Option<Arc<RegistryCache>>,
    /// Look-ups that several requests share.
    pub batches: Batches<Statement, Arc<DbErr>>,
    /// Cached texts of statements.
    pub texts: Arc<StatementTexts>,
    /// The services that mutations need.
    pub writes: Arc<WriteServices>,
}

impl Services {
    /// The same, with reads that all see one snapshot and are not shared with other requests.
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

/// The data of one request.
pub struct RequestData {
    /// The services that it shares with others.
    pub services: Arc<Services>,
    /// The caller. `None` if the transport has not set it.
    pub caller: Option<Caller>,
    /// The size limit of the response. `None` if the transport has not set it.
    pub budget: Option<Arc<Budget>>,
    /// Rows that it may share with others, if it reports an event.
    pub shared: Option<SharedRows<Statement>>,
}

impl fmt::Debug for RequestData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestData").field("caller", &self.caller).finish_non_exhaustive()
    }
}

/// Typed access to the data of a request.
pub trait ContextExt {
    /// The data of the request.
    fn request(&self) -> &RequestData;

    /// What requests share.
    fn services(&self) -> &Services {
        &self.request().services
    }

    /// The pool for reads.
    fn db(&self) -> &ReadPool {
        &self.services().db
    }

    /// The address that the request comes from; 0.0.0.0 if the transport has not set it.
    fn address(&self) -> IpAddr {
        self.request().caller.as_ref().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |caller| caller.address)
    }

    /// The viewer, if signed in.
    fn viewer(&self) -> Option<Viewer> {
        self.request().caller.as_ref()?.viewer
    }

    /// The viewer, if they have this role or a higher one.
    ///
    /// # Errors
    /// The viewer is anonymous or has a lower role.
    fn viewer_with(&self, role: Role) -> ApiResult<Viewer> {
        let viewer = self.viewer().ok_or(ApiError::Unauthenticated)?;
        policy::require(viewer, role).map(|()| viewer)
    }

    /// Whether this user is the viewer.
    fn is_viewer(&self, user: i32) -> bool {
        self.viewer().is_some_and(|viewer| viewer.user == user)
    }
}

/// Finds these keys with `read`, in one statement with the keys of concurrent requests.
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

/// The same for rows: `read` finds these columns and those that other requests need.
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

/// Counts the texts of rows, which are held until the response is written.
///
/// # Errors
/// The response has no room for them.
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
