//! Why a mutation's input is refused, as programs are told.

use async_graphql::Enum;
use serde::{Deserialize, Serialize};

/// Why a mutation changed nothing, for programs: a client translates this, and not `message`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UserErrorReason {
    /// A value is missing, empty or null.
    Required,
    /// The text has fewer than `min` characters.
    TooShort,
    /// The text has more than `max` characters.
    TooLong,
    /// The number is less than `min` or greater than `max`. For a date, these are years.
    OutOfRange,
    /// The list has more than `max` items.
    TooMany,
    /// The list has the same item twice.
    Duplicate,
    /// The text has a character that is not allowed.
    InvalidCharacter,
    /// The text does not have the required form, such as that of an e-mail address.
    InvalidFormat,
    /// The id is not valid, or is the id of an object of another type.
    InvalidId,
    /// The date is not in the past.
    NotInPast,
    /// The value does not fit another field of the input.
    Mismatch,
    /// The comment that is answered is already at the maximum depth, `max`.
    TooDeep,
    /// The password is one of the most common ones.
    CommonPassword,
    /// The password is the user's own name or e-mail address.
    PasswordIsName,
    /// The password is wrong.
    WrongPassword,
    /// The login or the password is wrong.
    WrongCredentials,
    /// Every user has this role.
    NotGrantable,
    /// The object does not exist.
    NotFound,
    /// Another object has this value, or this combination of values.
    Taken,
    /// Other objects refer to the object.
    InUse,
    /// Somebody else has changed the object.
    Changed,
    /// The user is the last admin.
    LastAdmin,
    /// The value is invalid for a reason that only `message` states. More reasons may be added: treat an unknown one like
    /// this.
    #[default]
    #[serde(other)]
    Invalid,
}

/// A reason with its parameters.
#[derive(Clone, Copy, Debug)]
pub struct BoundedReason {
    /// The reason.
    pub reason: UserErrorReason,
    /// The least that is allowed.
    pub min: Option<f64>,
    /// The most that is allowed.
    pub max: Option<f64>,
}

impl UserErrorReason {
    /// The reason with what is allowed.
    pub fn within(self, min: impl Into<Option<f64>>, max: impl Into<Option<f64>>) -> BoundedReason {
        BoundedReason { reason: self, min: min.into(), max: max.into() }
    }

    /// Too few or too many characters, of which `min` to `max` are allowed.
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
