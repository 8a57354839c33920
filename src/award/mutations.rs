//! Mutations of awards and nominations.

use graphql::{Object, Root};

use super::{FilmAward, FilmAwardNomination, MovieAward};
use crate::kit::changes::CatalogueObject;
use crate::policy::Rule;
use crate::viewer::Role;

/// Who changes awards.
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
                ("createFilmAward", "Creates an award that movies can receive. For editors."),
                ("updateFilmAward", "Changes an award that movies can receive. For editors."),
                (
                    "deleteFilmAward",
                    "Deletes an award. Fails with `CONFLICT` if a movie has received the award. For editors.",
                ),
            ],
        )
        .catalogue::<FilmAwardNomination>(
            "nomination",
            EDITORS,
            [
                ("createFilmAwardNomination", "Creates a nomination in which awards are given. For editors."),
                ("updateFilmAwardNomination", "Changes a nomination. For editors."),
                (
                    "deleteFilmAwardNomination",
                    "Deletes a nomination. Fails with `CONFLICT` if a movie has received an award in the nomination.\n\
                     For editors.",
                ),
            ],
        )
}
