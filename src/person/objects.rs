//! The person, and the list of people.

use entity::persons;
use graphql::{Context, Description, Object};

use super::inputs::{PersonOrder, PersonsArguments};
use crate::award::AwardsOfPerson;
use crate::error::ApiResult;
use crate::kit::Id;
use crate::kit::rows::{ContextExt, ListSelect, RootList, RowObject, WideColumn, row};
use crate::kit::scalar::Date;
use crate::staff::CreditsOfPerson;

row! {
    /// A person who worked on movies.
    Person of persons {
        id: Id<Person>,
        first_name: String,
        last_name: String,
        mid_name: Option<String>,
        country: String,
        birthday: Option<Date>,
    }
}

/// The biography. It is read only if it is selected.
struct PersonBio;

impl WideColumn for PersonBio {
    type Row = Person;

    fn column() -> persons::Column {
        persons::Column::Bio
    }
}

/// The types of this domain.
pub fn describe(description: &mut Description) {
    description.object(
        Object::<Person>::new("A person who worked on movies.")
            .node()
            .column("firstName", "The given name.", Person::first_name)
            .column("lastName", "The family name.", Person::last_name)
            .column("midName", "The patronymic. Null if there is none.", Person::mid_name)
            .column("country", "The country of origin, in Russian.", Person::country)
            .column("birthday", "The date of birth. Null if unknown.", Person::birthday)
            .text::<PersonBio>("bio", "The biography. Null if there is none.")
            .costs(8)
            .edge::<CreditsOfPerson>("credits", "The movies that the person worked on, oldest entries first.")
            .edge::<AwardsOfPerson>("awards", "The person's awards, oldest entries first."),
    );
}

/// `persons`.
#[derive(Debug)]
pub struct Persons;

impl RootList for Persons {
    type Row = Person;
    type Arguments = PersonsArguments;
    type Order = PersonOrder;

    const LIST: &'static str = "persons";

    async fn rows(
        context: &Context,
        PersonsArguments { filter, order_by }: &PersonsArguments,
    ) -> ApiResult<ListSelect<Self>> {
        Ok((filter.clone().unwrap_or_default().rows(context.db()).await?, *order_by))
    }
}
