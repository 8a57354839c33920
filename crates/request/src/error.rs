//! The only failures that a client can see, each with a stable `extensions.code`.

mod codes;
mod outcome;

use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use graphql::{FieldError, SourcePosition};
use sea_orm::error::ConnAcquireErr;
use sea_orm::{DbErr, RuntimeErr};
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::postgres::PgDatabaseError;

pub use self::codes::{ERROR_CODES, ErrorCode};
pub use self::outcome::{OUTCOME, OUTCOME_NOTHING, OUTCOME_UNKNOWN, has_done_nothing, is_leaderless};
use crate::quota::Exhausted;
use crate::retry::{self, Repeats};

/// The code of what may be tried again later.
pub const UNAVAILABLE: &str = "UNAVAILABLE";

/// What reads and changes return.
pub type ApiResult<T> = Result<T, ApiError>;

/// Why a field has no value.
///
/// It has no `Display` on purpose: its text may hold what the database said, which clients never see. What they see is
/// what [`publish`](Self::publish) returns.
#[derive(Clone, Debug)]
pub enum ApiError {
    /// An argument is unusable: `BAD_USER_INPUT`.
    BadInput {
        /// The argument or input field, as a path: `filter.year.from`.
        field: String,
        /// What is wrong and what to do, without the field's name.
        message: String,
    },
    /// An object that another one refers to was deleted meanwhile: `NOT_FOUND`.
    Gone,
    /// Nobody is signed in, and somebody has to be: `UNAUTHENTICATED`.
    Unauthenticated,
    /// A token was given that is unknown, expired or revoked: `UNAUTHENTICATED`.
    UnknownToken,
    /// The viewer may not do this, whatever the input: `FORBIDDEN`. The text says who may.
    Forbidden(&'static str),
    /// Too often, or too many at once: `RATE_LIMITED`.
    RateLimited {
        /// What is limited, as a sentence's beginning: "too many failed attempts".
        what: &'static str,
        /// The flag of the limit, without dashes before it.
        limit: &'static str,
        /// Its value.
        max: u64,
        /// After how many seconds it is worth trying again.
        retry_after_s: u64,
    },
    /// There is no room at this moment, for this reason: `UNAVAILABLE`.
    Busy(&'static str),
    /// The answer would be larger than allowed: `TOO_COMPLEX`.
    TooLarge {
        /// Bytes at most.
        max: u64,
    },
    /// There is no more of what clients share: `RATE_LIMITED` for one client's part, `UNAVAILABLE` for all.
    Exhausted(Exhausted),
    /// What the field stands on does not go with the state it is in: `CONFLICT`.
    Conflict(String),
    /// A subscription cannot go on behind what the client saw last: `CURSOR_EXPIRED`.
    CursorExpired,
    /// The database failed, which [`log_database`] has logged: `UNAVAILABLE` when it cannot be
    /// reached, else `INTERNAL`.
    Database(Arc<DbErr>),
    /// A change was sent, and its answer was lost: `UNAVAILABLE`. It may have been made.
    Unknown,
    /// A fault of ours: `INTERNAL`. The text is logged, never sent.
    Internal(String),
}

/// Why a request is not executed, as its answer says it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestError {
    /// What is wrong, and what to do.
    pub message: String,
    /// Where, in the document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<SourcePosition>,
    /// What programs are told: `code` and more.
    pub extensions: Map<String, Value>,
}

impl RequestError {
    /// An error with a code.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        let extensions = Map::from_iter([("code".to_owned(), code.into())]);
        Self { message: message.into(), locations: Vec::new(), extensions }
    }

    /// The same with one more extension.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extensions.insert(name.to_owned(), value.into());
        self
    }

    /// After how many seconds it is worth trying again.
    pub fn retry_after_s(&self) -> Option<u64> {
        self.extensions.get(retry::EXTENSION).and_then(Value::as_u64)
    }

    /// The code.
    pub fn code(&self) -> &str {
        self.extensions.get("code").and_then(Value::as_str).unwrap_or_default()
    }
}

impl From<ApiError> for RequestError {
    fn from(error: ApiError) -> Self {
        let (code, message) = error.publish();
        error
            .extensions(code)
            .into_iter()
            .fold(Self::new(code, message), |found, (name, value)| found.with(name, value))
    }
}

