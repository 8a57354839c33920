//! Festivals and screenings, and the lists of them.

use graphql::{Context, Description, NoArguments, Object};

use super::inputs::{FestivalOrder, FestivalsArguments};
use super::tables::{festivals, screenings};
use crate::error::ApiResult;
use crate::kit::rows::{List, ListSelect, RootList, RowObject, row};
use crate::kit::{ByKey, Id};

row! {
    /// A film festival.
    Festival of festivals {
        id: Id<Festival>,
        title: String,
        city: String,
        year: i32,
    }
}

row! {
    /// A screening at a festival.
    Screening of screenings {
        id: Id<Screening>,
        film: String,
        festival_id: Id<Festival>,
    }
}

/// The types of this domain.
pub fn describe(description: &mut Description) {
    description.object(
        Object::<Festival>::new("A film festival.")
            .node()
            .column("title", "The festival's name.", Festival::title)
            .column("year", "The year in which it takes place.", Festival::year)
            .column_as("place", "Where it takes place.", Festival::city, |city| format!("{city}, Russia"))
            .edge::<ScreeningsOfFestival>("screenings", "What the festival shows, oldest entries first."),
    );
    description.object(
        Object::<Screening>::new("A screening at a festival.")
            .node()
            .column("film", "The title of the film.", Screening::film)
            .link("festival", "The festival.", Screening::festival_id),
    );
}

/// `festivals`.
#[derive(Debug)]
pub struct Festivals;

impl RootList for Festivals {
    type Row = Festival;
    type Arguments = FestivalsArguments;
    type Order = FestivalOrder;

    const LIST: &'static str = "festivals";

    async fn rows(
        _: &Context,
        FestivalsArguments { filter, order_by }: &FestivalsArguments,
    ) -> ApiResult<ListSelect<Self>> {
        Ok((filter.clone().unwrap_or_default().rows()?, *order_by))
    }
}

/// `Festival.screenings`.
#[derive(Clone, Debug)]
pub struct ScreeningsOfFestival;

impl List for ScreeningsOfFestival {
    type Parent = Festival;
    type Row = Screening;
    type Order = ByKey<Screening>;
    type Arguments = NoArguments;

    const LIST: &'static str = "Festival.screenings";

    fn parent_column() -> screenings::Column {
        screenings::Column::FestivalId
    }

    fn new(_: &Context, NoArguments: &NoArguments) -> ApiResult<(Self, Self::Order)> {
        Ok((Self, ByKey::default()))
    }
}
