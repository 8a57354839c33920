//! Machine-readable reasons for the rejection of a mutation's input.

use async_graphql::Enum;
use serde::{Deserialize, Serialize};

/// The machine-readable reason for an error. Clients should translate this instead of `message`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UserErrorReason {
    /// A value is missing, empty or null.
    Required,
    /// The text has fewer than `min` characters.
    TooShort,
    /// The text has more than `max` characters.
    TooLong,
    /// The number is less than `min` or greater than `max`. For a date, `min` and `max` are years.
    OutOfRange,
    /// The list has more than `max` items.
    TooMany,
    /// The list contains the same item twice.
    Duplicate,
    /// The text contains a character that is not allowed.
    InvalidCharacter,
    /// The text has an invalid format, such as an invalid email address.
    InvalidFormat,
    /// The id is invalid, or it is the id of an object of another type.
    InvalidId,
    /// The date is not in the past.
    NotInPast,
    /// The value contradicts another field of the input.
    Mismatch,
    /// The parent comment is already at the maximum depth, `max`.
    TooDeep,
    /// The password is too common.
    CommonPassword,
    /// The password is the user's username or email address.
    PasswordIsName,
    /// The password is wrong.
    WrongPassword,
    /// The login or the password is wrong.
    WrongCredentials,
    /// The role cannot be granted or revoked. Every user has it.
    NotGrantable,
    /// The object does not exist.
    NotFound,
    /// Another object already has this value or combination of values.
    Taken,
    /// Other objects refer to the object.
    InUse,
    /// The object was changed by someone else.
    Changed,
    /// The user is the last admin.
    LastAdmin,
    /// The value is invalid for a reason that only `message` states. New reasons may be added. Treat an unknown reason
    /// like this one.
    #[default]
    #[serde(other)]
    Invalid,
}

/// A reason with its parameters.
#[derive(Clone, Copy, Debug)]
pub struct BoundedReason {
    /// The reason.
    pub reason: UserErrorReason,
    /// The minimum.
    pub min: Option<f64>,
    /// The maximum.
    pub max: Option<f64>,
}

impl UserErrorReason {
    /// Adds the limits to the reason.
    pub fn within(self, min: impl Into<Option<f64>>, max: impl Into<Option<f64>>) -> BoundedReason {
        BoundedReason { reason: self, min: min.into(), max: max.into() }
    }

    /// Too few or too many characters; `min` to `max` are allowed.
    #[expect(clippy::cast_precision_loss, reason = "lengths of texts are small")]
    pub fn of_length(length: usize, min: usize, max: usize) -> BoundedReason {
        let reason = match length {
            0 if min == 1 => Self::Required,
            length if length < min => Self::TooShort,
            _ => Self::TooLong,
        };
        reason.within(min as f64, max as f64)
    }
}

impl From<UserErrorReason> for BoundedReason {
    fn from(reason: UserErrorReason) -> Self {
        reason.within(None, None)
    }
}
