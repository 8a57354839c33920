//! The outcome of a failed change: nothing was changed, or the outcome is unknown.

use graphql::FieldError;
use sea_orm::DbErr;
use serde_json::Value;
use sqlx::postgres::PgDatabaseError;

use super::{ApiError, UNAVAILABLE, driver_error, is_disconnected, is_full};

/// The extension with the outcome of a failed change.
pub const OUTCOME: &str = "outcome";

/// The [`OUTCOME`] of a change that may have been made.
pub const OUTCOME_UNKNOWN: &str = "UNKNOWN";

/// The [`OUTCOME`] of a change that was not made.
pub const OUTCOME_NOTHING: &str = "NOTHING";

impl ApiError {
    /// The error of a mutation, with its outcome.
    pub fn of_mutation(self) -> FieldError {
        let outcome = if matches!(self, Self::Unknown) { OUTCOME_UNKNOWN } else { OUTCOME_NOTHING };
        let error = FieldError::from(self);
        let code = error.extensions.get("code").and_then(Value::as_str);
        if matches!(code, Some(UNAVAILABLE | "TIMEOUT")) { error.with(OUTCOME, outcome) } else { error }
    }
}

/// Whether a failure is due to a server that rejects changes now, so that another server may accept them.
pub fn is_leaderless(error: &DbErr) -> bool {
    matches!(error, DbErr::Conn(_)) || is_disconnected(error) || is_full(error)
}

/// Whether a statement that failed with this error, or its transaction, has certainly changed nothing. If it was sent
/// and the connection broke, that is unknown.
pub fn has_done_nothing(error: &DbErr) -> bool {
    match driver_error(error) {
        _ if matches!(error, DbErr::Conn(_)) => true,
        // The end of the message, without which nothing is executed, did not reach the server. Reads never fail this
        // way.
        Some(sqlx::Error::Io(error)) => error.kind() == std::io::ErrorKind::BrokenPipe,
        Some(sqlx::Error::Database(error)) => {
            let code = error.code().unwrap_or_default();
            // PostgreSQL sends 57P01 and similar codes before a commit, or instead of one. Poolers send them at any
            // time, but do not say where in PostgreSQL's source they come from.
            let said_by_server = || {
                let error = error.try_downcast_ref::<PgDatabaseError>();
                error.is_some_and(|error| error.routine() == Some("ProcessInterrupts"))
            };
            // 08: the connection has failed; 40003: the server does not know either.
            !code.starts_with("08") && code != "40003" && (!code.starts_with("57P") || said_by_server())
        }
        Some(sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) | None => true,
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::io;
    use std::sync::Arc;

    use sea_orm::RuntimeErr;
    use sqlx::error::{DatabaseError, ErrorKind};

    use super::*;

    /// An error from a program other than PostgreSQL, by its code.
    #[derive(Debug)]
    struct CodedError(&'static str);

    impl fmt::Display for CodedError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for CodedError {}

    impl DatabaseError for CodedError {
        fn message(&self) -> &str {
            self.0
        }

        fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
            Some(self.0.into())
        }

        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    fn of_statement(error: sqlx::Error) -> DbErr {
        DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
    }

    #[test]
    fn a_change_counts_as_undone_only_if_reported() {
        let told = |code| has_done_nothing(&of_statement(sqlx::Error::Database(Box::new(CodedError(code)))));
        for code in ["25006", "40001", "40P01", "53300", "55P03", "57014", "25P03", "23505"] {
            assert!(told(code), "{code}");
        }
        // A pooler sends 57P01 whatever the server was doing.
        for code in ["08006", "08P01", "40003", "57P01", "57P02"] {
            assert!(!told(code), "{code}");
        }
        let broken = |kind: io::ErrorKind| has_done_nothing(&of_statement(sqlx::Error::Io(kind.into())));
        assert!(broken(io::ErrorKind::BrokenPipe), "it was not written");
        for kind in [io::ErrorKind::ConnectionReset, io::ErrorKind::UnexpectedEof, io::ErrorKind::TimedOut] {
            assert!(!broken(kind), "{kind}");
        }
        let refused = sqlx::Error::Io(io::ErrorKind::ConnectionRefused.into());
        let unmade = DbErr::Conn(RuntimeErr::SqlxError(Arc::new(refused)));
        assert!(has_done_nothing(&unmade) && is_leaderless(&unmade));
    }
}
