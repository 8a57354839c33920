//! The orders of the list of movies.

use async_graphql::Enum;
use entity::movies;

use crate::kit::{PageOrder, SortKey};

/// The order of a list of movies. Movies without the value come last in either direction.
/// Equal ones come in the order of their registration, reversed in descending orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum MovieOrder {
    /// The latest registered first.
    #[default]
    Newest,
    /// The earliest registered first.
    Oldest,
    /// By year of the première, the earliest first.
    Year,
    /// By year of the première, the latest first.
    YearDesc,
    /// By the catalogue's own rating, the lowest first.
    Rating,
    /// By the catalogue's own rating, the highest first.
    RatingDesc,
    /// By earnings in cinemas, the lowest first.
    BoxOffice,
    /// By earnings in cinemas, the highest first.
    BoxOfficeDesc,
}

impl PageOrder for MovieOrder {
    type Entity = movies::Entity;

    fn tag(self) -> &'static str {
        match self {
            Self::Newest => "NEWEST",
            Self::Oldest => "OLDEST",
            Self::Year => "YEAR",
            Self::YearDesc => "YEAR_DESC",
            Self::Rating => "RATING",
            Self::RatingDesc => "RATING_DESC",
            Self::BoxOffice => "BOX_OFFICE",
            Self::BoxOfficeDesc => "BOX_OFFICE_DESC",
        }
    }

    fn descending(self) -> bool {
        matches!(self, Self::Newest | Self::YearDesc | Self::RatingDesc | Self::BoxOfficeDesc)
    }

    fn keys(self) -> Vec<SortKey> {
        let first = match self {
            Self::Newest | Self::Oldest => None,
            Self::Year | Self::YearDesc => Some(movies::Column::Year),
            Self::Rating | Self::RatingDesc => Some(movies::Column::Rating),
            Self::BoxOffice | Self::BoxOfficeDesc => Some(movies::Column::Boxoffice),
        };
        first.into_iter().chain([movies::Column::Id]).map(SortKey::column).collect()
    }
}
