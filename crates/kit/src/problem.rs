//! What is wrong with a mutation's input: collected, so that a client learns all of it at once.

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

/// Why a mutation has changed nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserError {
    /// What kind of problem it is.
    pub code: UserErrorCode,
    /// The input field as a path, such as `input.tags.2`; null if it is no single one.
    pub field: Option<String>,
    /// What is wrong and what to do, for people.
    pub message: String,
    /// What is wrong, for programs. Outcomes that an older version has kept have none.
    #[serde(default)]
    pub reason: UserErrorReason,
    /// A parameter of the reason: the least that is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// A parameter of the reason: the most that is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

impl UserError {
    /// A problem with a field.
    pub fn new(
        code: UserErrorCode,
        field: impl Into<String>,
        reason: impl Into<BoundedReason>,
        message: impl Into<String>,
    ) -> Self {
        let BoundedReason { reason, min, max } = reason.into();
        Self { code, field: Some(field.into()), message: message.into(), reason, min, max }
    }

    /// A value is unusable.
    pub fn bad_input(field: impl Into<String>, reason: impl Into<BoundedReason>, message: impl Into<String>) -> Self {
        Self::new(UserErrorCode::BadUserInput, field, reason, message)
    }

    /// A field names an object that does not exist: `what` is its type.
    pub fn not_found(field: impl Into<String>, what: &str) -> Self {
        Self::missing(field, format!("the {what} does not exist; it may have been deleted"))
    }

    /// The same with a message of its own.
    pub fn missing(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(UserErrorCode::NotFound, field, UserErrorReason::NotFound, message)
    }

    /// A value does not go with what is there.
    pub fn conflict(field: impl Into<String>, reason: UserErrorReason, message: impl Into<String>) -> Self {
        Self::new(UserErrorCode::Conflict, field, reason, message)
    }
}

/// Why a service has done nothing.
#[derive(Clone, Debug)]
pub enum Rejection {
    /// The input is wrong: data of the payload.
    Invalid(Vec<UserError>),
    /// The object is not as the client believes: data of the payload, with the object as it is.
    /// [`Rejection::stale`] makes it.
    Stale(UserError, serde_json::Value),
    /// Anything else: a top-level error.
    Failed(ApiError),
}

impl Rejection {
    /// Refuses a change of an object that has changed meanwhile. `outcome` is what the service
    /// would have given back, by which the payload shows the object as it is.
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

/// Bad input becomes data, as a service wants it; the rest stays a top-level error.
impl From<ApiError> for Rejection {
    fn from(error: ApiError) -> Self {
        match error {
            // Services read ids so, and nothing else.
            ApiError::BadInput { field, message } => {
                UserError::bad_input(field, UserErrorReason::InvalidId, message).into()
            }
            other => Self::Failed(other),
        }
    }
}

/// Unlogged until the transaction is given up: it may be one that is run again.
impl From<DbErr> for Rejection {
    fn from(error: DbErr) -> Self {
        Self::Failed(ApiError::Database(std::sync::Arc::new(error)))
    }
}

/// Collects the problems of one input. What is given back for a field with a problem is `None` or
/// its default: nobody sees it, since [`check`](Self::check) refuses.
#[derive(Clone, Debug, Default)]
pub struct Problems(Vec<UserError>);

impl Problems {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Notes a problem.
    pub fn add(&mut self, error: UserError) {
        self.0.push(error);
    }

    /// Notes that a value is unusable.
    pub fn bad_input(
        &mut self,
        field: impl Into<String>,
        reason: impl Into<BoundedReason>,
        message: impl Into<String>,
    ) {
        self.add(UserError::bad_input(field, reason, message));
    }

    /// Notes the problem unless `holds`.
    pub fn require(&mut self, holds: bool, field: &str, reason: impl Into<BoundedReason>, message: impl Into<String>) {
        if !holds {
            self.bad_input(field, reason, message);
        }
    }

    /// What `outcome` holds, noting its problems.
    ///
    /// # Errors
    /// What is no problem of the input.
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

    /// The id of an `N`.
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

    /// A text of several lines: trimmed, of `min` to `max` characters, without control characters
    /// but line feeds and tabs. Line ends become line feeds.
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

    /// Refuses if there is any problem.
    ///
    /// # Errors
    /// `Invalid` with all of them.
    pub fn check(self) -> Result<(), Rejection> {
        if self.0.is_empty() { Ok(()) } else { Err(Rejection::Invalid(self.0)) }
    }
}

fn too_short(length: usize, min: usize) -> String {
    format!("must be at least {min} characters long; it has {length}")
}
