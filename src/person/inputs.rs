//! Inputs of people: the filter and the orders of the list, and the inputs of mutations.

use async_graphql::{Enum, ID, InputObject};
use entity::{awards, movie_staff_m2m, person_names, persons};
use sea_orm::{ColumnTrait, Condition, EntityTrait, JoinType, QueryFilter, QuerySelect, RelationTrait, Select};

use super::Person;
use crate::db::ReadPool;
use crate::error::ApiResult;
use crate::kit::edit::{Editable, References};
use crate::kit::fields::fields;
use crate::kit::form::{LONG_TEXT_LENGTH_MAX, PastDay, line, text};
use crate::kit::scalar::Date;
use crate::kit::{FoldedTexts, Id, IntRange, PageOrder, SortKey, check_text, choice_name, has_row, has_text};
use crate::staff::PersonPosition;

/// A filter for people. A person must meet all conditions. A person without a value never meets a condition on it.
#[derive(Clone, Debug, Default, InputObject)]
pub struct PersonFilter {
    /// Only people whose full name contains every word of this text, in any order. Case is ignored, and ё equals е. A
    /// text of one or two letters matches only the beginning of a last name. Blank text is ignored.
    name: Option<String>,
    /// Only people from this country, in Russian. The name must match the catalogue's spelling exactly.
    country: Option<String>,
    /// Only people born in these years.
    birth_year: Option<IntRange>,
    /// Only people who held this position in at least one movie.
    position_id: Option<ID>,
}

/// Where folded names are stored.
const NAMES: FoldedTexts<person_names::Entity> =
    FoldedTexts { owner: person_names::Column::PersonId, texts: &[person_names::Column::Name], by_words: true };

impl PersonFilter {
    /// The rows that match the filter.
    pub(super) async fn rows(self, db: &ReadPool) -> ApiResult<Select<persons::Entity>> {
        let name = has_text(db, persons::Column::Id, NAMES, "filter.name", self.name).await?;
        let country = self.country.map(|country| check_text("filter.country", country)).transpose()?;
        let (from, to) = match self.birth_year {
            Some(years) => years.days("filter.birthYear")?,
            None => (None, None),
        };
        let position = self.position_id.map(|id| Id::<PersonPosition>::parse("filter.positionId", &id)).transpose()?;
        let held = position.map(|position| {
            has_row::<movie_staff_m2m::Entity>(
                movie_staff_m2m::Column::PersonId,
                persons::Column::Id,
                movie_staff_m2m::Column::PositionId.eq(position.key()),
            )
        });
        Ok(persons::Entity::find().filter(
            Condition::all()
                .add_option(name)
                .add_option(country.map(|country| persons::Column::Country.eq(country)))
                .add_option(from.map(|day| persons::Column::Birthday.gte(day)))
                .add_option(to.map(|day| persons::Column::Birthday.lte(day)))
                .add_option(held),
        ))
    }
}

/// The sort order of a list of people. People without a birthday come last in an order by birthday. Ties are sorted by
/// registration: earliest first, or latest first in a descending order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum PersonOrder {
    /// Most recently registered first.
    #[default]
    Newest,
    /// Earliest registered first.
    Oldest,
    /// By last, first and middle name, alphabetically. Case is ignored, and ё equals е.
    Name,
    /// By last, first and middle name, in reverse alphabetical order.
    NameDesc,
    /// Oldest first.
    Birthday,
    /// Youngest first.
    BirthdayDesc,
}

impl PageOrder for PersonOrder {
    type Entity = persons::Entity;

    fn tag(self) -> &'static str {
        choice_name(self)
    }

    fn keys(self) -> Vec<SortKey> {
        match self {
            Self::Newest | Self::Oldest => vec![SortKey::column(persons::Column::Id)],
            Self::Name | Self::NameDesc => {
                [person_names::Column::Name, person_names::Column::PersonId].map(SortKey::column).into()
            }
            Self::Birthday | Self::BirthdayDesc => {
                [persons::Column::Birthday, persons::Column::Id].map(SortKey::column).into()
            }
        }
    }

    fn join(self, rows: Select<persons::Entity>) -> Select<persons::Entity> {
        match self {
            Self::Name | Self::NameDesc => rows.join_rev(JoinType::InnerJoin, person_names::Relation::Persons.def()),
            _ => rows,
        }
    }
}

fields! {
    Person: CreatePersonInput, UpdatePersonInput, DeletePersonInput;
    required {
        /// The given name, 1 to 128 characters.
        first_name: String => line(128),
        /// The family name, 1 to 128 characters.
        last_name: String => line(128),
        /// The country of origin, in Russian, 1 to 128 characters.
        country: String => line(128),
    }
    optional {
        /// The patronymic, 1 to 128 characters.
        mid_name: String => line(128),
        /// The date of birth. It must not be in the future.
        birthday: Date => PastDay,
        /// The biography, 1 to 20,000 characters.
        bio: String => text(LONG_TEXT_LENGTH_MAX),
    }
}

impl Editable for Person {
    const WHAT: &'static str = "person";

    fn references(key: i32) -> Vec<References> {
        vec![
            References::new(movie_staff_m2m::Column::PersonId, key, "staff entry", "staff entries"),
            References::new(awards::Column::PersonId, key, "award", "awards"),
        ]
    }
}

/// Which people to list, and in which order.
#[derive(Debug, InputObject)]
pub struct PersonsArguments {
    /// The filter. If omitted, all people are listed.
    pub(super) filter: Option<PersonFilter>,
    /// The sort order of the list. A cursor is valid only in the order that returned it.
    #[graphql(default)]
    pub(super) order_by: PersonOrder,
}
