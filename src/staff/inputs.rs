//! Inputs of the mutations of staff entries and positions.

use async_graphql::{ID, InputObject};
use entity::{movie_staff_m2m, person_position};
use sea_orm::DbErr;

use super::{PersonPosition, StaffMember};
use crate::kit::Constraint;
use crate::kit::edit::{Editable, References, Unique, editable};
use crate::kit::form::{Form, as_given, line};
use crate::movie::Movie;
use crate::person::Person;

editable! {
    StaffMember, fields StaffFields, inputs CreateStaffMemberInput, UpdateStaffMemberInput, DeleteStaffMemberInput;
    required {
        /// The movie.
        movie_id: ID,
        /// The person.
        person_id: ID,
        /// The person's position.
        position_id: ID,
    }
    optional {
        /// The role, 1 to 128 characters. Null for people who do not act.
        character: String,
        /// Whether it is a leading role. False for a new entry if omitted. Cannot be null.
        is_lead: bool,
    }
}

impl Editable for StaffMember {
    type Fields = StaffFields;

    const WHAT: &'static str = "staff entry";

    async fn fill(
        form: &mut Form<'_>,
        fields: StaffFields,
        row: &mut movie_staff_m2m::ActiveModel,
    ) -> Result<(), DbErr> {
        form.must_refer::<Movie>(&mut row.movie_id, "movieId", fields.movie_id, "movie").await?;
        form.must_refer::<Person>(&mut row.person_id, "personId", fields.person_id, "person").await?;
        form.must_refer::<PersonPosition>(&mut row.position_id, "positionId", fields.position_id, "position").await?;
        form.may(&mut row.character, "character", fields.character, line(128));
        form.must(&mut row.is_lead_role, "isLead", fields.is_lead, as_given);
        Ok(())
    }
}

editable! {
    PersonPosition, fields PositionFields, inputs CreatePersonPositionInput, UpdatePersonPositionInput, DeletePersonPositionInput;
    required {
        /// The position's name, 1 to 128 characters. Must be unique.
        title: String,
    }
    optional {}
}

impl Editable for PersonPosition {
    type Fields = PositionFields;

    const WHAT: &'static str = "position";

    const UNIQUE: &'static [Unique<Self>] = &[Unique {
        columns: &[person_position::Column::Title],
        constraint: Constraint::unique(
            "person_position_title_key",
            "person_position.title",
            "input.title",
            "there is such a position already; choose another title",
        ),
    }];

    async fn fill(
        form: &mut Form<'_>,
        fields: PositionFields,
        row: &mut person_position::ActiveModel,
    ) -> Result<(), DbErr> {
        form.must(&mut row.title, "title", fields.title, line(128));
        Ok(())
    }

    fn references(key: i32) -> Vec<References> {
        vec![References::new(movie_staff_m2m::Column::PositionId, key, "staff entry", "staff entries")]
    }
}

/// Which part of a movie's staff to list.
#[derive(Debug, InputObject)]
pub struct StaffArguments {
    /// Only people in this position.
    pub(super) position_id: Option<ID>,
    /// Only leading roles.
    #[graphql(default = false)]
    pub(super) lead_only: bool,
}
