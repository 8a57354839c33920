//! Errors in a mutation's input. They are collected, so that a client gets all of them in one response.

use async_graphql::{Enum, ID};
use request::error::ApiError;
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};

use super::id::{Id, NodeType};
use super::reason::{BoundedReason, UserErrorReason};
use super::spelling::{compose, is_blank};

/// The kind of error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UserErrorCode {
    /// A value is invalid. Correct it.
    BadUserInput,
    /// The object does not exist.
    NotFound,
    /// The value is valid, but conflicts with existing data.
    Conflict,
}

/// Why a mutation changed nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserError {
    /// The kind of error.
    pub code: UserErrorCode,
    /// The input field as a path, such as `input.tags.2`. Null if it is not a single field.
    pub field: Option<String>,
    /// The problem and the solution, for people.
    pub message: String,
    /// The reason, for programs. Outcomes stored by an older version lack it.
    #[serde(default)]
    pub reason: UserErrorReason,
    /// A parameter of the reason: the minimum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// A parameter of the reason: the maximum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

impl UserError {
    /// An error of a field.
    pub fn new(
        code: UserErrorCode,
        field: impl Into<String>,
        reason: impl Into<BoundedReason>,
        message: impl Into<String>,
    ) -> Self {
        let BoundedReason { reason, min, max } = reason.into();
        Self { code, field: Some(field.into()), message: message.into(), reason, min, max }
    }

    /// A value is invalid.
    pub fn bad_input(field: impl Into<String>, reason: impl Into<BoundedReason>, message: impl Into<String>) -> Self {
        Self::new(UserErrorCode::BadUserInput, field, reason, message)
    }

    /// A field refers to an object that does not exist. `what` is its type.
    pub fn not_found(field: impl Into<String>, what: &str) -> Self {
        Self::missing(field, format!("the {what} does not exist; it may have been deleted"))
    }

    /// The same, with its own message.
    pub fn missing(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(UserErrorCode::NotFound, field, UserErrorReason::NotFound, message)
    }

    /// A value conflicts with existing data.
    pub fn conflict(field: impl Into<String>, reason: UserErrorReason, message: impl Into<String>) -> Self {
        Self::new(UserErrorCode::Conflict, field, reason, message)
    }
}

/// Why a service changed nothing.
#[derive(Clone, Debug)]
pub enum Rejection {
    /// The input is invalid: an error of the payload.
    Invalid(Vec<UserError>),
    /// The object is not in the state that the client expects: an error of the payload, with the present object.
    /// [`Rejection::stale`] creates it.
    Stale(UserError, serde_json::Value),
    /// Any other failure: a top-level error.
    Failed(ApiError),
}

impl Rejection {
    /// Rejects a change of an object that was changed meanwhile. `outcome` is the outcome of a successful change: with
    /// it, the payload shows the present object.
    pub fn stale(error: UserError, outcome: impl Serialize) -> Self {
        match serde_json::to_value(outcome) {
            Ok(outcome) => Self::Stale(error, outcome),
            Err(error) => Self::Failed(ApiError::Internal(format!("an outcome is not valid JSON: {error}"))),
        }
    }
}

impl From<UserError> for Rejection {
    fn from(error: UserError) -> Self {
        Self::Invalid(vec![error])
    }
}

/// Invalid input becomes an error of the payload. All else remains a top-level error.
impl From<ApiError> for Rejection {
    fn from(error: ApiError) -> Self {
        match error {
            // Services get `BadInput` only from parsing ids.
            ApiError::BadInput { field, message } => {
                UserError::bad_input(field, UserErrorReason::InvalidId, message).into()
            }
            other => Self::Failed(other),
        }
    }
}

/// It is not logged until the transaction is given up, because the transaction may be retried.
impl From<DbErr> for Rejection {
    fn from(error: DbErr) -> Self {
        Self::Failed(ApiError::Database(std::sync::Arc::new(error)))
    }
}

/// Collects the errors of one input. A field with an error becomes `None` or its default, which is never used, because
/// [`check`](Self::check) fails.
#[derive(Clone, Debug, Default)]
pub struct Problems(Vec<UserError>);

impl Problems {
    /// No errors.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of errors.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Adds an error.
    pub fn add(&mut self, error: UserError) {
        self.0.push(error);
    }

    /// Adds an error: the value is invalid.
    pub fn bad_input(
        &mut self,
        field: impl Into<String>,
        reason: impl Into<BoundedReason>,
        message: impl Into<String>,
    ) {
        self.add(UserError::bad_input(field, reason, message));
    }

    /// Adds the error unless `holds`.
    pub fn require(&mut self, holds: bool, field: &str, reason: impl Into<BoundedReason>, message: impl Into<String>) {
        if !holds {
            self.bad_input(field, reason, message);
        }
    }

    /// Returns the value of `outcome`, or adds its errors.
    ///
    /// # Errors
    /// The failure is not an error of the input.
    pub fn take<T>(&mut self, outcome: Result<T, impl Into<Rejection>>) -> Result<Option<T>, Rejection> {
        match outcome.map_err(Into::into) {
            Ok(value) => Ok(Some(value)),
            Err(Rejection::Invalid(errors)) => {
                self.0.extend(errors);
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    /// Parses the id of an `N`.
    pub fn id<N: NodeType>(&mut self, field: &str, id: &ID) -> Option<Id<N>> {
        match Id::parse(field, id) {
            Ok(id) => Some(id),
            Err(ApiError::BadInput { field, message }) => {
                self.bad_input(field, UserErrorReason::InvalidId, message);
                None
            }
            Err(_) => None,
        }
    }

    /// A line of text: trimmed, composed, of `min` to `max` characters, without control characters.
    pub fn line(&mut self, field: &str, text: &str, min: usize, max: usize) -> String {
        self.checked(field, &compose(text), min, max, |_| false)
    }

    /// A text of several lines: trimmed, of `min` to `max` characters, without control characters except line feeds and
    /// tabs. Line ends become line feeds.
    pub fn text(&mut self, field: &str, text: &str, min: usize, max: usize) -> String {
        self.checked(field, &text.replace("\r\n", "\n"), min, max, |c| matches!(c, '\n' | '\t'))
    }

    fn checked(&mut self, field: &str, text: &str, min: usize, max: usize, allowed: fn(char) -> bool) -> String {
        let text = text.trim();
        let length = if is_blank(text) { 0 } else { text.chars().count() };
        if length < min {
            let least = if min == 1 { "must not be empty".to_owned() } else { too_short(length, min) };
            self.bad_input(field, UserErrorReason::of_length(length, min, max), least);
        } else if length > max {
            let most = format!("must be at most {max} characters long; it has {length}");
            self.bad_input(field, UserErrorReason::of_length(length, min, max), most);
        }
        if let Some(found) = text.chars().find(|c| c.is_control() && !allowed(*c)) {
            let message = format!("contains the control character U+{:04X}; remove it", u32::from(found));
            self.bad_input(field, UserErrorReason::InvalidCharacter, message);
        }
        text.to_owned()
    }

    /// Fails if there is any error.
    ///
    /// # Errors
    /// `Invalid` with all errors.
    pub fn check(self) -> Result<(), Rejection> {
        if self.0.is_empty() { Ok(()) } else { Err(Rejection::Invalid(self.0)) }
    }
}

fn too_short(length: usize, min: usize) -> String {
    format!("must be at least {min} characters long; it has {length}")
}
