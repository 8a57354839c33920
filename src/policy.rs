//! Who may do what: one line a mutation, and nowhere else.
//!
//! [`Guarded`] asks before a mutation's arguments are even read, and counts how much each user changes. What depends on whose object it is
//! can only be asked once the object is known: `Work::may_change` does, by the same line.

use std::borrow::Cow;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::resolve_container_serial;
use async_graphql::{
    ContainerType, Context, ContextSelectionSet, ObjectType, OutputType, Positioned, ServerResult, Value,
};

use crate::error::{ApiError, ApiResult};
use crate::kit::ContextExt;
use crate::kit::mutate::WriteRates;
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

/// Every mutation with its rule. A test compares it with the schema.
pub const MUTATIONS: &[(&str, Rule)] = &[
    // Accounts.
    ("signUp", Rule::Anyone),
    ("logIn", Rule::Anyone),
    ("logOut", Rule::SignedIn),
    ("logOutEverywhere", Rule::SignedIn),
    ("revokeSession", Rule::Owner),
    ("updateProfile", Rule::SignedIn),
    ("changePassword", Rule::SignedIn),
    ("deleteAccount", Rule::SignedIn),
    // What users write and do.
    ("createPublication", Rule::SignedIn),
    ("updatePublication", Rule::OwnerOr(Role::Editor)),
    ("deletePublication", Rule::OwnerOr(Role::Editor)),
    ("addComment", Rule::SignedIn),
    ("editComment", Rule::Owner),
    ("deleteComment", Rule::OwnerOr(Role::Editor)),
    ("hideComment", Rule::Has(Role::Editor)),
    ("rate", Rule::SignedIn),
    ("removeRating", Rule::SignedIn),
    ("orderMovie", Rule::SignedIn),
    // The catalogue.
    ("createMovie", Rule::Has(Role::Editor)),
    ("updateMovie", Rule::Has(Role::Editor)),
    ("deleteMovie", Rule::Has(Role::Editor)),
    ("createPerson", Rule::Has(Role::Editor)),
    ("updatePerson", Rule::Has(Role::Editor)),
    ("deletePerson", Rule::Has(Role::Editor)),
    ("createStaffMember", Rule::Has(Role::Editor)),
    ("updateStaffMember", Rule::Has(Role::Editor)),
    ("deleteStaffMember", Rule::Has(Role::Editor)),
    ("createPersonPosition", Rule::Has(Role::Editor)),
    ("updatePersonPosition", Rule::Has(Role::Editor)),
    ("deletePersonPosition", Rule::Has(Role::Editor)),
    ("createMovieAward", Rule::Has(Role::Editor)),
    ("updateMovieAward", Rule::Has(Role::Editor)),
    ("deleteMovieAward", Rule::Has(Role::Editor)),
    ("createFilmAward", Rule::Has(Role::Editor)),
    ("updateFilmAward", Rule::Has(Role::Editor)),
    ("deleteFilmAward", Rule::Has(Role::Editor)),
    ("createFilmAwardNomination", Rule::Has(Role::Editor)),
    ("updateFilmAwardNomination", Rule::Has(Role::Editor)),
    ("deleteFilmAwardNomination", Rule::Has(Role::Editor)),
    ("createCinema", Rule::Has(Role::Editor)),
    ("updateCinema", Rule::Has(Role::Editor)),
    ("deleteCinema", Rule::Has(Role::Editor)),
    ("createTag", Rule::Has(Role::Editor)),
    ("updateTag", Rule::Has(Role::Editor)),
    ("deleteTag", Rule::Has(Role::Editor)),
    ("createPublicationCategory", Rule::Has(Role::Editor)),
    ("updatePublicationCategory", Rule::Has(Role::Editor)),
    ("deletePublicationCategory", Rule::Has(Role::Editor)),
    ("setAvailability", Rule::Has(Role::Editor)),
    ("removeAvailability", Rule::Has(Role::Editor)),
    // Roles.
    ("grantRole", Rule::Has(Role::Admin)),
    ("revokeRole", Rule::Has(Role::Admin)),
    ("deleteUser", Rule::Has(Role::Admin)),
];

/// The rule of a mutation.
///
/// # Errors
/// `Internal` when it has none: nobody may then.
pub fn rule_of(mutation: &str) -> ApiResult<Rule> {
    let found = MUTATIONS.iter().find(|(name, _)| *name == mutation);
    found.map(|(_, rule)| *rule).ok_or_else(|| ApiError::Internal(format!("{mutation} has no policy")))
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

/// Whether `viewer` may do `mutation` to an object of `owner`: for fields such as `canEdit`.
///
/// # Errors
/// `Internal` when the mutation has no rule.
pub fn may(mutation: &str, viewer: Option<Viewer>, owner: Option<i32>) -> ApiResult<bool> {
    Ok(rule_of(mutation)?.permits(viewer, owner))
}

/// Passes a viewer with this role or a higher one.
///
/// # Errors
/// `Forbidden`, naming the role.
pub fn require(viewer: Viewer, role: Role) -> ApiResult<()> {
    if viewer.role >= role { Ok(()) } else { Err(ApiError::needs_role(role)) }
}

/// The root of mutations, with the policy before each.
#[derive(Debug, Default)]
pub struct Guarded<M>(M);

impl<M: ContainerType> ContainerType for Guarded<M> {
    async fn resolve_field(&self, ctx: &Context<'_>) -> ServerResult<Option<Value>> {
        let admitted = rule_of(&ctx.item.node.name.node).and_then(|rule| rule.admit(ctx.viewer()));
        let admitted = admitted.and_then(|()| WriteRates::admit(ctx));
        if let Err(error) = admitted {
            let error = async_graphql::Error::from(error).into_server_error(ctx.item.pos);
            return Err(ctx.set_error_path(error));
        }
        // In a box, as below the runner of mutations: unoptimised, the states of all mutations together overflow a
        // thread's stack.
        Box::pin(self.0.resolve_field(ctx)).await
    }
}

impl<M: ContainerType> OutputType for Guarded<M> {
    fn type_name() -> Cow<'static, str> {
        M::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        M::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        resolve_container_serial(ctx, self).await
    }
}

impl<M: ContainerType> ObjectType for Guarded<M> {}
