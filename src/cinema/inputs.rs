//! Inputs of online cinemas and availabilities: filters, orders, and the inputs of mutations.

use async_graphql::{Enum, ID, InputObject};
use entity::{cinema_online, cinema_online_movie_presence as presence, cinema_titles, user_movie_orders};
use sea_orm::{Condition, EntityTrait, JoinType, QueryFilter, QuerySelect, RelationTrait, Select};

use super::Cinema;
use crate::db::ReadPool;
use crate::error::ApiResult;
use crate::kit::edit::{Editable, References, Unique};
use crate::kit::fields::fields;
use crate::kit::form::{Omittable, line};
use crate::kit::scalar::{BigInt, Money};
use crate::kit::{Constraint, FoldedTexts, PageOrder, Problems, SortKey, UserErrorReason, choice_name, has_text};

/// A filter for online cinemas.
#[derive(Clone, Debug, Default, InputObject)]
pub struct CinemaFilter {
    /// Only cinemas whose title contains this text. Case is ignored, and ё equals е. A text of one or two letters
    /// matches only the beginning of a title. Blank text is ignored.
    title: Option<String>,
}

/// Where folded titles are stored.
const TITLES: FoldedTexts<cinema_titles::Entity> =
    FoldedTexts { owner: cinema_titles::Column::CinemaId, texts: &[cinema_titles::Column::Title], by_words: false };

impl CinemaFilter {
    /// The rows that match the filter.
    pub(super) async fn rows(self, db: &ReadPool) -> ApiResult<Select<cinema_online::Entity>> {
        let title = has_text(db, cinema_online::Column::Id, TITLES, "filter.title", self.title).await?;
        Ok(cinema_online::Entity::find().filter(Condition::all().add_option(title)))
    }
}

/// The sort order of a list of online cinemas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum CinemaOrder {
    /// By title, alphabetically. Case is ignored, and ё equals е.
    #[default]
    Title,
    /// By title, in reverse alphabetical order.
    TitleDesc,
}

impl PageOrder for CinemaOrder {
    type Entity = cinema_online::Entity;

    fn tag(self) -> &'static str {
        choice_name(self)
    }

    fn keys(self) -> Vec<SortKey> {
        [cinema_titles::Column::Title, cinema_titles::Column::CinemaId].map(SortKey::column).into()
    }

    fn join(self, rows: Select<cinema_online::Entity>) -> Select<cinema_online::Entity> {
        rows.join_rev(JoinType::InnerJoin, cinema_titles::Relation::CinemaOnline.def())
    }
}

/// The sort order of a list of availabilities. Availabilities that were never checked come last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum AvailabilityOrder {
    /// Least recently checked first.
    #[default]
    UpdatedAt,
    /// Most recently checked first.
    UpdatedAtDesc,
}

impl PageOrder for AvailabilityOrder {
    type Entity = presence::Entity;

    fn tag(self) -> &'static str {
        choice_name(self)
    }

    fn keys(self) -> Vec<SortKey> {
        vec![SortKey::column(presence::Column::LastUpdate), SortKey::column(presence::Column::Id)]
    }
}

fields! {
    Cinema: CreateCinemaInput, UpdateCinemaInput, DeleteCinemaInput;
    required {
        /// The name of the cinema, 1 to 128 characters. Must be unique.
        title: String => line(128),
        /// The URL of the website, at most 512 characters. Must begin with `https://` or `http://` and a host. Must be
        /// unique.
        url: String => check_url,
    }
}

impl Editable for Cinema {
    const WHAT: &'static str = "cinema";

    const UNIQUE: &'static [Unique<Self>] = &[
        Unique {
            columns: &[cinema_online::Column::Title],
            constraint: Constraint::unique(
                "cinema_online_title_key",
                "cinema_online.title",
                "input.title",
                "another cinema has this title; choose another",
            ),
        },
        Unique {
            columns: &[cinema_online::Column::Url],
            constraint: Constraint::unique(
                "cinema_online_url_key",
                "cinema_online.url",
                "input.url",
                "another cinema has this URL; choose another",
            ),
        },
    ];

    fn references(key: i32) -> Vec<References> {
        vec![References::new(user_movie_orders::Column::OnlineCinemaId, key, "order", "orders")]
    }
}

/// The maximum length of a URL in characters. URLs are in an index, which limits their length.
const URL_LENGTH_MAX: usize = 512;

fn check_url(problems: &mut Problems, field: &str, given: String) -> String {
    let address = problems.line(field, &given, 1, URL_LENGTH_MAX);
    let is_site = url::Url::parse(&address).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    problems.require(is_site, field, UserErrorReason::InvalidFormat, "must be a URL such as https://cinema.example");
    address
}

/// The price and terms at which a cinema offers a movie.
#[derive(Clone, Debug, InputObject)]
pub struct SetAvailabilityInput {
    /// The id of the movie.
    pub(super) movie_id: ID,
    /// The id of the online cinema.
    pub(super) cinema_id: ID,
    /// The full price, in roubles.
    pub(super) price: Money,
    /// The cinema's rating of the movie, from 1 to 5.
    pub(super) rating: i32,
    /// The student discount in per cent, from 0 to 100. If omitted, it does not change. Defaults to 0 for a new
    /// availability.
    pub(super) discount_percent: Omittable<i32>,
    /// The number of times that the movie was watched at the cinema. Null if unknown. If omitted, it does not change.
    pub(super) view_count: Omittable<BigInt>,
}

/// The availability to remove.
#[derive(Clone, Debug, InputObject)]
pub struct RemoveAvailabilityInput {
    /// The id of the availability.
    pub(super) id: ID,
}

/// Which online cinemas of a movie to list.
#[derive(Debug, InputObject)]
pub struct AvailabilityArguments {
    /// Only this cinema.
    pub(super) cinema_id: Option<ID>,
    /// Only offers at this full price or less, in roubles.
    pub(super) max_price: Option<Money>,
}

/// Which online cinemas to list, and in which order.
#[derive(Debug, InputObject)]
pub struct CinemasArguments {
    /// The filter. If omitted, all cinemas are listed.
    pub(super) filter: Option<CinemaFilter>,
    /// The sort order of the list. A cursor is valid only in the order that returned it.
    #[graphql(default)]
    pub(super) order_by: CinemaOrder,
}

/// In which order to list availabilities.
#[derive(Debug, InputObject)]
pub struct AvailabilitiesArguments {
    /// The sort order of the list. A cursor is valid only in the order that returned it.
    #[graphql(default)]
    pub(super) order_by: AvailabilityOrder,
}
