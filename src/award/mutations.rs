//! Mutations of awards and nominations.

use graphql::{Object, Root};

use super::{FilmAward, FilmAwardNomination, MovieAward};
use crate::kit::changes::CatalogueObject;
use crate::policy::Rule;
use crate::viewer::Role;

/// Editors change awards.
const EDITORS: Rule = Rule::Has(Role::Editor);

/// Adds the mutations to their root.
pub fn add_to_mutation(mutation: Object<Root>) -> Object<Root> {
    mutation
        .catalogue::<MovieAward>(
            "award",
            EDITORS,
            [
                ("createMovieAward", "Adds an award to a movie. For editors."),
                ("updateMovieAward", "Changes an award of a movie. For editors."),
                ("deleteMovieAward", "Removes an award from a movie. For editors."),
            ],
        )
        .catalogue::<FilmAward>(
            "filmAward",
            EDITORS,
            [
                ("createFilmAward", "Creates a film award. For editors."),
                ("updateFilmAward", "Changes a film award. For editors."),
                (
                    "deleteFilmAward",
                    "Deletes a film award. Fails with `CONFLICT` if a movie has received it. For editors.",
                ),
            ],
        )
        .catalogue::<FilmAwardNomination>(
            "nomination",
            EDITORS,
            [
                ("createFilmAwardNomination", "Creates a nomination. For editors."),
                ("updateFilmAwardNomination", "Changes a nomination. For editors."),
                (
                    "deleteFilmAwardNomination",
                    "Deletes a nomination. Fails with `CONFLICT` if a movie has received an award in it. For editors.",
                ),
            ],
        )
}
