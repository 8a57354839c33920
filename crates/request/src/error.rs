//! The only errors that clients can see, each with a stable `extensions.code`.

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
use crate::retry::{self, LogLimiter};

/// The code of errors after which a retry may succeed.
pub const UNAVAILABLE: &str = "UNAVAILABLE";

/// The result of reads and changes.
pub type ApiResult<T> = Result<T, ApiError>;

/// Why a field has no value.
///
/// It has no `Display` on purpose: the text may contain an error of the database, which clients must never see. They
/// see what [`publish`](Self::publish) returns.
#[derive(Clone, Debug)]
pub enum ApiError {
    /// An argument is invalid: `BAD_USER_INPUT`.
    BadInput {
        /// The argument or input field, as a path: `filter.year.from`.
        field: String,
        /// The problem and the solution, without the field's name.
        message: String,
    },
    /// An object that another one refers to was deleted meanwhile: `NOT_FOUND`.
    Gone,
    /// The request is anonymous, and the field requires a signed-in user: `UNAUTHENTICATED`.
    Unauthenticated,
    /// The token is unknown, expired or revoked: `UNAUTHENTICATED`.
    UnknownToken,
    /// The viewer may not do this, regardless of the input: `FORBIDDEN`. The text says who may.
    Forbidden(&'static str),
    /// Too many requests or attempts in a period: `RATE_LIMITED`.
    RateLimited {
        /// What is limited, as the beginning of a sentence: "too many failed attempts".
        what: &'static str,
        /// The flag of the limit, without leading dashes.
        limit: &'static str,
        /// Its value.
        max: u64,
        /// The number of seconds after which a retry may succeed.
        retry_after_s: u64,
    },
    /// The server is at its capacity, for this reason: `UNAVAILABLE`.
    Busy(&'static str),
    /// The response exceeds its maximum size: `TOO_COMPLEX`.
    TooLarge {
        /// The maximum number of bytes.
        max: u64,
    },
    /// A shared limit is reached: `RATE_LIMITED` if it is one client's part, `UNAVAILABLE` if it is the whole.
    Exhausted(Exhausted),
    /// The request conflicts with the present state: `CONFLICT`.
    Conflict(String),
    /// A subscription cannot resume after the last event that the client saw: `CURSOR_EXPIRED`.
    CursorExpired,
    /// The database failed, and [`log_database`] has logged it: `UNAVAILABLE` if the database cannot be reached, else
    /// `INTERNAL`.
    Database(Arc<DbErr>),
    /// A change was sent, and its response was lost: `UNAVAILABLE`. It may have been made.
    Unknown,
    /// An internal error: `INTERNAL`. The text is logged, never sent.
    Internal(String),
}

/// Why a request is not executed, as in its response.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestError {
    /// The problem and the solution.
    pub message: String,
    /// The positions in the document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<SourcePosition>,
    /// The machine-readable part: `code` and more.
    pub extensions: Map<String, Value>,
}

impl RequestError {
    /// An error with a code.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        let extensions = Map::from_iter([("code".to_owned(), code.into())]);
        Self { message: message.into(), locations: Vec::new(), extensions }
    }

    /// The same with another extension.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extensions.insert(name.to_owned(), value.into());
        self
    }

    /// The number of seconds after which a retry may succeed.
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
    /// An error that names the invalid argument and the solution.
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
                ("TIMEOUT", "the database took too long; request less data".to_owned())
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

/// Logs a failure of the database where it is first seen, even if many fields fail with it. While the database is down,
/// all requests fail the same way, so this is logged only once in a while.
pub fn log_database(error: DbErr) -> Arc<DbErr> {
    static AWAY: Mutex<LogLimiter> = Mutex::new(LogLimiter::none());
    let (request_id, is_away) = (telemetry::request_id(), is_unavailable(&error));
    if !is_away {
        tracing::error!(request_id, "the database failed: {}", describe(&error));
    } else if let Some(others) = AWAY.lock().unwrap_or_else(PoisonError::into_inner).note(Instant::now()) {
        tracing::error!(request_id, others, "{}; {others} earlier requests failed the same way", describe(&error));
    }
    Arc::new(error)
}

/// A failure as the log describes it. The driver's pool only reports that it timed out; the code that had no connection
/// has [found out](is_exhausted) why.
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

/// The same for the driver's error.
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

