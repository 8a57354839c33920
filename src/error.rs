//! The only failures that a client can see, each with a stable `extensions.code`.

use std::sync::Arc;

use async_graphql::{ErrorExtensions, Response, ServerError};
use sea_orm::{DbErr, RuntimeErr};

use crate::complete::Asked;
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
            Self::Database(error) if is_stopped(error) => {
                ("TIMEOUT", "the database took too long; ask for less at once".to_owned())
            }
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
///
/// An error without a path is of validation: nothing was executed. Of those with a path, resolvers
/// have given theirs a code, and what remains is an argument that its type refuses. Anything else is
/// an error that has become a message by its `Display`: it is logged, and hidden.
pub fn add_codes(asked: &Asked, response: &mut Response) {
    for error in &mut response.errors {
        if error.extensions.as_ref().is_some_and(|extensions| extensions.get("code").is_some()) {
            continue;
        }
        let argument = error.locations.iter().find_map(|position| asked.argument_at(*position));
        let code = match argument {
            _ if error.path.is_empty() => "GRAPHQL_VALIDATION_FAILED",
            Some(_) => "BAD_USER_INPUT",
            None => {
                let (code, message) = ApiError::Internal(std::mem::take(&mut error.message)).publish();
                error.message = message;
                code
            }
        };
        let extensions = error.extensions.get_or_insert_default();
        extensions.set("code", code);
        if let Some(argument) = argument {
            extensions.set("field", argument.as_str());
        }
        if code == "INTERNAL"
            && let Some(id) = telemetry::request_id()
        {
            extensions.set("requestId", id.as_str());
        }
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

/// Whether a statement was stopped for the time it took. PostgreSQL 57014: cancelled, which its
/// `statement_timeout` does; SQLite 9: interrupted.
fn is_stopped(error: &DbErr) -> bool {
    database_code(error).is_some_and(|code| matches!(&*code, "57014" | "9"))
}

fn is_unavailable(error: &DbErr) -> bool {
    match (error, driver_error(error)) {
        (DbErr::ConnectionAcquire(_) | DbErr::Conn(_), _) => true,
        (_, Some(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed)) => true,
        // PostgreSQL 57P: shutting down or starting up; 53: out of connections, memory or
        // disk. SQLite 5 and 6: locked.
        _ => database_code(error)
            .is_some_and(|code| code.starts_with("57P") || code.starts_with("53") || matches!(&*code, "5" | "6")),
    }
}

fn database_code(error: &DbErr) -> Option<std::borrow::Cow<'_, str>> {
    driver_error(error)?.as_database_error()?.code()
}

fn driver_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
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
