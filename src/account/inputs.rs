//! What clients give of an account.

use async_graphql::{ID, InputObject};

use crate::kit::form::Given;
use crate::kit::scalar::Date;
use crate::viewer::Role;

/// Who wants an account.
#[derive(Clone, Debug, InputObject)]
pub struct SignUpInput {
    /// The name to be known by, which nobody else has: 3 to 64 Latin letters, digits, `_`, `.` and `-`, the
    /// first a letter or a digit. It is kept in lower case.
    pub(super) username: String,
    /// The e-mail address, which nobody else has, of 128 characters at most. It is kept in lower case.
    pub(super) email: String,
    /// The password, of 8 to 128 characters: not one of the most common ones, nor the username or
    /// the e-mail address.
    pub(super) password: String,
    /// The full name, of 1 to 256 characters.
    pub(super) full_name: String,
    /// The day of birth, from 1900 on and before today.
    pub(super) birthday: Date,
    /// What to say of oneself, of 1 to 20,000 characters.
    pub(super) bio: Given<String>,
}

/// Who logs in.
#[derive(Clone, Debug, InputObject)]
pub struct LogInInput {
    /// The username or the e-mail address; its case does not matter.
    pub(super) login: String,
    /// The password.
    pub(super) password: String,
}

/// Which session to end.
#[derive(Clone, Debug, InputObject)]
pub struct RevokeSessionInput {
    /// The session, as `User.sessions` lists it.
    pub(super) id: ID,
}

/// What to change about the viewer's own account. Fields that are left out stay as they are.
#[derive(Clone, Debug, InputObject)]
pub struct UpdateProfileInput {
    /// The name to be known by, as in `SignUpInput`.
    pub(super) username: Given<String>,
    /// The e-mail address, as in `SignUpInput`. To change it, `currentPassword` is needed.
    pub(super) email: Given<String>,
    /// The full name, of 1 to 256 characters.
    pub(super) full_name: Given<String>,
    /// The day of birth, from 1900 on and before today.
    pub(super) birthday: Given<Date>,
    /// What to say of oneself, of 1 to 20,000 characters; null for nothing.
    pub(super) bio: Given<String>,
    /// The viewer's password: needed to change the e-mail address, right whenever it is given.
    pub(super) current_password: Given<String>,
}

/// The viewer's password, old and new.
#[derive(Clone, Debug, InputObject)]
pub struct ChangePasswordInput {
    /// The password as it is.
    pub(super) current_password: String,
    /// The password from now on, as in `SignUpInput`.
    pub(super) new_password: String,
}

/// That the viewer means to delete their account.
#[derive(Clone, Debug, InputObject)]
pub struct DeleteAccountInput {
    /// The viewer's password.
    pub(super) password: String,
}

/// Who gets which role.
#[derive(Clone, Debug, InputObject)]
pub struct GrantRoleInput {
    /// The user.
    pub(super) user_id: ID,
    /// The role: `EDITOR` or `ADMIN`. Everybody is a member.
    pub(super) role: Role,
}

/// Who loses which role.
#[derive(Clone, Debug, InputObject)]
pub struct RevokeRoleInput {
    /// The user.
    pub(super) user_id: ID,
    /// The role: `EDITOR` or `ADMIN`. Everybody is a member.
    pub(super) role: Role,
}

/// Whose account to delete.
#[derive(Clone, Debug, InputObject)]
pub struct DeleteUserInput {
    /// The user.
    pub(super) id: ID,
}
