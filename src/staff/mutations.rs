//! Mutations of staff entries and positions.

use graphql::{Object, Root};

use super::{PersonPosition, StaffMember};
use crate::kit::changes::CatalogueObject;
use crate::policy::Rule;
use crate::viewer::Role;

/// Editors change staff and positions.
const EDITORS: Rule = Rule::Has(Role::Editor);

/// Adds the mutations to their root.
pub fn add_to_mutation(mutation: Object<Root>) -> Object<Root> {
    mutation
        .catalogue::<StaffMember>(
            "staffMember",
            EDITORS,
            [
                ("createStaffMember", "Adds a person to the staff of a movie. For editors."),
                ("updateStaffMember", "Changes an entry in the staff of a movie. For editors."),
                ("deleteStaffMember", "Removes a person from the staff of a movie. For editors."),
            ],
        )
        .catalogue::<PersonPosition>(
            "position",
            EDITORS,
            [
                ("createPersonPosition", "Creates a position, such as director. For editors."),
                ("updatePersonPosition", "Changes a position. For editors."),
                (
                    "deletePersonPosition",
                    "Deletes a position. Fails with `CONFLICT` if a person holds it. For editors.",
                ),
            ],
        )
}
