//! Why a pool has no connection: because all are in use, or because the server cannot be reached.

use std::sync::Arc;
use std::time::{Duration, Instant};

use request::error::is_full;
use sea_orm::error::ConnAcquireErr;
use sea_orm::{DatabaseConnection, DbBackend, DbErr, RuntimeErr};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// Finds out why a pool had no connection in time: the driver's pool says the same whether all are in use or
/// none can be made.
#[derive(Debug, Default)]
pub(super) struct Reach(Mutex<Option<(Instant, ProbeResult)>>);

/// Whether a connection could be made, or why not.
type ProbeResult = Result<(), Arc<sqlx::Error>>;

/// How long a look at the database may take, and how long its outcome counts for others.
const LOOK_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a server may take to refuse a connection.
const REFUSAL_TIMEOUT: Duration = Duration::from_millis(100);

impl Reach {
    /// Why the database cannot be reached, if that is why no connection was free in time.
    pub(super) async fn reason(&self, pool: &DatabaseConnection, error: &DbErr) -> Option<DbErr> {
        if !matches!(error, DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))
            || pool.get_database_backend() != DbBackend::Postgres
        {
            return None;
        }
        // Held while looking: one look serves all who wait, so that a full pool takes one connection more.
        let mut last = self.0.lock().await;
        let found = match &*last {
            Some((looked, found)) if looked.elapsed() < LOOK_TIMEOUT => found.clone(),
            _ => {
                let found = look(pool, LOOK_TIMEOUT).await;
                *last = Some((Instant::now(), found.clone()));
                found
            }
        };
        // Where the server has no room either, all are in use there, too.
        found.err().map(unreachable).filter(|reason| !is_full(reason))
    }
}

/// Why no connection can be made, if the server says so at once. The driver's pool goes on trying, and does not say it.
pub(super) async fn why_unreachable(pool: &DatabaseConnection) -> Option<DbErr> {
    look(pool, REFUSAL_TIMEOUT).await.err().map(unreachable)
}

fn unreachable(reason: Arc<sqlx::Error>) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(reason))
}

/// Whether a further connection could be made.
async fn look(pool: &DatabaseConnection, patience: Duration) -> ProbeResult {
    let options = pool.get_postgres_connection_pool().connect_options();
    match timeout(patience, sqlx::ConnectOptions::connect(options.as_ref())).await {
        Ok(Ok(connection)) => {
            // Its end is no concern of who waits.
            tokio::spawn(sqlx::Connection::close(connection));
            Ok(())
        }
        Ok(Err(error)) => Err(Arc::new(error)),
        Err(_) => Err(Arc::new(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))),
    }
}