impl ApiError {
    /// An error that names the unusable argument and the remedy.
    pub fn bad_input(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::BadInput { field: field.into(), message: message.into() }
    }

    /// The code and text for the client.
    pub fn publish(&self) -> (&'static str, String) {
        match self {
            Self::BadInput { field, message } => ("BAD_USER_INPUT", format!("{field}: {message}")),
            Self::Gone => ("NOT_FOUND", "an object was deleted while the query ran; run the query again".to_owned()),
            Self::Unauthenticated => {
                ("UNAUTHENTICATED", "sign in first: send the header Authorization: Bearer TOKEN".to_owned())
            }
            Self::UnknownToken => {
                ("UNAUTHENTICATED", "the token is unknown, expired or revoked; log in again".to_owned())
            }
            Self::Forbidden(message) => ("FORBIDDEN", (*message).to_owned()),
            Self::RateLimited { what, retry_after_s, .. } => {
                ("RATE_LIMITED", format!("{what}; try again in {retry_after_s} seconds"))
            }
            Self::Busy(reason) => ("UNAVAILABLE", format!("{reason}; try again")),
            Self::TooLarge { max } => (
                "TOO_COMPLEX",
                format!("the response exceeds the limit of {max} bytes; request smaller pages or split the request"),
            ),
            Self::Exhausted(exhausted) => exhausted.publish(),
            Self::Conflict(message) => ("CONFLICT", message.clone()),
            Self::CursorExpired => (
                "CURSOR_EXPIRED",
                "the cursor has expired; reload the list and subscribe after a new cursor"
                    .to_owned(),
            ),
            Self::Database(error) if is_stopped(error) => {
                ("TIMEOUT", "the database took too long; request less at once".to_owned())
            }
            Self::Database(error) if is_locked(error) => {
                ("UNAVAILABLE", "another transaction holds a lock that this request needs; try again".to_owned())
            }
            Self::Database(error) if is_exhausted(error) => {
                ("UNAVAILABLE", "all database connections are in use; try again".to_owned())
            }
            Self::Database(error) if why_unwritable(error).is_some() => ("UNAVAILABLE", explain_unwritable(error)),
            Self::Database(error) if is_unavailable(error) => {
                ("UNAVAILABLE", "the database cannot be reached at the moment; try again".to_owned())
            }
            Self::Database(error) if is_transient(error) => {
                ("UNAVAILABLE", "other requests are changing the same data; try again".to_owned())
            }
            Self::Database(error) if lacks_rights(error) => {
                ("UNAVAILABLE", "the server lacks rights in the database; its operator must grant them".to_owned())
            }
            Self::Unknown => (
                "UNAVAILABLE",
                "the connection to the database was lost; the change may have been made, so check before you send it again"
                    .to_owned(),
            ),
            Self::Database(_) => publish_internal(),
            Self::Internal(text) => {
                tracing::error!(request_id = telemetry::request_id(), "internal error: {text}");
                publish_internal()
            }
        }
    }
}

/// Logs a failure of the database where it is first seen, however many fields it fails. That it is away, it fails all
/// requests with, and the log says it once in a while.
pub fn log_database(error: DbErr) -> Arc<DbErr> {
    static AWAY: Mutex<Repeats> = Mutex::new(Repeats::none());
    let (request_id, is_away) = (telemetry::request_id(), is_unavailable(&error));
    if !is_away {
        tracing::error!(request_id, "the database failed: {}", describe(&error));
    } else if let Some(others) = AWAY.lock().unwrap_or_else(PoisonError::into_inner).note(Instant::now()) {
        tracing::error!(request_id, others, "{}; {others} requests failed so before", describe(&error));
    }
    Arc::new(error)
}

/// A failure as the log says it. The driver's pool says no more than that it timed out; whoever had no connection
/// has [looked](is_exhausted) why.
pub fn describe(error: &DbErr) -> String {
    match (error, driver_error(error)) {
        (DbErr::ConnectionAcquire(ConnAcquireErr::Timeout), _) => {
            "all connections to the database are in use: none was free in time".to_owned()
        }
        (DbErr::Conn(_), Some(sqlx::Error::Io(reason))) if reason.kind() == ErrorKind::TimedOut => {
            "the database is down, or cannot be reached: it does not answer".to_owned()
        }
        (DbErr::Conn(_), Some(sqlx::Error::Io(reason))) => {
            format!("the database is down, or cannot be reached: {reason}")
        }
        (_, Some(sqlx::Error::Database(reason))) if is_disconnected(error) => {
            format!("the database does not serve: {reason}")
        }
        (_, Some(reason)) if !matches!(reason, sqlx::Error::Database(_)) => describe_driver(reason),
        _ => error.to_string(),
    }
}

