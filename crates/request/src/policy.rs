//! Who may do what. The rule of a mutation stands where the mutation is described.
//!
//! `kit::changes` asks before a mutation runs. What depends on whose object it is can only be asked
//! once the object is known: `Work::may_change` does, by the same rule.

use crate::error::{ApiError, ApiResult};
use crate::viewer::{Role, Viewer};

/// Who may call a mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Whoever asks, signed in or not.
    Anyone,
    /// Whoever is signed in, on what is theirs by itself.
    SignedIn,
    /// Whoever owns the object.
    Owner,
    /// Whoever owns the object or has this role.
    OwnerOr(Role),
    /// Whoever has this role.
    Has(Role),
}

impl Rule {
    /// Passes whoever may call the mutation at all: on an object of their own, if it matters.
    ///
    /// # Errors
    /// `Unauthenticated` when nobody is signed in, `Forbidden` when the role is missing.
    pub fn admit(self, viewer: Option<Viewer>) -> ApiResult<()> {
        match (self, viewer) {
            (Self::Anyone, _) | (Self::SignedIn | Self::Owner | Self::OwnerOr(_), Some(_)) => Ok(()),
            (_, None) => Err(ApiError::Unauthenticated),
            (Self::Has(role), Some(viewer)) => require(viewer, role),
        }
    }

    /// Whether `viewer` may do it to an object of `owner`, who may be gone.
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

/// Passes a viewer with this role or a higher one.
///
/// # Errors
/// `Forbidden`, naming the role.
pub fn require(viewer: Viewer, role: Role) -> ApiResult<()> {
    if viewer.role >= role { Ok(()) } else { Err(needs_role(role)) }
}

/// The error of a viewer whose role is too low.
pub fn needs_role(role: Role) -> ApiError {
    ApiError::Forbidden(match role {
        Role::Member => "only members can do this",
        Role::Editor => "only editors can do this",
        Role::Admin => "only admins can do this",
    })
}
