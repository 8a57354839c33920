//! Mutations of ratings.

use async_graphql::{Context, ID, InputObject, Object};

use super::{Rating, service};
use crate::kit::InPlace;
use crate::kit::mutate::{Answer, mutate, payload};
use crate::subject::Subject;

/// What to give, and to what.
#[derive(Clone, Debug, InputObject)]
pub struct RateInput {
    /// What to rate: a movie or a publication.
    pub(super) subject_id: ID,
    /// What to give: 1 to 5.
    pub(super) rating: i32,
}

/// Of what to take back the rating.
#[derive(Clone, Debug, InputObject)]
pub struct RemoveRatingInput {
    /// What was rated: a movie or a publication.
    pub(super) subject_id: ID,
}

payload!(RatePayload, "What was given.", rating: InPlace<Rating>, "The viewer's rating as it is now.");
payload!(
    RemoveRatingPayload,
    "What is no longer rated.",
    subject: Subject,
    "The movie or publication without the viewer's rating."
);

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct RatingMutation;

#[Object]
impl RatingMutation {
    /// Rates a movie or a publication, or changes what was given before: a user has one rating of
    /// each. For whoever is signed in.
    async fn rate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to give, and to what.")] input: RateInput,
    ) -> Answer<RatePayload> {
        mutate(ctx, async move |work| service::rate(work, &input).await).await
    }

    /// Takes back what the viewer gave a movie or a publication. For whoever is signed in.
    async fn remove_rating(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of what to take back the rating.")] input: RemoveRatingInput,
    ) -> Answer<RemoveRatingPayload> {
        mutate(ctx, async move |work| service::remove(work, &input).await).await
    }
}
