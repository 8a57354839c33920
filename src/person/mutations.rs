//! Mutations of people.

use graphql::{Object, Root};

use super::Person;
use crate::kit::changes::CatalogueObject;
use crate::policy::Rule;
use crate::viewer::Role;

/// Adds the mutations to their root.
pub fn add_to_mutation(mutation: Object<Root>) -> Object<Root> {
    mutation.catalogue::<Person>(
        "person",
        Rule::Has(Role::Editor),
        [
            ("createPerson", "Creates a person. For editors."),
            ("updatePerson", "Changes a person. For editors."),
            (
                "deletePerson",
                "Deletes a person. Fails with `CONFLICT` if the person is on the staff of a movie or has an award. \
                 For editors.",
            ),
        ],
    )
}
