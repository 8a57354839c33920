//! Inputs of festivals and screenings: filters, orders, and the inputs of mutations.

use async_graphql::{Enum, ID, InputObject};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, Select};

use super::objects::Festival;
use super::tables::{festivals, screenings};
use crate::error::ApiResult;
use crate::kit::edit::{Editable, References, Unique};
use crate::kit::fields::fields;
use crate::kit::form::{line, whole};
use crate::kit::{Constraint, IntRange, PageOrder, SortKey, check_text, choice_name};

/// Which festivals to list.
#[derive(Clone, Debug, Default, InputObject)]
pub struct FestivalFilter {
    /// Only festivals in this city.
    city: Option<String>,
    /// Only festivals of these years.
    year: Option<IntRange>,
}

impl FestivalFilter {
    /// The rows that match the filter.
    pub(super) fn rows(self) -> ApiResult<Select<festivals::Entity>> {
        let city = self.city.map(|city| check_text("filter.city", city)).transpose()?;
        let year = self.year.map(|years| years.condition("filter.year", festivals::Column::Year)).transpose()?;
        let city = city.map(|city| festivals::Column::City.eq(city));
        Ok(festivals::Entity::find().filter(Condition::all().add_option(city).add_option(year)))
    }
}

/// The order of a list of festivals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum FestivalOrder {
    /// By title.
    #[default]
    Title,
    /// The latest year first.
    YearDesc,
}

impl PageOrder for FestivalOrder {
    type Entity = festivals::Entity;

    fn tag(self) -> &'static str {
        choice_name(self)
    }

    fn keys(self) -> Vec<SortKey> {
        let first = match self {
            Self::Title => festivals::Column::Title,
            Self::YearDesc => festivals::Column::Year,
        };
        vec![SortKey::column(first), SortKey::column(festivals::Column::Id)]
    }
}

fields! {
    Festival: CreateFestivalInput, UpdateFestivalInput, DeleteFestivalInput;
    required {
        /// The festival's name, 1 to 128 characters. Must be unique in its year.
        title: String => line(128),
        /// The city, 1 to 64 characters.
        city: String => line(64),
        /// The year, 1900 to 2100.
        year: i32 => whole(1900..=2100),
    }
}

impl Editable for Festival {
    const WHAT: &'static str = "festival";

    const UNIQUE: &'static [Unique<Self>] = &[Unique {
        columns: &[festivals::Column::Title, festivals::Column::Year],
        constraint: Constraint::unique(
            "festivals_title_year_key",
            "festivals.title, festivals.year",
            "input.title",
            "another festival of this year has this title; choose another",
        ),
    }];

    fn references(key: i32) -> Vec<References> {
        vec![References::new(screenings::Column::FestivalId, key, "screening", "screenings")]
    }
}

/// A screening at a festival.
#[derive(Clone, Debug, InputObject)]
pub struct AddScreeningInput {
    /// The festival.
    pub(super) festival_id: ID,
    /// The title of the film, 1 to 128 characters. A festival shows a film once.
    pub(super) film: String,
}

/// Which festivals to list, and in which order.
#[derive(Debug, InputObject)]
pub struct FestivalsArguments {
    /// Which festivals to list. If omitted, all of them.
    pub(super) filter: Option<FestivalFilter>,
    /// The sort order of the list. A cursor is valid only in the order that returned it.
    #[graphql(default)]
    pub(super) order_by: FestivalOrder,
}
