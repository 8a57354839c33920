//! The only failures that a client can see, each with a stable `extensions.code`.

use std::sync::Arc;

use async_graphql::{ErrorExtensions, Response, ServerError};
use sea_orm::{DbErr, RuntimeErr};

use crate::telemetry;

/// What every resolver returns.
pub type ApiResult<T> = Result<T, ApiError>;

/// Why a field has no answer.
///
/// It has no `Display` on purpose: async-graphql would send the text of any `Display` error
/// to the client, and with it whatever the database said.
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
    /// The database failed, which [`log_database`] has logged: `UNAVAILABLE` when it cannot be
    /// reached, else `INTERNAL`.
    Database(Arc<DbErr>),
    /// A fault of ours: `INTERNAL`. The text is logged, never sent.
    Internal(String),
}

impl ApiError {
    /// An error that names the unusable argument and the remedy.
    pub fn bad_input(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::BadInput { field: field.into(), message: message.into() }
    }

    /// The code and text for the client.
    fn publish(&self) -> (&'static str, String) {
        match self {
            Self::BadInput { field, message } => ("BAD_USER_INPUT", format!("{field}: {message}")),
            Self::Gone => ("NOT_FOUND", "an object was deleted while the query ran; repeat the query".to_owned()),
            Self::Database(error) if is_unavailable(error) => {
                ("UNAVAILABLE", "the database cannot be reached at the moment; try again".to_owned())
            }
            Self::Database(_) => publish_internal(),
            Self::Internal(text) => {
                tracing::error!(request_id = telemetry::request_id(), "internal error: {text}");
                publish_internal()
            }
        }
    }
}

/// Gives a code to the errors that async-graphql itself has made.
pub fn add_codes(response: &mut Response) {
    for error in &mut response.errors {
        if error.extensions.as_ref().is_some_and(|extensions| extensions.get("code").is_some()) {
            continue;
        }
        // An argument that does not parse has a path, a document that is invalid has none.
        let code = match error.message.as_str() {
            "Query is nested too deep." | "Query is too complex." => "TOO_COMPLEX",
            text if text.starts_with("The recursion depth of the query") => "TOO_COMPLEX",
            _ if error.path.is_empty() => "GRAPHQL_VALIDATION_FAILED",
            _ => "BAD_USER_INPUT",
        };
        error.extensions.get_or_insert_default().set("code", code);
    }
}

/// The answer to a document that is no GraphQL.
pub fn answer_syntax_error(mut error: ServerError) -> Response {
    error.extensions.get_or_insert_default().set("code", "GRAPHQL_PARSE_FAILED");
    Response::from_errors(vec![error])
}

/// Logs a failure of the database where it is first seen, however many fields it fails.
pub fn log_database(error: DbErr) -> Arc<DbErr> {
    tracing::error!(request_id = telemetry::request_id(), "the database failed: {error}");
    Arc::new(error)
}

fn publish_internal() -> (&'static str, String) {
    let message = match telemetry::request_id() {
        Some(id) => format!("internal error; the server's log has the details under request {id}"),
        None => "internal error; the server's log has the details".to_owned(),
    };
    ("INTERNAL", message)
}

fn is_unavailable(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => match &**error {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
            // PostgreSQL 57P: shutting down or starting up; 53: out of connections, memory or
            // disk. SQLite 5 and 6: locked.
            sqlx::Error::Database(error) => error
                .code()
                .is_some_and(|code| code.starts_with("57P") || code.starts_with("53") || matches!(&*code, "5" | "6")),
            _ => false,
        },
        _ => false,
    }
}

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

impl From<ApiError> for async_graphql::Error {
    fn from(error: ApiError) -> Self {
        let (code, message) = error.publish();
        Self::new(message).extend_with(|_, extensions| {
            extensions.set("code", code);
            if let ApiError::BadInput { field, .. } = &error {
                extensions.set("field", field.as_str());
            }
            if code == "INTERNAL"
                && let Some(id) = telemetry::request_id()
            {
                extensions.set("requestId", id.as_str());
            }
        })
    }
}
