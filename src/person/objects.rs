//! People, for the engine.

use graphql::{Description, Object};

use crate::kit::Id;
use crate::kit::rows::{RowObject, row};
use crate::kit::scalar::Date;
use crate::staff::CreditsOfPerson;

row! {
    /// Someone who takes part in productions.
    Person of persons {
        id: Id<Person>,
        first_name: String,
        birthday: Option<Date>,
    }
}

/// The types of this domain.
pub fn describe(description: &mut Description) {
    description.object(
        Object::<Person>::new("x")
            .node()
            .column("firstName", "The first name.", Person::first_name)
            .edge::<CreditsOfPerson>("credits", "x"),
    );
}
