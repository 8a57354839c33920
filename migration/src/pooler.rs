//! Poolers between the program and PostgreSQL: whether a connection is a session.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, raw_sql};

/// The problem with a pooler that shares sessions, and the remedy.
pub const SHARED: &str = "in transaction mode or statement mode, in which prepared statements, settings and LISTEN do \
                          not stay with their connection: set pool_mode = session, or connect to PostgreSQL directly";

/// The number of attempts: other clients of the pooler may use sessions meanwhile.
const LOOKS: usize = 3;

/// Whether statements of one connection may run in different sessions, as with PgBouncer in transaction mode. Then
/// prepared statements are missing or already exist, and settings and `LISTEN` belong to others.
///
/// While one connection has an open transaction, another one cannot get the same session. Direct connections keep
/// theirs.
///
/// # Errors
/// PostgreSQL cannot be reached.
pub async fn shares_sessions(options: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let (mut one, mut other) = (options.connect().await?, options.connect().await?);
    let mut shares = false;
    for _ in 0..LOOKS {
        let before = read_session(&mut one).await?;
        match raw_sql("BEGIN").execute(&mut other).await {
            Ok(_) => {}
            // PgBouncer: "transaction blocks not allowed in statement pooling mode".
            Err(sqlx::Error::Database(error)) if error.message().contains("statement pooling mode") => return Ok(true),
            Err(error) => return Err(error),
        }
        let held = read_session(&mut other).await?;
        // In this order: the session in use may be the pooler's only one.
        shares = before == held || before != read_session(&mut one).await?;
        raw_sql("ROLLBACK").execute(&mut other).await?;
        if shares {
            break;
        }
    }
    one.close().await?;
    other.close().await?;
    Ok(shares)
}

/// Whether an error with this code says that a prepared statement is missing, or exists already: the session is not the
/// one that prepared it. [`shares_sessions`] may not notice while the pooler is still opening its sessions.
pub fn is_of_another_session(code: &str) -> bool {
    matches!(code, "26000" | "42P05")
}

/// The number of the session that runs a statement. Uses the simple protocol, which prepares nothing.
async fn read_session(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    raw_sql("SELECT pg_backend_pid()").fetch_one(connection).await?.try_get(0)
}
