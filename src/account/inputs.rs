//! Inputs of the mutations of accounts.

use async_graphql::{ID, InputObject};

use crate::kit::form::Given;
use crate::kit::scalar::Date;
use crate::viewer::Role;

/// A new account.
#[derive(Clone, Debug, InputObject)]
pub struct SignUpInput {
    /// A unique name of 3 to 64 Latin letters, digits, `_`, `.` and `-`. It begins with a letter or a digit. It is stored in
    /// lower case.
    pub(super) username: String,
    /// A unique email address, at most 128 characters long. It is stored in lower case.
    pub(super) email: String,
    /// The password, 8 to 128 characters long. It must not be a common password, the username or the email address.
    pub(super) password: String,
    /// The full name, 1 to 256 characters long.
    pub(super) full_name: String,
    /// The date of birth, from 1900 on and before today.
    pub(super) birthday: Date,
    /// What the user says about themselves, 1 to 20,000 characters long.
    pub(super) bio: Given<String>,
}

/// The credentials of a user.
#[derive(Clone, Debug, InputObject)]
pub struct LogInInput {
    /// The username or the email address, in any case.
    pub(super) login: String,
    /// The password.
    pub(super) password: String,
}

/// The session to end.
#[derive(Clone, Debug, InputObject)]
pub struct RevokeSessionInput {
    /// The id of the session, from `User.sessions`.
    pub(super) id: ID,
}

/// Changes of the viewer's account. Omitted fields keep their values.
#[derive(Clone, Debug, InputObject)]
pub struct UpdateProfileInput {
    /// The unique name, as in `SignUpInput`.
    pub(super) username: Given<String>,
    /// The email address, as in `SignUpInput`. A change requires `currentPassword`.
    pub(super) email: Given<String>,
    /// The full name, 1 to 256 characters long.
    pub(super) full_name: Given<String>,
    /// The date of birth, from 1900 on and before today.
    pub(super) birthday: Given<Date>,
    /// What the user says about themselves, 1 to 20,000 characters long. Null deletes it.
    pub(super) bio: Given<String>,
    /// The viewer's password. Required to change the email address. Always checked if given.
    pub(super) current_password: Given<String>,
}

/// The viewer's current and new passwords.
#[derive(Clone, Debug, InputObject)]
pub struct ChangePasswordInput {
    /// The current password.
    pub(super) current_password: String,
    /// The new password, as in `SignUpInput`.
    pub(super) new_password: String,
}

/// The viewer's confirmation that the account is to be deleted.
#[derive(Clone, Debug, InputObject)]
pub struct DeleteAccountInput {
    /// The viewer's password.
    pub(super) password: String,
}

/// A role to grant to a user.
#[derive(Clone, Debug, InputObject)]
pub struct GrantRoleInput {
    /// The id of the user.
    pub(super) user_id: ID,
    /// The role: `EDITOR` or `ADMIN`. Every user is a member.
    pub(super) role: Role,
}

/// A role to revoke from a user.
#[derive(Clone, Debug, InputObject)]
pub struct RevokeRoleInput {
    /// The id of the user.
    pub(super) user_id: ID,
    /// The role: `EDITOR` or `ADMIN`. Every user is a member.
    pub(super) role: Role,
}

/// The account to delete.
#[derive(Clone, Debug, InputObject)]
pub struct DeleteUserInput {
    /// The id of the user.
    pub(super) id: ID,
}

/// Whom to find.
#[derive(Debug, InputObject)]
pub struct UserArguments {
    /// The user's name, in any case.
    pub(super) username: String,
}
