//! Constraints of the database as problems of the input: what a check beforehand cannot promise,
//! since somebody else may be quicker.

use request::error::database_error;
use sea_orm::DbErr;
use sqlx::error::{DatabaseError, ErrorKind};

use super::problem::{Rejection, UserError, UserErrorCode};
use super::reason::UserErrorReason;

/// A constraint and what its violation means to the client.
#[derive(Clone, Copy, Debug)]
pub struct Constraint {
    /// Its name on PostgreSQL, which on SQLite is that of the index or check.
    pub name: &'static str,
    /// How SQLite tells of a unique index: its columns, `table.column, table.column`; of one over
    /// an expression `index 'name'`. Empty for a foreign key, which it does not name.
    pub columns: &'static str,
    /// What kind of problem it is.
    pub code: UserErrorCode,
    /// The reason for programs.
    pub reason: UserErrorReason,
    /// The input field that caused it.
    pub field: &'static str,
    /// What is wrong and what to do.
    pub message: &'static str,
}

impl Constraint {
    /// A value that another row has.
    pub const fn unique(name: &'static str, columns: &'static str, field: &'static str, message: &'static str) -> Self {
        Self { name, columns, code: UserErrorCode::Conflict, reason: UserErrorReason::Taken, field, message }
    }

    /// A row that is referred to and not there. SQLite does not say which: there the first foreign
    /// key of a list is meant.
    pub const fn reference(name: &'static str, field: &'static str, message: &'static str) -> Self {
        Self { name, columns: "", code: UserErrorCode::NotFound, reason: UserErrorReason::NotFound, field, message }
    }

    /// A rule that a value breaks.
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
            // A trigger of SQLite that stands for a check.
            None => error.message() == self.name,
        }
    }

    /// What to tell the client.
    pub fn problem(&self) -> UserError {
        UserError::new(self.code, self.field, self.reason, self.message)
    }
}

/// Makes of a failure the problem that one of `known` stands for: for `map_err`.
pub fn explain(known: &[Constraint]) -> impl Fn(DbErr) -> Rejection {
    move |error| {
        let violated = database_error(&error).and_then(|error| known.iter().find(|known| known.is_violated(error)));
        match violated {
            Some(constraint) => constraint.problem().into(),
            None => error.into(),
        }
    }
}
