//! Constraints of the database, as errors of the input. A check beforehand cannot replace them: another transaction may
//! come first.

use request::error::database_error;
use sea_orm::DbErr;
use sqlx::error::{DatabaseError, ErrorKind};

use super::problem::{Rejection, UserError, UserErrorCode};
use super::reason::UserErrorReason;

/// A constraint, and the error that a violation becomes.
#[derive(Clone, Copy, Debug)]
pub struct Constraint {
    /// Its name on PostgreSQL. On SQLite, its index or check has this name.
    pub name: &'static str,
    /// How SQLite names a unique index in its errors: `table.column, table.column`, or `index 'name'` if it is over an
    /// expression. Empty for a foreign key, which SQLite does not name.
    pub columns: &'static str,
    /// The error's code.
    pub code: UserErrorCode,
    /// The reason for programs.
    pub reason: UserErrorReason,
    /// The input field that caused it.
    pub field: &'static str,
    /// What is wrong and how to solve it.
    pub message: &'static str,
}

impl Constraint {
    /// A value that another row already has.
    pub const fn unique(name: &'static str, columns: &'static str, field: &'static str, message: &'static str) -> Self {
        Self { name, columns, code: UserErrorCode::Conflict, reason: UserErrorReason::Taken, field, message }
    }

    /// A reference to a row that does not exist. SQLite does not say which: there, the first foreign key of a list
    /// matches.
    pub const fn reference(name: &'static str, field: &'static str, message: &'static str) -> Self {
        Self { name, columns: "", code: UserErrorCode::NotFound, reason: UserErrorReason::NotFound, field, message }
    }

    /// A rule that a value violates.
    pub const fn check(
        name: &'static str,
        field: &'static str,
        reason: UserErrorReason,
        message: &'static str,
    ) -> Self {
        Self { name, columns: name, code: UserErrorCode::BadUserInput, reason, field, message }
    }

    fn is_violated(&self, error: &dyn DatabaseError) -> bool {
        match error.constraint() {
            Some(name) => name == self.name,
            // SQLite: "UNIQUE constraint failed: users.username", "CHECK constraint failed: NAME".
            None if error.is_foreign_key_violation() => self.columns.is_empty(),
            None if matches!(error.kind(), ErrorKind::UniqueViolation | ErrorKind::CheckViolation) => {
                let told = error.message().rsplit_once("constraint failed: ").map(|(_, told)| told.trim());
                told.is_some_and(|told| told == self.name || (!self.columns.is_empty() && told == self.columns))
            }
            // On SQLite, a trigger that replaces a check.
            None => error.message() == self.name,
        }
    }

    /// The error for the client.
    pub fn problem(&self) -> UserError {
        UserError::new(self.code, self.field, self.reason, self.message)
    }
}

/// Converts a failure into the error of the constraint in `known` that it violates. For `map_err`.
pub fn explain(known: &[Constraint]) -> impl Fn(DbErr) -> Rejection {
    move |error| {
        let violated = database_error(&error).and_then(|error| known.iter().find(|known| known.is_violated(error)));
        match violated {
            Some(constraint) => constraint.problem().into(),
            None => error.into(),
        }
    }
}
