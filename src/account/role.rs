//! Roles in the database: one row for each except the common one.

use crate::viewer::Role;

/// The stored form of a role. Members have no row.
pub fn write(role: Role) -> Option<&'static str> {
    match role {
        Role::Member => None,
        Role::Editor => Some("editor"),
        Role::Admin => Some("admin"),
    }
}

/// The role with this stored form.
pub fn read(text: &str) -> Option<Role> {
    [Role::Editor, Role::Admin].into_iter().find(|role| write(*role) == Some(text))
}
