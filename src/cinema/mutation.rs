//! Mutations of online cinemas, and of what they show at what price.

use async_graphql::{Context, ID, InputObject, Object};
use entity::{cinema_online, user_movie_orders};
use sea_orm::DbErr;

use super::{Availability, Cinema, service};
use crate::kit::edit::{Editable, References, Unique, editable};
use crate::kit::form::{Form, Given, line};
use crate::kit::scalar::{BigInt, Money};
use crate::kit::{Answer, Constraint, Deleted, Problems, mutate, payload};

editable! {
    Cinema as cinema, fields CinemaFields, mutations CinemaMutation;
    /// Adds an online cinema. For editors.
    create_cinema(CreateCinemaInput) -> CreateCinemaPayload;
    /// Changes an online cinema. For editors.
    update_cinema(UpdateCinemaInput) -> UpdateCinemaPayload;
    /// Deletes an online cinema, with what it shows. One at which movies were ordered is a `CONFLICT`. For
    /// editors.
    delete_cinema(DeleteCinemaInput) -> DeleteCinemaPayload;
    required {
        /// Its name, which no other cinema has, of 1 to 128 characters.
        title: String,
        /// The address of its site, which no other cinema has: `https://` or `http://` and a host, of
        /// 512 characters at most.
        url: String,
    }
    optional {}
}

impl Editable for Cinema {
    type Fields = CinemaFields;

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
                "another cinema has this address",
            ),
        },
    ];

    async fn fill(
        form: &mut Form<'_>,
        fields: CinemaFields,
        row: &mut cinema_online::ActiveModel,
    ) -> Result<(), DbErr> {
        form.must(&mut row.title, "title", fields.title, line(128));
        form.must(&mut row.url, "url", fields.url, check_url);
        Ok(())
    }

    fn references(key: i32) -> Vec<References> {
        vec![References::new(user_movie_orders::Column::OnlineCinemaId, key, "order", "orders")]
    }
}

/// Characters of an address at most: an index holds them.
const URL_LENGTH_MAX: usize = 512;

fn check_url(problems: &mut Problems, field: &str, given: String) -> String {
    let address = problems.line(field, &given, 1, URL_LENGTH_MAX);
    let is_site = url::Url::parse(&address).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    problems.require(is_site, field, "is no address of a site such as https://cinema.example");
    address
}

/// On what terms a cinema shows a movie.
#[derive(Clone, Debug, InputObject)]
pub struct SetAvailabilityInput {
    /// The movie.
    pub(super) movie_id: ID,
    /// The online cinema.
    pub(super) cinema_id: ID,
    /// The price in roubles, without discounts.
    pub(super) price: Money,
    /// The rating that the cinema gives the movie, from 1 to 5.
    pub(super) rating: i32,
    /// The discount for students, in per cent from 0 to 100. Left out, it stays, and is 0 at first.
    pub(super) discount_percent: Given<i32>,
    /// How often the movie was watched there. Left out, it stays; null when the cinema does not
    /// tell.
    pub(super) view_count: Given<BigInt>,
}

/// What to show no more.
#[derive(Clone, Debug, InputObject)]
pub struct RemoveAvailabilityInput {
    /// The id of the availability.
    pub(super) id: ID,
}

payload!(SetAvailabilityPayload, "What was set.", availability: Availability, "The terms as they are now.");
payload!(
    RemoveAvailabilityPayload,
    "What was removed.",
    deleted_id: Deleted<Availability>,
    "The id of the availability that is no more."
);

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct AvailabilityMutation;

#[Object]
impl AvailabilityMutation {
    /// Says that a cinema shows a movie and on what terms, or changes these. For editors.
    async fn set_availability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The terms.")] input: SetAvailabilityInput,
    ) -> Answer<SetAvailabilityPayload> {
        mutate(ctx, async move |work| service::set_availability(work, &input).await).await
    }

    /// Says that a cinema no longer shows a movie. What was ordered stays ordered. For editors.
    async fn remove_availability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to show no more.")] input: RemoveAvailabilityInput,
    ) -> Answer<RemoveAvailabilityPayload> {
        mutate(ctx, async move |work| service::remove_availability(work, &input).await).await
    }
}
