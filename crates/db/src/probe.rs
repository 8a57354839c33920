//! Why a pool has no free connection: all are in use, or the server cannot be reached.

use std::sync::Arc;
use std::time::{Duration, Instant};

use request::error::is_full;
use sea_orm::error::ConnAcquireErr;
use sea_orm::{DatabaseConnection, DbBackend, DbErr, RuntimeErr};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// Finds out why a pool had no connection in time. The driver's pool returns the same error if all are in use and if
/// none can be opened.
#[derive(Debug, Default)]
pub(super) struct ConnectionProbe(Mutex<Option<(Instant, ProbeResult)>>);

/// Whether a connection could be opened, or why not.
type ProbeResult = Result<(), Arc<sqlx::Error>>;

/// The timeout of a test connection, and how long its result is reused.
const LOOK_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a server may take to refuse a connection.
const REFUSAL_TIMEOUT: Duration = Duration::from_millis(100);

impl ConnectionProbe {
    /// Why the database cannot be reached, if that is why no connection was free in time.
    pub(super) async fn reason(&self, pool: &DatabaseConnection, error: &DbErr) -> Option<DbErr> {
        if !matches!(error, DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))
            || pool.get_database_backend() != DbBackend::Postgres
        {
            return None;
        }
        // Held during the test: one test serves all waiters, so that a full pool opens only one more connection.
        let mut last = self.0.lock().await;
        let found = match &*last {
            Some((looked, found)) if looked.elapsed() < LOOK_TIMEOUT => found.clone(),
            _ => {
                let found = look(pool, LOOK_TIMEOUT).await;
                *last = Some((Instant::now(), found.clone()));
                found
            }
        };
        // If the server is full, its connections are all in use: the pool's error is right.
        found.err().map(unreachable).filter(|reason| !is_full(reason))
    }
}

/// Why no connection can be opened, if the server says so immediately. The driver's pool retries without an error.
pub(super) async fn why_unreachable(pool: &DatabaseConnection) -> Option<DbErr> {
    look(pool, REFUSAL_TIMEOUT).await.err().map(unreachable)
}

fn unreachable(reason: Arc<sqlx::Error>) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(reason))
}

/// Whether another connection could be opened.
async fn look(pool: &DatabaseConnection, patience: Duration) -> ProbeResult {
    let options = pool.get_postgres_connection_pool().connect_options();
    match timeout(patience, sqlx::ConnectOptions::connect(options.as_ref())).await {
        Ok(Ok(connection)) => {
            // Waiters do not have to wait until it is closed.
            tokio::spawn(sqlx::Connection::close(connection));
            Ok(())
        }
        Ok(Err(error)) => Err(Arc::new(error)),
        Err(_) => Err(Arc::new(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))),
    }
}
