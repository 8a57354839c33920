//! Roles as they are stored: a row for each beyond the common one.

use crate::viewer::Role;

/// How a role is stored; members have no row.
pub fn write(role: Role) -> Option<&'static str> {
    match role {
        Role::Member => None,
        Role::Editor => Some("editor"),
        Role::Admin => Some("admin"),
    }
}

/// The role that is stored like this.
pub fn read(text: &str) -> Option<Role> {
    [Role::Editor, Role::Admin].into_iter().find(|role| write(*role) == Some(text))
}
