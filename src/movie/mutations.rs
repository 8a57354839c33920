//! Mutations of movies.

use graphql::{Object, Root};

use super::Movie;
use crate::kit::changes::CatalogueObject;
use crate::policy::Rule;
use crate::viewer::Role;

/// Adds the mutations to their root.
pub fn add_to_mutation(mutation: Object<Root>) -> Object<Root> {
    mutation.catalogue::<Movie>(
        "movie",
        Rule::Has(Role::Editor),
        [
            ("createMovie", "Creates a movie or a series. For editors."),
            ("updateMovie", "Changes a movie or a series. For editors."),
            (
                "deleteMovie",
                "Deletes a movie with its staff, availability, comments and ratings. Fails with `CONFLICT` if the \
                 movie has awards or orders. For editors.",
            ),
        ],
    )
}
