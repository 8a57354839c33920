//! Who may do what. A mutation's rule is in the mutation's description.
//!
//! `kit::changes` checks the rule before a mutation runs. Ownership can only be checked once the object is known:
//! `Work::may_change` does that, with the same rule.

use crate::error::{ApiError, ApiResult};
use crate::viewer::{Role, Viewer};

/// Who may call a mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Everyone, signed in or not.
    Anyone,
    /// Signed-in users, on objects that are inherently their own.
    SignedIn,
    /// The owner of the object.
    Owner,
    /// The owner of the object, and users with this role.
    OwnerOr(Role),
    /// Users with this role.
    Has(Role),
}

impl Rule {
    /// Checks that the viewer may call the mutation at all, assuming that the object is their own.
    ///
    /// # Errors
    /// `Unauthenticated` if the viewer is anonymous, `Forbidden` if they lack the role.
    pub fn admit(self, viewer: Option<Viewer>) -> ApiResult<()> {
        match (self, viewer) {
            (Self::Anyone, _) | (Self::SignedIn | Self::Owner | Self::OwnerOr(_), Some(_)) => Ok(()),
            (_, None) => Err(ApiError::Unauthenticated),
            (Self::Has(role), Some(viewer)) => require(viewer, role),
        }
    }

    /// Whether `viewer` may do it to an object of `owner`, who may be deleted.
    pub fn permits(self, viewer: Option<Viewer>, owner: Option<i32>) -> bool {
        let owns = viewer.is_some_and(|viewer| owner == Some(viewer.user));
        let has = |role| viewer.is_some_and(|viewer| viewer.role >= role);
        match self {
            Self::Anyone => true,
            Self::SignedIn => viewer.is_some(),
            Self::Owner => owns,
            Self::OwnerOr(role) => owns || has(role),
            Self::Has(role) => has(role),
        }
    }
}

/// Checks that a viewer has this role or a higher one.
///
/// # Errors
/// `Forbidden`, with the role.
pub fn require(viewer: Viewer, role: Role) -> ApiResult<()> {
    if viewer.role >= role { Ok(()) } else { Err(needs_role(role)) }
}

/// The error for a viewer whose role is too low.
pub fn needs_role(role: Role) -> ApiError {
    ApiError::Forbidden(match role {
        Role::Member => "only members can do this",
        Role::Editor => "only editors can do this",
        Role::Admin => "only admins can do this",
    })
}
