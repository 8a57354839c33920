//! Mutations of online cinemas, and of the terms at which they offer movies.

use graphql::{Object, Root};

use super::{Availability, Cinema, service};
use crate::kit::changes::{CatalogueObject, MutationObject, deleted, object};
use crate::policy::Rule;
use crate::viewer::Role;

/// Editors change cinemas.
const EDITORS: Rule = Rule::Has(Role::Editor);

/// Adds the mutations to their root.
pub fn add_to_mutation(mutation: Object<Root>) -> Object<Root> {
    mutation
        .catalogue::<Cinema>(
            "cinema",
            EDITORS,
            [
                ("createCinema", "Creates an online cinema. For editors."),
                ("updateCinema", "Changes an online cinema. For editors."),
                (
                    "deleteCinema",
                    "Deletes an online cinema and its list of movies. Fails with `CONFLICT` if the cinema has \
                     orders. For editors.",
                ),
            ],
        )
        .change(
            "setAvailability",
            "Sets the price and terms at which a cinema offers a movie. For editors.",
            EDITORS,
            object::<Availability>("availability", "The updated availability."),
            |work, input| Box::pin(service::set_availability(work, input)),
        )
        .change(
            "removeAvailability",
            "Removes a movie from an online cinema. Orders remain. For editors.",
            EDITORS,
            deleted("deletedId", "The id of the removed availability."),
            |work, input| Box::pin(service::remove_availability(work, input)),
        )
}