/// The same of the driver's error.
pub fn describe_driver(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::PoolTimedOut => "no connection to the database in time: it is down or busy".to_owned(),
        sqlx::Error::Io(reason) => format!("the connection to the database was lost: {reason}"),
        other => other.to_string(),
    }
}

fn publish_internal() -> (&'static str, String) {
    let message = match telemetry::request_id() {
        Some(id) => format!("internal error; the server's log has the details under request {id}"),
        None => "internal error; the server's log has the details".to_owned(),
    };
    ("INTERNAL", message)
}

/// Whether a statement was stopped for the time it took. PostgreSQL 57014: cancelled, which its
/// `statement_timeout` does; SQLite 9: interrupted.
fn is_stopped(error: &DbErr) -> bool {
    database_code(error).is_some_and(|code| matches!(&*code, "57014" | "9"))
}

/// Whether the database does not serve at the moment: it cannot be reached, is starting or stopping, or has no room.
pub fn is_unavailable(error: &DbErr) -> bool {
    match (error, driver_error(error)) {
        (DbErr::ConnectionAcquire(_) | DbErr::Conn(_), _) => true,
        (_, Some(sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed)) => true,
        // PostgreSQL 53: out of connections or memory. SQLite 7: out of memory.
        _ => {
            is_disconnected(error)
                || database_code(error).is_some_and(|code| code.starts_with("53") || sqlite_code(&code) == Some(7))
        }
    }
}

/// Whether the connection on which a statement was sent is of no more use, though it may answer: it has broken, its
/// server stops, or is a standby now.
pub fn is_disconnected(error: &DbErr) -> bool {
    let broken = matches!(error, DbErr::Exec(_) | DbErr::Query(_))
        && matches!(driver_error(error), Some(sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_)));
    // PostgreSQL 08: the connection has failed; 57P: stopping or starting, or the database was dropped; 25P03 and
    // 25P04: a transaction was idle, or took, too long; 25006: a standby, or all transactions are read-only now.
    let said =
        |code: &str| code.starts_with("08") || code.starts_with("57P") || matches!(code, "25006" | "25P03" | "25P04");
    broken || database_code(error).is_some_and(|code| said(&code))
}

/// Whether the server takes no changes, though its connections answer: it is a standby now, or read-only. PostgreSQL 25006.
pub fn is_read_only(error: &DbErr) -> bool {
    database_code(error).is_some_and(|code| code == "25006")
}

/// Whether the server has no room for another connection, so that it is not away. PostgreSQL 53300.
pub fn is_full(error: &DbErr) -> bool {
    database_code(error).is_some_and(|code| code == "53300")
}

/// Whether the database's role may not do what a statement says. PostgreSQL 42501.
pub fn lacks_rights(error: &DbErr) -> bool {
    database_code(error).is_some_and(|code| code == "42501")
}

/// Whether no connection was free in time, while the database can be reached:
/// `Db::explain` has looked.
fn is_exhausted(error: &DbErr) -> bool {
    matches!(error, DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))
}

/// Whether a lock was not free in time. PostgreSQL 55P03: its `lock_timeout`; SQLite: [busy](is_busy).
pub fn is_locked(error: &DbErr) -> bool {
    database_code(error).is_some_and(|code| code == "55P03" || is_busy(&code))
}

/// SQLite 5 and 6: another process holds the lock.
fn is_busy(code: &str) -> bool {
    matches!(sqlite_code(code), Some(5 | 6))
}

/// Why the database cannot be written at the moment, if that is why it failed: whoever runs it has to do something.
pub fn why_unwritable(error: &DbErr) -> Option<&'static str> {
    let code = database_code(error)?;
    match (&*code, sqlite_code(&code)) {
        // PostgreSQL: read-only transaction, as on a standby; no room left on the device; an error of the file system.
        ("25006", _) | (_, Some(8)) => Some("it is read-only"),
        ("53100", _) | (_, Some(13)) => Some("its disk is full"),
        ("58030", _) | (_, Some(10)) => Some("its files cannot be read or written"),
        (_, Some(14)) => Some("its files cannot be opened"),
        _ => None,
    }
}

