//! Mutations of people.

use entity::{awards, movie_staff_m2m, persons};
use sea_orm::DbErr;

use super::Person;
use crate::kit::edit::{Editable, References, editable};
use crate::kit::form::{Form, LONG_TEXT_LENGTH_MAX, line, past_day, text};
use crate::kit::scalar::Date;

editable! {
    Person as person, fields PersonFields, mutations PersonMutation;
    /// Adds a person. For editors.
    create_person(CreatePersonInput) -> CreatePersonPayload;
    /// Changes a person. For editors.
    update_person(UpdatePersonInput) -> UpdatePersonPayload;
    /// Deletes a person. One who had a part in a movie or received an award is a `CONFLICT`. For
    /// editors.
    delete_person(DeletePersonInput) -> DeletePersonPayload;
    required {
        /// The given name, of 1 to 128 characters.
        first_name: String,
        /// The family name, of 1 to 128 characters.
        last_name: String,
        /// The country of origin, in Russian, of 1 to 128 characters.
        country: String,
    }
    optional {
        /// The patronymic, where there is one, of 1 to 128 characters.
        mid_name: String,
        /// The day of birth, not in the future.
        birthday: Date,
        /// The biography, of 1 to 20,000 characters.
        bio: String,
    }
}

impl Editable for Person {
    type Fields = PersonFields;

    const WHAT: &'static str = "person";

    async fn fill(form: &mut Form<'_>, fields: PersonFields, row: &mut persons::ActiveModel) -> Result<(), DbErr> {
        let now = form.work.now();
        form.must(&mut row.first_name, "firstName", fields.first_name, line(128));
        form.must(&mut row.last_name, "lastName", fields.last_name, line(128));
        form.must(&mut row.country, "country", fields.country, line(128));
        form.may(&mut row.mid_name, "midName", fields.mid_name, line(128));
        form.may(&mut row.birthday, "birthday", fields.birthday, past_day(now));
        form.may(&mut row.bio, "bio", fields.bio, text(LONG_TEXT_LENGTH_MAX));
        Ok(())
    }

    fn references(key: i32) -> Vec<References> {
        vec![
            References::new(movie_staff_m2m::Column::PersonId, key, "staff entry", "staff entries"),
            References::new(awards::Column::PersonId, key, "award", "awards"),
        ]
    }
}
