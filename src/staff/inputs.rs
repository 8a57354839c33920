//! Inputs of the mutations of staff entries and positions.

use async_graphql::{ID, InputObject};
use entity::{movie_staff_m2m, person_position};

use super::{PersonPosition, StaffMember};
use crate::kit::Constraint;
use crate::kit::edit::{Editable, References, Unique, reference};
use crate::kit::fields::fields;
use crate::kit::form::{as_given, line};
use crate::movie::Movie;
use crate::person::Person;

fields! {
    StaffMember: CreateStaffMemberInput, UpdateStaffMemberInput, DeleteStaffMemberInput;
    required {
        /// The id of the movie.
        movie_id: ID => reference::<Movie>(),
        /// The id of the person.
        person_id: ID => reference::<Person>(),
        /// The id of the person's position.
        position_id: ID => reference::<PersonPosition>(),
    }
    optional {
        /// The name of the character, 1 to 128 characters. Null if the person does not act.
        character: String => line(128),
    }
    defaulted {
        /// Whether the role is a leading one. Defaults to false for a new entry. Cannot be null.
        is_lead as is_lead_role: bool => as_given,
    }
}

impl Editable for StaffMember {
    const WHAT: &'static str = "staff entry";
}

fields! {
    PersonPosition: CreatePersonPositionInput, UpdatePersonPositionInput, DeletePersonPositionInput;
    required {
        /// The name of the position, 1 to 128 characters. Must be unique.
        title: String => line(128),
    }
}

impl Editable for PersonPosition {
    const WHAT: &'static str = "position";

    const UNIQUE: &'static [Unique<Self>] = &[Unique {
        columns: &[person_position::Column::Title],
        constraint: Constraint::unique(
            "person_position_title_key",
            "person_position.title",
            "input.title",
            "another position has this title; choose another",
        ),
    }];

    fn references(key: i32) -> Vec<References> {
        vec![References::new(movie_staff_m2m::Column::PositionId, key, "staff entry", "staff entries")]
    }
}

/// Which part of a movie's staff to list.
#[derive(Debug, InputObject)]
pub struct StaffArguments {
    /// Only people in this position.
    pub(super) position_id: Option<ID>,
    /// Only people in leading roles.
    #[graphql(default = false)]
    pub(super) lead_only: bool,
}