fn explain_unwritable(error: &DbErr) -> String {
    // Reads may meet these too.
    let files =
        database_code(error).is_some_and(|code| &*code == "58030" || matches!(sqlite_code(&code), Some(10 | 14)));
    let what = if files { "read or write its files" } else { "be written" };
    format!("the database cannot {what} at the moment; try again later")
}

/// SQLite's primary code, the low byte: <https://sqlite.org/rescode.html>. `None` for a code of PostgreSQL, which has
/// five characters; SQLite's have fewer digits.
fn sqlite_code(code: &str) -> Option<u32> {
    if code.len() >= 5 { None } else { code.parse::<u32>().ok().map(|code| code & 0xff) }
}

/// Whether a transaction failed only because of others at the same moment, and may be run again.
/// PostgreSQL 40001 and 40P01: not serializable, deadlock; SQLite: [busy](is_busy); and a schema that has
/// [changed](is_stale).
pub fn is_transient(error: &DbErr) -> bool {
    let transient = |code: &str| matches!(code, "40001" | "40P01") || is_busy(code);
    database_code(error).is_some_and(|code| transient(&code)) || is_stale(error)
}

/// Whether a change violates a constraint of PostgreSQL, where it has changed nothing.
pub fn is_violation(error: &DbErr) -> bool {
    database_code(error).is_some_and(|code| code.len() == 5 && code.starts_with("23"))
}

/// Whether a statement was prepared before the schema changed, so that PostgreSQL does not run it any more.
pub fn is_stale(error: &DbErr) -> bool {
    driver_error(error).is_some_and(is_stale_statement)
}

/// The same of the driver's error. The code, 0A000, says only that something is not supported.
pub fn is_stale_statement(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
        .is_some_and(|error| error.code() == "0A000" && error.routine() == Some("RevalidateCachedQuery"))
}

fn database_code(error: &DbErr) -> Option<std::borrow::Cow<'_, str>> {
    database_error(error)?.code()
}

/// What the database itself has answered, if it has.
pub fn database_error(error: &DbErr) -> Option<&dyn sqlx::error::DatabaseError> {
    driver_error(error)?.as_database_error()
}

fn driver_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error))
        | DbErr::Conn(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

/// The flag of the limit of [`ApiError::TooLarge`].
pub const LIMIT_ANSWER_BYTES: &str = "limit-answer-bytes";

impl From<DbErr> for ApiError {
    fn from(error: DbErr) -> Self {
        Self::Database(log_database(error))
    }
}

impl From<Arc<DbErr>> for ApiError {
    fn from(error: Arc<DbErr>) -> Self {
        Self::Database(error)
    }
}

impl From<ApiError> for FieldError {
    fn from(error: ApiError) -> Self {
        let (code, message) = error.publish();
        let found = Self::new(code, message);
        error.extensions(code).into_iter().fold(found, |found, (name, value)| found.with(name, value))
    }
}

impl ApiError {
    /// What programs are told besides the code.
    pub fn extensions(&self, code: &str) -> Vec<(&'static str, Value)> {
        let mut extensions: Vec<(&'static str, Value)> = match self {
            Self::BadInput { field, .. } => vec![("field", field.as_str().into())],
            Self::RateLimited { limit, max, retry_after_s, .. } => {
                vec![("limit", (*limit).into()), ("max", (*max).into()), (retry::EXTENSION, (*retry_after_s).into())]
            }
            Self::TooLarge { max } => vec![("limit", LIMIT_ANSWER_BYTES.into()), ("max", (*max).into())],
            Self::Exhausted(exhausted) => vec![
                ("limit", exhausted.limit().into()),
                ("max", exhausted.max.into()),
                (retry::EXTENSION, exhausted.retry_after_s().into()),
            ],
            _ if code == UNAVAILABLE => vec![(retry::EXTENSION, retry::after_s(1).into())],
            _ => Vec::new(),
        };
        if code == "INTERNAL"
            && let Some(id) = telemetry::request_id()
        {
            extensions.push(("requestId", id.as_str().into()));
        }
        extensions
    }
}