/// Whether a statement was stopped because it took too long. PostgreSQL 57014: canceled, by `statement_timeout`; SQLite
/// 9: interrupted.
fn is_stopped(error: &DbErr) -> bool {
    database_code(error).is_some_and(|code| matches!(&*code, "57014" | "9"))
}

/// Whether the database does not serve now: it cannot be reached, is starting or stopping, or is at its capacity.
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

/// Whether the connection of a statement is no longer usable, even if it responds: it is broken, its server stops, or
/// is a standby now.
pub fn is_disconnected(error: &DbErr) -> bool {
    let broken = matches!(error, DbErr::Exec(_) | DbErr::Query(_))
        && matches!(driver_error(error), Some(sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_)));
    // PostgreSQL 08: the connection has failed; 57P: stopping or starting, or the database was dropped; 25P03 and
    // 25P04: a transaction was idle or took too long; 25006: a standby, or all transactions are read-only now.
    let said =
        |code: &str| code.starts_with("08") || code.starts_with("57P") || matches!(code, "25006" | "25P03" | "25P04");
    broken || database_code(error).is_some_and(|code| said(&code))
}

/// Whether the server rejects changes, although its connections respond: it is a standby now, or read-only. PostgreSQL
/// 25006.
pub fn is_read_only(error: &DbErr) -> bool {
    database_code(error).is_some_and(|code| code == "25006")
}

/// Whether the server accepts no further connections. It is then not away. PostgreSQL 53300.
pub fn is_full(error: &DbErr) -> bool {
    database_code(error).is_some_and(|code| code == "53300")
}

/// Whether the database's role lacks a right for a statement. PostgreSQL 42501.
pub fn lacks_rights(error: &DbErr) -> bool {
    database_code(error).is_some_and(|code| code == "42501")
}

/// Whether no connection was free in time, although the database can be reached: `Db::explain` has checked that.
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

/// Why the database cannot be written now, if that is why the change failed. An operator must solve it.
pub fn why_unwritable(error: &DbErr) -> Option<&'static str> {
    let code = database_code(error)?;
    match (&*code, sqlite_code(&code)) {
        // PostgreSQL: a read-only transaction, as on a standby; no space left on the device; an error of the file
        // system.
        ("25006", _) | (_, Some(8)) => Some("it is read-only"),
        ("53100", _) | (_, Some(13)) => Some("its disk is full"),
        ("58030", _) | (_, Some(10)) => Some("its files cannot be read or written"),
        (_, Some(14)) => Some("its files cannot be opened"),
        _ => None,
    }
}

fn explain_unwritable(error: &DbErr) -> String {
    // These affect reads too.
    let files =
        database_code(error).is_some_and(|code| &*code == "58030" || matches!(sqlite_code(&code), Some(10 | 14)));
    let what = if files { "read or write its files" } else { "be written" };
    format!("the database cannot {what} at the moment; try again later")
}

/// SQLite's primary code, the low byte: <https://sqlite.org/rescode.html>. `None` for a code of PostgreSQL: these have
/// five characters, and SQLite's have fewer.
fn sqlite_code(code: &str) -> Option<u32> {
    if code.len() >= 5 { None } else { code.parse::<u32>().ok().map(|code| code & 0xff) }
}

/// Whether a transaction failed only because of concurrent ones, and may be retried. PostgreSQL 40001 and 40P01: not
/// serializable, deadlock; SQLite: [busy](is_busy); both: the schema has [changed](is_stale).
pub fn is_transient(error: &DbErr) -> bool {
    let transient = |code: &str| matches!(code, "40001" | "40P01") || is_busy(code);
    database_code(error).is_some_and(|code| transient(&code)) || is_stale(error)
}

/// Whether a change violates a constraint of PostgreSQL, and so has changed nothing.
pub fn is_violation(error: &DbErr) -> bool {
    database_code(error).is_some_and(|code| code.len() == 5 && code.starts_with("23"))
}

/// Whether a statement was prepared before the schema changed, so that PostgreSQL no longer runs it.
pub fn is_stale(error: &DbErr) -> bool {
    driver_error(error).is_some_and(is_stale_statement)
}

/// The same for the driver's error. The code, 0A000, only means "not supported".
pub fn is_stale_statement(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
        .is_some_and(|error| error.code() == "0A000" && error.routine() == Some("RevalidateCachedQuery"))
}

fn database_code(error: &DbErr) -> Option<std::borrow::Cow<'_, str>> {
    database_error(error)?.code()
}

/// The error from the database itself, if there is one.
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
    /// The machine-readable part in addition to the code.
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
