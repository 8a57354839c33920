//! Mutations of festivals and screenings.

use graphql::{Object, Root};

use super::objects::{Festival, Screening};
use super::service;
use crate::kit::changes::{CatalogueObject, MutationObject, object};
use crate::policy::Rule;
use crate::viewer::Role;

/// Adds the mutations to their root.
pub fn add_to_mutation(mutation: Object<Root>) -> Object<Root> {
    mutation
        .catalogue::<Festival>(
            "festival",
            Rule::Has(Role::Editor),
            [
                ("createFestival", "Creates a festival. For editors."),
                ("updateFestival", "Changes a festival. For editors."),
                ("deleteFestival", "Deletes a festival. Fails with `CONFLICT` if it has screenings. For editors."),
            ],
        )
        .change(
            "addScreening",
            "Adds a screening to a festival. For signed-in users.",
            Rule::SignedIn,
            object::<Screening>("screening", "The new screening."),
            |work, input| Box::pin(service::add_screening(work, input)),
        )
}
