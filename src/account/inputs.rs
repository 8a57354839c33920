//! Inputs of the mutations of accounts.

use async_graphql::{ID, InputObject};

use crate::kit::form::Omittable;
use crate::kit::scalar::Date;
use crate::viewer::Role;

/// A new account.
#[derive(Clone, Debug, InputObject)]
pub struct SignUpInput {
    /// A unique name, 3 to 64 characters: Latin letters, digits, `_`, `.` and `-`. It must begin with a letter or a
    /// digit. It is stored in lower case.
    pub(super) username: String,
    /// A unique email address, at most 128 characters. It is stored in lower case.
    pub(super) email: String,
    /// The password, 8 to 128 characters. It must not be a common password, the username or the email address.
    pub(super) password: String,
    /// The full name, 1 to 256 characters.
    pub(super) full_name: String,
    /// The date of birth, in 1900 or later and before today.
    pub(super) birthday: Date,
    /// The user's description of themselves, 1 to 20,000 characters.
    pub(super) bio: Omittable<String>,
}

/// The credentials of a user.
#[derive(Clone, Debug, InputObject)]
pub struct LogInInput {
    /// The username or the email address. Case is ignored.
    pub(super) login: String,
    /// The password.
    pub(super) password: String,
}

/// The session to revoke.
#[derive(Clone, Debug, InputObject)]
pub struct RevokeSessionInput {
    /// The id of the session, from `User.sessions`.
    pub(super) id: ID,
}

/// The changes to the viewer's account. Omitted fields keep their values.
#[derive(Clone, Debug, InputObject)]
pub struct UpdateProfileInput {
    /// The unique name. The rules of `SignUpInput` apply.
    pub(super) username: Omittable<String>,
    /// The email address. The rules of `SignUpInput` apply. A change requires `currentPassword`.
    pub(super) email: Omittable<String>,
    /// The full name, 1 to 256 characters.
    pub(super) full_name: Omittable<String>,
    /// The date of birth, in 1900 or later and before today.
    pub(super) birthday: Omittable<Date>,
    /// The user's description of themselves, 1 to 20,000 characters. Null deletes it.
    pub(super) bio: Omittable<String>,
    /// The viewer's password. Required to change the email address. If given, it is always checked.
    pub(super) current_password: Omittable<String>,
}

/// The viewer's current and new passwords.
#[derive(Clone, Debug, InputObject)]
pub struct ChangePasswordInput {
    /// The current password.
    pub(super) current_password: String,
    /// The new password. The rules of `SignUpInput` apply.
    pub(super) new_password: String,
}

/// The confirmation to delete the viewer's account.
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
    /// The role: `EDITOR` or `ADMIN`. Every user has `MEMBER`.
    pub(super) role: Role,
}

/// A role to revoke from a user.
#[derive(Clone, Debug, InputObject)]
pub struct RevokeRoleInput {
    /// The id of the user.
    pub(super) user_id: ID,
    /// The role: `EDITOR` or `ADMIN`. Every user has `MEMBER`.
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
    /// The username. Case is ignored.
    pub(super) username: String,
}
