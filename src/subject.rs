//! What comments and ratings are about.

use async_graphql::{Context, Union};

use crate::error::{ApiError, ApiResult};
use crate::kit::{ContextExt, Id};
use crate::movie::Movie;
use crate::publication::Publication;

/// What a comment or a rating is about.
#[derive(Clone, Debug, Union)]
pub enum Subject {
    /// A movie or a series.
    Movie(Movie),
    /// A publication.
    Publication(Publication),
}

impl Subject {
    /// Reads the one of the two that is set, as the database makes sure.
    ///
    /// # Errors
    /// `Gone` when the subject was deleted since its comment was read.
    pub async fn load(
        ctx: &Context<'_>,
        movie: Option<Id<Movie>>,
        publication: Option<Id<Publication>>,
    ) -> ApiResult<Self> {
        match (movie, publication) {
            (Some(id), _) => ctx.load(id).await.map(Self::Movie),
            (None, Some(id)) => ctx.load(id).await.map(Self::Publication),
            (None, None) => Err(ApiError::Gone),
        }
    }
}
