//! Mutations of publications and of their categories.

use graphql::{Object, Root};

use super::{Publication, PublicationCategory, service};
use crate::kit::changes::{CatalogueObject, MutationObject, deleted, object};
use crate::policy::Rule;
use crate::viewer::Role;

/// The author and editors edit and delete a publication.
pub(super) const EDIT: Rule = Rule::OwnerOr(Role::Editor);

/// Adds the mutations of publications to their root.
pub fn add_to_mutation(mutation: Object<Root>) -> Object<Root> {
    mutation
        .single_change(
            "createPublication",
            "Creates a publication. For signed-in users.",
            Rule::SignedIn,
            object::<Publication>("publication", "The new publication."),
            (service::create_single, |work, input| Box::pin(service::create(work, input))),
        )
        .change(
            "updatePublication",
            "Changes a publication. For its author and for editors.",
            EDIT,
            object::<Publication>(
                "publication",
                "The updated publication. If `expectedChangedAt` did not match, the current publication.",
            ),
            |work, input| Box::pin(service::update(work, input)),
        )
        .change(
            "deletePublication",
            "Deletes a publication with its comments and ratings. For its author and for editors.",
            EDIT,
            deleted("deletedId", "The id of the deleted publication."),
            |work, input| Box::pin(service::delete(work, input)),
        )
}

/// Adds the mutations of categories to their root.
pub fn add_categories_to_mutation(mutation: Object<Root>) -> Object<Root> {
    mutation.catalogue::<PublicationCategory>(
        "category",
        Rule::Has(Role::Editor),
        [
            ("createPublicationCategory", "Creates a category of publications. For editors."),
            ("updatePublicationCategory", "Changes a category of publications. For editors."),
            (
                "deletePublicationCategory",
                "Deletes a category of publications. Fails with `CONFLICT` if a publication has it. For editors.",
            ),
        ],
    )
}
