//! Staff entries and positions, and the lists of them.

use entity::{movie_staff_m2m, person_position};
use graphql::{Context, Description, NoArguments, Object};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select};

use super::inputs::StaffArguments;
use crate::error::ApiResult;
use crate::kit::rows::{List, RowObject, WholeTable, row};
use crate::kit::{ByKey, Id};
use crate::movie::Movie;
use crate::person::Person;

row! {
    /// A person's part in a movie.
    StaffMember of movie_staff_m2m {
        id: Id<StaffMember>,
        character: Option<String>,
        is_lead: bool = is_lead_role,
        position_id: Id<PersonPosition>,
        person_id: Id<Person>,
        movie_id: Id<Movie>,
    }
}

row! {
    /// A position in a production: director, actor, composer.
    PersonPosition of person_position [registry: true] {
        id: Id<PersonPosition>,
        title: String,
    }
}

/// The types of this domain.
pub fn describe(description: &mut Description) {
    description.object(
        Object::<StaffMember>::new("A member of the cast or crew of a movie.")
            .node()
            .column("character", "The name of the character. Null if the person does not act.", StaffMember::character)
            .column("isLead", "Whether the role is a leading one.", StaffMember::is_lead)
            .link("person", "The person.", StaffMember::person_id)
            .link("position", "The person's position.", StaffMember::position_id)
            .link("movie", "The movie.", StaffMember::movie_id),
    );
    description.object(
        Object::<PersonPosition>::new("A position in a production, such as director or actor.").node().column(
            "title",
            "The name of the position in Russian, such as \"Режиссёр\".",
            PersonPosition::title,
        ),
    );
}

/// `Movie.staff`.
#[derive(Clone, Debug)]
pub struct StaffOfMovie {
    /// Only this position.
    position: Option<Id<PersonPosition>>,
    /// Only people in leading roles.
    lead_only: bool,
}

impl List for StaffOfMovie {
    type Parent = Movie;
    type Row = StaffMember;
    type Order = ByKey<StaffMember>;
    type Arguments = StaffArguments;

    const LIST: &'static str = "Movie.staff";

    fn parent_column() -> movie_staff_m2m::Column {
        movie_staff_m2m::Column::MovieId
    }

    fn rows(&self) -> Select<movie_staff_m2m::Entity> {
        let mut rows = movie_staff_m2m::Entity::find();
        if let Some(position) = self.position {
            rows = rows.filter(movie_staff_m2m::Column::PositionId.eq(position.key()));
        }
        if self.lead_only {
            rows = rows.filter(movie_staff_m2m::Column::IsLeadRole.eq(true));
        }
        rows
    }

    fn new(_: &Context, StaffArguments { position_id, lead_only }: &StaffArguments) -> ApiResult<(Self, Self::Order)> {
        let position = position_id.as_ref().map(|id| Id::parse("positionId", id)).transpose()?;
        Ok((Self { position, lead_only: *lead_only }, ByKey::default()))
    }
}

/// `Person.credits`.
#[derive(Clone, Debug)]
pub struct CreditsOfPerson;

impl List for CreditsOfPerson {
    type Parent = Person;
    type Row = StaffMember;
    type Order = ByKey<StaffMember>;
    type Arguments = NoArguments;

    const LIST: &'static str = "Person.credits";

    fn parent_column() -> movie_staff_m2m::Column {
        movie_staff_m2m::Column::PersonId
    }

    fn new(_: &Context, NoArguments: &NoArguments) -> ApiResult<(Self, Self::Order)> {
        Ok((Self, ByKey::default()))
    }
}

impl WholeTable for PersonPosition {
    const LIST: &'static str = "personPositions";
}
